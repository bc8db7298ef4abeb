//! Model files that are none.

use std::fs;

use sha2::{Digest, Sha256};

use crate::fixture::{Sandbox, run, shared};
use crate::weights::fixture;

fn model_bytes() -> Vec<u8> {
    fs::read(&shared().model).unwrap()
}

/// Every command that opens a model refuses the file with this text.
#[track_caller]
fn refused(path: &str, text: &str) {
    let dataset = shared().dataset.as_str();
    let photo = format!("{dataset}/test/good/0.png");
    let message = format!("efficientad: {path}: {text}");
    for arguments in [&["info", path][..], &["predict", path, &photo], &["eval", path, dataset]] {
        let run = run(arguments);
        run.expect(2, &[&message]);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_file_cut_short_is_refused() {
    let sandbox = Sandbox::new();
    let bytes = model_bytes();
    let half = bytes.len() / 2;
    let path = sandbox.write("short.model", &bytes[..half]);
    refused(&path, &format!("the file is cut short: {half} bytes of {}", bytes.len()));
    let path = sandbox.write("empty.model", b"");
    refused(&path, "the file is cut short: 0 bytes of ");
}

#[test]
fn a_flipped_byte_is_noticed() {
    let sandbox = Sandbox::new();
    let mut bytes = model_bytes();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    let path = sandbox.write("flipped.model", &bytes);
    refused(&path, "the file is damaged: its SHA-256 is ");
}

#[test]
fn another_version_is_named() {
    let sandbox = Sandbox::new();
    let mut bytes = model_bytes();
    let version = br#""format_version":"4""#;
    let at = bytes.windows(version.len()).position(|part| part == version).unwrap();
    bytes[at + version.len() - 2] = b'5';
    seal(&mut bytes);
    let path = sandbox.write("newer.model", &bytes);
    refused(&path, "its format has version 5, this program reads version 4; use the program that");
}

/// Writes the checksum anew, as `docs/model-file.md` defines it.
fn seal(bytes: &mut [u8]) {
    let place = 35..99;
    bytes[place.clone()].fill(b'0');
    let digest: String = Sha256::digest(&*bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    bytes[place].copy_from_slice(digest.as_bytes());
}

#[test]
fn files_of_other_kinds_are_told_apart() {
    let sandbox = Sandbox::new();
    refused(&sandbox.path("none.model"), "there is no such file; check the path");
    let photo = format!("{}/test/good/0.png", shared().dataset);
    refused(&photo, "this is not a safetensors file");
    refused(
        &fixture("pdn_small_state.pth"),
        "this is a PyTorch file, not a safetensors file; import",
    );
}

#[test]
fn code_in_a_pickle_does_not_run() {
    let sandbox = Sandbox::new();
    let malicious = fixture("malicious.pth");
    refused(&malicious, "this is a PyTorch file");
    let out = sandbox.path("m");
    run(["import", &malicious, "--out", &out]).refused(&format!(
        "{malicious}: it asks to call `posix.system`, which weights never need; nothing was run. \
         Do not open this file with PyTorch, delete it"
    ));
    let photos = sandbox.good_photos("photos", 2);
    run(["train", &photos, "--out", &out, "--teacher", &malicious])
        .expect(2, &["it asks to call `posix.system`"]);
    assert_eq!(sandbox.names(), ["photos"]);
}
