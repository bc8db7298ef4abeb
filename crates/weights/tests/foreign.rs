//! Import of real PyTorch files (written by `tools/foreign_fixtures.py`) and of safetensors files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use efficientad_weights::foreign::{self, Foreign, Part, Role};
use efficientad_weights::{Cause, Tensor, Tensors};
use safetensors::tensor::{Dtype, TensorView};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

const PDN_SMALL: [[usize; 3]; 4] = [[2, 3, 4], [4, 2, 4], [4, 4, 3], [6, 4, 4]];
const PDN_MEDIUM: [[usize; 3]; 6] =
    [[2, 3, 4], [4, 2, 4], [4, 4, 1], [4, 4, 3], [6, 4, 4], [6, 6, 1]];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    fs::read(path(name)).unwrap()
}

fn read(name: &str) -> Foreign {
    foreign::read(&path(name)).unwrap()
}

fn refusal(name: &str) -> Cause {
    foreign::read(&path(name)).unwrap_err().cause
}

fn refused_bytes(bytes: &[u8]) -> Cause {
    foreign::from_bytes(bytes, "test").unwrap_err().cause
}

/// Parameter `t` of a fixture, by the rule that `tools/foreign_fixtures.py` states.
fn parameter(t: usize, shape: &[usize]) -> Tensor {
    let count = shape.iter().product();
    let data = (0..count).map(|i| ((7 * i + 13 * t) % 64) as f32 / 64.0 - 0.5).collect();
    Tensor::new(shape, data).unwrap()
}

/// Weights and biases of convolutions `[output channels, input channels, kernel]`; `t` counts the parameters.
fn convolutions(t: &mut usize, prefix: &str, layers: &[[usize; 3]]) -> Tensors {
    let mut tensors = Tensors::new();
    for (k, &[outputs, inputs, kernel]) in layers.iter().enumerate() {
        let name = format!("{prefix}conv{}", k + 1);
        tensors.insert(format!("{name}.weight"), parameter(*t, &[outputs, inputs, kernel, kernel]));
        tensors.insert(format!("{name}.bias"), parameter(*t + 1, &[outputs]));
        *t += 2;
    }
    tensors
}

fn pdn(layers: &[[usize; 3]]) -> Foreign {
    Foreign { part: Part::Pdn, tensors: convolutions(&mut 0, "", layers) }
}

fn student_layers() -> [[usize; 3]; 4] {
    let [first, second, third, _] = PDN_SMALL;
    [first, second, third, [12, 4, 4]]
}

fn autoencoder(t: &mut usize) -> Tensors {
    let encoder = [[2, 3, 4], [2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 2, 8]];
    let decoder =
        [[2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 2, 4], [2, 2, 3], [6, 2, 3]];
    let encoder = convolutions(t, "autoencoder.encoder.", &encoder);
    encoder.into_iter().chain(convolutions(t, "autoencoder.decoder.", &decoder)).collect()
}

#[test]
fn state_dicts_of_sequentials_are_read() {
    assert_eq!(read("pdn_small_state.pth"), pdn(&PDN_SMALL));
    assert_eq!(read("pdn_medium_state.pth"), pdn(&PDN_MEDIUM));
    assert_eq!(
        read("autoencoder_state.pth"),
        Foreign { part: Part::Autoencoder, tensors: autoencoder(&mut 0) }
    );
}

#[test]
fn whole_modules_are_read() {
    assert_eq!(read("pdn_small_module.pth"), pdn(&student_layers()));
    assert_eq!(
        read("autoencoder_module.pth"),
        Foreign { part: Part::Autoencoder, tensors: autoencoder(&mut 0) }
    );
}

#[test]
fn legacy_files_are_read() {
    assert_eq!(read("pdn_small_state_legacy.pth"), pdn(&PDN_SMALL));
    assert_eq!(read("pdn_small_module_legacy.pth"), pdn(&student_layers()));
}

#[test]
fn an_anomalib_teacher_is_read() {
    assert_eq!(read("anomalib_teacher.pth"), pdn(&PDN_SMALL));
}

#[test]
fn an_anomalib_checkpoint_is_read() {
    let mut t = 0;
    let mut expected = convolutions(&mut t, "teacher.", &PDN_SMALL);
    let rest =
        convolutions(&mut t, "student.", &student_layers()).into_iter().chain(autoencoder(&mut t));
    rest.for_each(|(name, tensor)| drop(expected.insert(name, tensor)));
    for name in ["teacher.mean", "teacher.std"] {
        expected.insert(name, parameter(t, &[6]));
        t += 1;
    }
    for name in ["st_a", "st_b", "ae_a", "ae_b"] {
        expected.insert(format!("quantiles.{name}"), parameter(t, &[1]));
        t += 1;
    }
    assert_eq!(read("anomalib_model.ckpt"), Foreign { part: Part::WholeModel, tensors: expected });
}

#[test]
fn strides_offsets_and_number_types_are_followed() {
    let mut expected = pdn(&PDN_SMALL);
    expected
        .tensors
        .insert("conv4.bias", Tensor::new([6], (0..6).map(|k| k as f32).collect()).unwrap());
    assert_eq!(read("strided.pth"), expected);
}

#[test]
fn safetensors_files_are_read() {
    let weight = |kernel: usize| [0x00, 0x3c].repeat(kernel * kernel);
    let kernels = [(0, 4), (3, 4), (6, 3), (8, 4)];
    let data: Vec<_> = kernels
        .iter()
        .map(|&(layer, kernel)| (layer, kernel, weight(kernel), 0.5_f32.to_le_bytes()))
        .collect();
    let mut views = BTreeMap::new();
    for (layer, kernel, weight, bias) in &data {
        let view = TensorView::new(Dtype::F16, vec![1, 1, *kernel, *kernel], weight).unwrap();
        views.insert(format!("{layer}.weight"), view);
        views.insert(format!("{layer}.bias"), TensorView::new(Dtype::F32, vec![1], bias).unwrap());
    }
    let bytes = safetensors::serialize(views, None).unwrap();
    let foreign = foreign::from_bytes(&bytes, "teacher").unwrap();
    assert_eq!(foreign.part, Part::Pdn);
    assert_eq!(
        foreign.tensors.get("conv3.weight"),
        Some(&Tensor::new([1, 1, 3, 3], vec![1.0; 9]).unwrap())
    );
    assert_eq!(foreign.tensors.get("conv4.bias"), Some(&Tensor::new([1], vec![0.5]).unwrap()));
    assert_eq!(foreign.tensors.len(), 8);
}

#[test]
fn output_channels_tell_teacher_from_student() {
    let role = |layer: &str, outputs| {
        let bias = Tensor::new([outputs], vec![0.0; outputs]).unwrap();
        let tensors = [(format!("{layer}.bias"), bias)].into_iter().collect();
        Foreign { part: Part::Pdn, tensors }.role()
    };
    assert_eq!(role("conv4", 384), Some(Role::Teacher));
    assert_eq!(role("conv4", 768), Some(Role::Student));
    assert_eq!(role("conv6", 768), Some(Role::Student));
    assert_eq!(role("conv4", 6), None);
    assert_eq!(role("teacher.conv4", 384), None);
}

#[test]
fn a_prefix_makes_a_network_part_of_a_model() {
    let tensors = pdn(&PDN_SMALL).into_prefixed("teacher.");
    assert_eq!(tensors, convolutions(&mut 0, "teacher.", &PDN_SMALL));
}

#[test]
fn code_in_a_pickle_does_not_run() {
    for name in ["malicious.pth", "malicious_legacy.pth", "malicious_inside.pth"] {
        let cause = refusal(name);
        assert!(
            matches!(&cause, Cause::RunsCode(call) if call == "posix.system"),
            "{name}: {cause}"
        );
    }
    let Cause::NoTensors(found) = refusal("unknown_call.pth") else { panic!("accepted") };
    assert_eq!(found, "it is a call of `webbrowser.open`, which was not run");
    assert!(!Path::new("pickle-ran").exists());
}

#[test]
fn what_is_not_understood_is_refused() {
    assert!(
        matches!(refusal("expanded.pth"), Cause::TensorRecord { tensor, .. } if tensor == "0.weight")
    );
    assert!(
        matches!(refusal("int8.pth"), Cause::ElementType { found, .. } if found == "torch.CharStorage")
    );
    assert!(matches!(refusal("protocol4.pth"), Cause::PickleOpcode { opcode: 0x95, .. }));
    assert!(
        matches!(refusal("other_network.pth"), Cause::UnknownLayout(names) if names == "bias, weight")
    );
    assert!(
        matches!(refusal("numbers.pth"), Cause::NoTensors(found) if found == "it is a dict without tensors")
    );
    assert!(matches!(refusal("script.pt"), Cause::TorchScript));
    assert!(matches!(refusal("none.pth"), Cause::Missing));
    assert!(matches!(refused_bytes(b"\x80\x02}q\x00X\x01\0\0\0as."), Cause::PlainPickle));
    assert!(matches!(refused_bytes(b"version https://git-lfs"), Cause::NotSafetensors));
    assert!(matches!(refused_bytes(b""), Cause::Truncated { .. }));
}

/// A fixture's archive with one entry changed or left out.
fn rezipped(name: &str, change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(bytes(name))).unwrap();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut content = Vec::new();
        std::io::copy(&mut entry, &mut content).unwrap();
        if let Some(content) = change(name.split_once('/').unwrap().1, content) {
            writer.start_file(name, stored()).unwrap();
            writer.write_all(&content).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

fn stored() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Stored)
}

#[test]
fn unusual_archives_are_refused() {
    let name = "pdn_small_state.pth";
    assert!(foreign::from_bytes(&rezipped(name, |_, content| Some(content)), "same").is_ok());
    assert!(matches!(refusal("deflated.pth"), Cause::EntryPacked(_)));
    let without = |left_out: &'static str| {
        rezipped(name, move |entry, content| (entry != left_out).then_some(content))
    };
    assert!(
        matches!(refused_bytes(&without("data.pkl")), Cause::EntryMissing(entry) if entry == "data.pkl")
    );
    assert!(
        matches!(refused_bytes(&without("data/0")), Cause::EntryMissing(entry) if entry == "data/0")
    );
    let shorter = rezipped(name, |entry, content| {
        Some(if entry == "data/0" { content[4..].to_vec() } else { content })
    });
    assert!(
        matches!(refused_bytes(&shorter), Cause::TensorBeyondStorage(tensor) if tensor == "0.weight")
    );
    let not_a_number = rezipped(name, |entry, content| {
        Some(if entry == "data/0" {
            f32::NAN.to_le_bytes().repeat(content.len() / 4)
        } else {
            content
        })
    });
    assert!(
        matches!(refused_bytes(&not_a_number), Cause::NotFinite { tensor, .. } if tensor == "conv1.weight")
    );
}

/// A fixture as a newer PyTorch writes it, with a note of the byte order.
fn with_byte_order(order: &str) -> Vec<u8> {
    let mut archive = ZipWriter::new_append(Cursor::new(bytes("pdn_small_state.pth"))).unwrap();
    archive.start_file("pdn_small_state/byteorder", stored()).unwrap();
    archive.write_all(order.as_bytes()).unwrap();
    archive.finish().unwrap().into_inner()
}

#[test]
fn big_endian_numbers_are_refused() {
    assert_eq!(foreign::from_bytes(&with_byte_order("little"), "test").unwrap(), pdn(&PDN_SMALL));
    assert!(matches!(refused_bytes(&with_byte_order("big")), Cause::BigEndian));
    let legacy = replaced(
        "pdn_small_state_legacy.pth",
        b"little_endianq\x02\x88",
        b"little_endianq\x02\x89",
    );
    assert!(matches!(refused_bytes(&legacy), Cause::BigEndian));
}

/// A fixture with the first occurrence of some bytes replaced by as many others.
fn replaced(name: &str, from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = bytes(name);
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_damaged_number_in_an_archive_is_noticed() {
    let mut bytes = bytes("pdn_small_state.pth");
    let weight: Vec<u8> =
        parameter(0, &[2, 3, 4, 4]).data().iter().flat_map(|value| value.to_le_bytes()).collect();
    let at = bytes.windows(weight.len()).position(|window| window == weight).unwrap();
    bytes[at] ^= 1;
    assert!(matches!(refused_bytes(&bytes), Cause::Archive(_)));
}

#[test]
fn every_cut_is_noticed() {
    for name in ["pdn_small_state.pth", "pdn_small_module.pth", "pdn_small_state_legacy.pth"] {
        let bytes = bytes(name);
        for length in (0..bytes.len()).step_by(7) {
            assert!(foreign::from_bytes(&bytes[..length], name).is_err(), "{name} cut to {length}");
        }
    }
}

/// Not every flipped bit of these files matters (a zip archive has unused bytes): what is accepted must be whole.
#[test]
fn flipped_bits_never_panic() {
    for name in
        ["pdn_small_state.pth", "pdn_small_module.pth", "pdn_small_state_legacy.pth", "strided.pth"]
    {
        let bytes = bytes(name);
        for position in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << (position % 8);
            if let Ok(foreign) = foreign::from_bytes(&damaged, name) {
                assert_eq!(foreign.tensors.len(), 8, "{name} at {position}");
            }
        }
    }
}
