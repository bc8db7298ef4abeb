//! Weights of other programs.

use std::io::{Cursor, Read, Write};
use std::sync::LazyLock;

use efficientad_weights::foreign::from_bytes;
use efficientad_weights::{Tensor, Tensors, to_bytes};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::MIB;
use crate::target::{Memory, Target, as_it_is};
use crate::{fixtures, repair};

/// What a PyTorch file begins with that is an archive.
const ZIP: &[u8] = b"PK\x03\x04";

const ARCHIVE: Target = Target {
    name: "pytorch_zip",
    parses: "PyTorch's zip archives",
    run: |bytes| from_bytes(bytes, "weights").is_ok(),
    seeds: archives,
    repair: repair::zip,
    tokens: &[
        b"PK\x01\x02",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"PK\x06\x06",
        b"PK\x06\x07",
        b"/data.pkl",
        b"/data/0",
        b"/byteorder",
        b"/constants.pkl",
        b"\x01\0\x10\0",
    ],
    // Numbers may take twice their bytes, a pickle's objects more than its bytes by far.
    memory: Memory { fixed: 4 * MIB, per_byte: 128 },
    tried_in_tests: 1000,
};

/// Parts of pickles: instructions, and names that matter to the parser.
const PICKLE: &[&[u8]] = &[
    b"\x80\x02",
    b"}",
    b"]",
    b")",
    b"(",
    b"t",
    b"u",
    b"e",
    b"s",
    b"a",
    b"b",
    b"R",
    b"\x81",
    b"Q",
    b".",
    b"0",
    b"1",
    b"N",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x88",
    b"K\x02",
    b"M\x02\x01",
    b"J\xFF\xFF\xFF\xFF",
    b"\x8A\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
    b"q\0",
    b"h\0",
    b"h\x01",
    b"j\0\0\0\0",
    b"G\0\0\0\0\0\0\0\0",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nHalfStorage\n",
    b"ctorch\nLongStorage\n",
    b"ccollections\nOrderedDict\n",
    b"cos\nsystem\n",
    b"X\x07\0\0\0storage",
    b"X\x0A\0\0\0state_dict",
    b"X\x08\0\0\0_modules",
    b"X\x0B\0\0\0_parameters",
    b"X\x01\0\0\x000",
    b"X\x08\0\0\x000.weight",
];

/// The parsers of other programs' weights.
pub(super) const TARGETS: &[Target] = &[
    ARCHIVE,
    Target {
        name: "pytorch_pickle",
        parses: "the pickles in PyTorch's archives",
        run: |pickle| from_bytes(&archive_of(pickle), "weights").is_ok(),
        seeds: pickles,
        repair: as_it_is,
        tokens: PICKLE,
        ..ARCHIVE
    },
    Target {
        name: "pytorch_legacy",
        parses: "PyTorch's files before archives",
        seeds: || weights_fixtures(|bytes| !bytes.starts_with(ZIP)),
        repair: as_it_is,
        tokens: PICKLE,
        ..ARCHIVE
    },
    Target {
        name: "safetensors",
        parses: "safetensors files of other programs",
        seeds: safetensors,
        repair: as_it_is,
        tokens: &[
            br#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#,
            b"\"F16\"",
            b"\"BF16\"",
            b"\"F64\"",
            b"\"I64\"",
            b"\"BOOL\"",
            b"\"F8_E4M3\"",
            b"\"shape\":[]",
            b"\"__metadata__\":{}",
            b"0.weight",
            b"conv1.weight",
            b"model.",
            b"{",
            b"}",
            b"[",
            b"]",
            b",",
            b":",
            b"\"",
        ],
        ..ARCHIVE
    },
];

fn weights_fixtures(is_wanted: impl Fn(&[u8]) -> bool) -> Vec<Vec<u8>> {
    let mut files = fixtures::read("weights/tests/fixtures", &["pth", "pt", "ckpt"]);
    files.retain(|bytes| is_wanted(bytes));
    files
}

fn archives() -> Vec<Vec<u8>> {
    weights_fixtures(|bytes| bytes.starts_with(ZIP))
}

/// The entries of an archive whose names are wanted; none that is compressed, which PyTorch's are not.
fn entries(bytes: &[u8], is_wanted: impl Fn(&str) -> bool) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a sound archive");
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let kind = archive.by_index_raw(index).expect("a sound entry").compression();
        if kind != CompressionMethod::Stored {
            continue;
        }
        let mut entry = archive.by_index(index).expect("a sound entry");
        let name = entry.name().expect("a name").into_owned();
        if is_wanted(&name) {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("sound content");
            found.push((name, content));
        }
    }
    found
}

fn pickles() -> Vec<Vec<u8>> {
    let pickles = archives()
        .into_iter()
        .flat_map(|bytes| entries(&bytes, |name| name.ends_with("/data.pkl")));
    pickles.map(|(_, pickle)| pickle).collect()
}

/// An archive with storages as large as any of the fixtures has, and no pickle yet.
static STORAGES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut sizes = std::collections::BTreeMap::<String, usize>::new();
    for bytes in archives() {
        for (name, content) in entries(&bytes, |name| name.contains("/data/")) {
            let key = name.rsplit('/').next().unwrap_or_default().to_owned();
            let size = sizes.entry(key).or_default();
            *size = content.len().max(*size);
        }
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (key, size) in sizes {
        write_entry(&mut writer, &format!("a/data/{key}"), &vec![0x3C; size]);
    }
    writer.finish().expect("an archive").into_inner()
});

/// An archive with this pickle.
fn archive_of(pickle: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new_append(Cursor::new(STORAGES.clone())).expect("a sound archive");
    write_entry(&mut writer, "a/data.pkl", pickle);
    writer.finish().expect("an archive").into_inner()
}

fn write_entry(writer: &mut ZipWriter<Cursor<Vec<u8>>>, name: &str, content: &[u8]) {
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.start_file(name, stored).expect("an entry");
    writer.write_all(content).expect("memory");
}

/// A teacher of both names.
fn safetensors() -> Vec<Vec<u8>> {
    let file = |names: [&str; 4]| {
        let mut tensors = Tensors::new();
        for (name, kernel) in names.into_iter().zip([4, 4, 3, 4]) {
            let shape = [1, 1, kernel, kernel];
            let weight = Tensor::new(shape, vec![0.5; kernel * kernel]).expect("as many numbers");
            tensors.insert(format!("{name}.weight"), weight);
            tensors.insert(format!("{name}.bias"), Tensor::new([1], vec![0.25]).expect("a number"));
        }
        to_bytes("another-program", &"none", &tensors).expect("a sound file")
    };
    vec![file(["0", "3", "6", "8"]), file(["conv1", "conv2", "conv3", "conv4"])]
}
