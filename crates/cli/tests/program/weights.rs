//! Weights as other programs write them: the right shapes, random numbers.

use std::path::Path;

use serde_json::{Map, Value, json};

/// The path of a small PyTorch file.
pub fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../weights/tests/fixtures");
    folder.join(name).to_str().unwrap().to_owned()
}

/// Convolutions as name, output channels, input channels and kernel.
type Layer = (String, usize, usize, usize);

fn pdn(names: &[&str; 4], outputs: usize) -> Vec<Layer> {
    let shapes = [(128, 3, 4), (256, 128, 4), (256, 256, 3), (outputs, 256, 4)];
    named(names.iter().map(|&name| name.to_owned()), &shapes)
}

fn named(names: impl IntoIterator<Item = String>, shapes: &[(usize, usize, usize)]) -> Vec<Layer> {
    names.into_iter().zip(shapes).map(|(name, &(o, i, k))| (name, o, i, k)).collect()
}

const ENCODER: [(usize, usize, usize); 6] =
    [(32, 3, 4), (32, 32, 4), (64, 32, 4), (64, 64, 4), (64, 64, 4), (64, 64, 8)];

fn decoder_shapes() -> Vec<(usize, usize, usize)> {
    let mut shapes = vec![(64, 64, 4); 6];
    shapes.extend([(64, 64, 3), (384, 64, 3)]);
    shapes
}

/// nelson1425's teacher: a plain `nn.Sequential`.
pub fn sequential_teacher() -> Vec<u8> {
    file(&pdn(&["0", "3", "6", "8"], 384), 1, &[])
}

/// nelson1425's student.
pub fn sequential_student() -> Vec<u8> {
    file(&pdn(&["0", "3", "6", "8"], 768), 2, &[])
}

/// nelson1425's autoencoder.
pub fn sequential_autoencoder() -> Vec<u8> {
    let layers = [0, 2, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 36, 38].map(|layer| layer.to_string());
    file(&named(layers, &[&ENCODER[..], &decoder_shapes()].concat()), 3, &[])
}

/// anomalib's whole model.
pub fn anomalib_model() -> Vec<u8> {
    let names = |network: &str| [1, 2, 3, 4].map(|n| format!("model.{network}.conv{n}"));
    let mut layers = Vec::new();
    for (network, outputs) in [("teacher", 384), ("student", 768)] {
        let names = names(network);
        layers.extend(pdn(&names.each_ref().map(String::as_str), outputs));
    }
    layers.extend(named((1..=6).map(|n| format!("model.ae.encoder.enconv{n}")), &ENCODER));
    let decoder = (1..=8).map(|n| format!("model.ae.decoder.deconv{n}"));
    layers.extend(named(decoder, &decoder_shapes()));
    let statistics = [
        ("model.mean_std.mean", vec![1, 384, 1, 1], 0.0),
        ("model.mean_std.std", vec![1, 384, 1, 1], 0.05),
        ("model.quantiles.qa_st", vec![], 1.0),
        ("model.quantiles.qb_st", vec![], 2.0),
        ("model.quantiles.qa_ae", vec![], 1.0),
        ("model.quantiles.qb_ae", vec![], 2.0),
    ];
    file(&layers, 4, &statistics)
}

/// A safetensors file of convolutions with random numbers, and of constants.
fn file(layers: &[Layer], seed: u64, constants: &[(&str, Vec<usize>, f32)]) -> Vec<u8> {
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    let mut random = Random(seed);
    for (name, o, i, k) in layers {
        let bound = 1.0 / ((i * k * k) as f32).sqrt();
        let weight = random.numbers(o * i * k * k, bound);
        tensors.push((format!("{name}.weight"), vec![*o, *i, *k, *k], weight));
        tensors.push((format!("{name}.bias"), vec![*o], random.numbers(*o, bound)));
    }
    for (name, shape, value) in constants {
        let count = shape.iter().product();
        tensors.push(((*name).to_owned(), shape.clone(), vec![*value; count]));
    }
    serialize(&tensors)
}

fn serialize(tensors: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for (name, shape, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), entry);
    }
    let header = Value::Object(header).to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

struct Random(u64);

impl Random {
    /// Numbers between plus and minus `bound`.
    fn numbers(&mut self, count: usize, bound: f32) -> Vec<f32> {
        (0..count).map(|_| bound * self.next()).collect()
    }

    fn next(&mut self) -> f32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
