//! Files that are no sound networks: an error, never the end of the program.

use std::fs;
use std::path::Path;

use efficientad_pretraining::Backbone;

#[test]
fn damaged_networks_are_refused_or_run() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny_backbone.onnx");
    let layers = ["fine".to_owned(), "coarse".to_owned()];
    assert_eq!(Backbone::open(&path, &layers).unwrap().channels(), [16, 24]);
    let whole = fs::read(&path).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged.onnx");
    // Bytes of the graph, which stand before and between the weights: wherever names are.
    let text = |at: usize| whole[at.saturating_sub(8)..(at + 8).min(whole.len())].iter();
    let structural: Vec<usize> = (0..whole.len())
        .filter(|&at| text(at).filter(|byte| byte.is_ascii_lowercase()).count() >= 5)
        .collect();
    assert!(structural.len() > 300);
    let (mut refused, mut taken) = (0, 0);
    for (i, at) in structural.into_iter().enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (i % 8);
        fs::write(&damaged, &bytes).unwrap();
        match Backbone::open(&damaged, &layers) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains("damaged.onnx: "), "{error}");
            }
        }
    }
    assert!(refused > 100 && taken > 10, "{refused} refused, {taken} taken");
}
