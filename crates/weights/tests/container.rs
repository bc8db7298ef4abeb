//! The container as its callers use it, and every damage to a file that bytes can take.

use std::collections::HashMap;
use std::fs;

use efficientad_weights::{
    Cause, Contents, Precision, Tensor, Tensors, from_bytes, load, save, save_checked, to_bytes,
};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

const KIND: &str = "efficientad-model";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Document {
    threshold: f64,
    note: String,
    counts: HashMap<String, u32>,
}

fn document() -> Document {
    let counts = (0..20).map(|k| (format!("class {k}"), k)).collect();
    Document { threshold: 0.1 + 0.2, note: "„ß\" \\ \n\u{0}".to_owned(), counts }
}

fn tensors() -> Tensors {
    let weight = (0..24).map(|k| k as f32 / 7.0).collect();
    let mut tensors = Tensors::new();
    tensors.insert("teacher.conv1.weight", Tensor::new([2, 3, 2, 2], weight).unwrap());
    tensors.insert("teacher.conv1.bias", Tensor::new([2], vec![f32::MIN_POSITIVE, -0.0]).unwrap());
    tensors.insert("a \"name\"", Tensor::new([0, 4], vec![]).unwrap());
    tensors
}

fn valid() -> Vec<u8> {
    to_bytes(KIND, &document(), &tensors()).unwrap()
}

fn open(bytes: &[u8]) -> Result<Contents<Document>, Cause> {
    from_bytes(bytes, KIND, "test").map_err(|error| error.cause)
}

#[test]
fn content_returns_exactly() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.safetensors");
    save(&path, KIND, &document(), &tensors()).unwrap();
    let contents: Contents<Document> = load(&path, KIND).unwrap();
    assert_eq!(contents.document, document());
    assert_eq!(contents.tensors, tensors());
    let bias = contents.tensors.get("teacher.conv1.bias").unwrap().data();
    assert!(bias[1].is_sign_negative());
}

#[test]
fn numbers_can_be_stored_in_half_precision() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.safetensors");
    let with = |values: &[f32]| -> Tensors {
        let tensor = Tensor::new([values.len()], values.to_vec()).unwrap();
        [("a".to_owned(), tensor)].into_iter().collect()
    };
    save_checked(Precision::Half, &path, KIND, &document(), &with(&[0.1, -2.5, 65_504.0])).unwrap();
    let contents: Contents<Document> = load(&path, KIND).unwrap();
    assert_eq!(contents.document, document());
    assert_eq!(contents.tensors, with(&[0.099_975_586, -2.5, 65_504.0]));
    let bytes = fs::read(&path).unwrap();
    let dtype = SafeTensors::deserialize(&bytes).unwrap().tensor("a").unwrap().dtype();
    assert_eq!(dtype, safetensors::Dtype::F16);
    let error = save_checked(Precision::Half, &path, KIND, &document(), &with(&[1.0, 65_520.0]));
    assert!(matches!(error.unwrap_err().cause, Cause::NotFinite { index: 1, .. }));
}

#[test]
fn the_same_content_has_the_same_bytes() {
    for _ in 0..10 {
        assert_eq!(valid(), valid());
    }
}

#[test]
fn the_safetensors_crate_reads_the_same_tensors() {
    let bytes = valid();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), 3);
    let view = file.tensor("teacher.conv1.weight").unwrap();
    let data: Vec<u8> = tensors()
        .get("teacher.conv1.weight")
        .unwrap()
        .data()
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .collect();
    assert_eq!((view.shape(), view.data()), (&[2, 3, 2, 2][..], &data[..]));
}

#[test]
fn every_cut_is_noticed() {
    let bytes = valid();
    for length in 0..bytes.len() {
        assert!(matches!(open(&bytes[..length]), Err(Cause::Truncated { .. })), "{length}");
    }
    let longer = [&bytes[..], b" "].concat();
    assert!(matches!(open(&longer), Err(Cause::TrailingBytes { .. })));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = valid();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            assert!(open(&damaged).is_err(), "byte {position} bit {bit}");
        }
    }
}

#[test]
fn errors_name_file_cause_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.safetensors");
    let message = |path| load::<Document>(path, KIND).unwrap_err().to_string();
    let name = path.display().to_string();
    assert_eq!(message(&path), format!("{name}: there is no such file; check the path"));
    let bytes = valid();
    fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    let (expected, found) = (bytes.len(), bytes.len() - 4);
    assert_eq!(
        message(&path),
        format!(
            "{name}: the file is cut short: {found} bytes of {expected}; copy or download it again"
        )
    );
}

#[test]
fn a_failed_save_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.safetensors");
    let wrong = [("a".to_owned(), Tensor::new([], vec![f32::NAN]).unwrap())].into_iter().collect();
    let error = save(&path, KIND, &document(), &wrong).unwrap_err();
    assert!(matches!(error.cause, Cause::NotFinite { .. }) && error.file == path);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
