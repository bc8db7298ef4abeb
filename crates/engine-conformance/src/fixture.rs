//! Weights, images and numbers that are PyTorch's.

use efficientad_engine::{
    ConvWeights, InputSize, Layer, Networks, PdnSize, STUDENT_CHANNELS, Shape, TEACHER_CHANNELS,
    Tensor, Weights, autoencoder_layers, hwio_from_oihw, pdn_layers,
};
use serde_json::Value;

/// Largest difference from PyTorch, relative in the 2-norm.
pub const TOLERANCE: f64 = 1e-4;

/// Networks and images, and what PyTorch computes of them in float64 (`tools/parity_fixtures.py`).
pub struct Fixture {
    /// The whole file.
    pub json: Value,
    /// Which networks.
    pub size: PdnSize,
}

impl Fixture {
    /// That of S or M.
    pub fn open(size: PdnSize) -> Self {
        let text = match size {
            PdnSize::Small => include_str!("../fixtures/parity_small.json"),
            PdnSize::Medium => include_str!("../fixtures/parity_medium.json"),
        };
        Self { json: parse(text), size }
    }

    /// A series of steps of Muon (`tools/muon_fixtures.py`).
    pub fn muon() -> Self {
        let json = parse(include_str!("../fixtures/muon.json"));
        Self { json, size: PdnSize::Small }
    }

    /// A tensor as the fixtures define it: given values, or offset + scale · v.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn tensor(&self, name: &str) -> Vec<f32> {
        let tensors = self.json["tensors"].as_array().unwrap();
        let entry = tensors.iter().find(|tensor| tensor["name"] == name).expect(name);
        if let Some(values) = entry["values"].as_array() {
            return values.iter().map(|value| number(value) as f32).collect();
        }
        let shape = entry["shape"].as_array().unwrap();
        let len = shape.iter().map(|n| n.as_u64().unwrap() as usize).product();
        let (scale, offset) = (number(&entry["scale"]) as f32, number(&entry["offset"]) as f32);
        let plain = (0..len).map(|i| scale * hashed(name, i) + offset);
        let patches = &entry["patches"];
        if patches.is_null() {
            return plain.collect();
        }
        let size = patches["size"].as_u64().unwrap() as usize;
        let side = |axis: usize| shape[axis].as_u64().unwrap() as usize;
        let (rows, columns) = (side(1) / size, side(2) / size);
        let patch = |i: usize| {
            let (channel, y, x) = (i / (side(1) * side(2)), i / side(2) % side(1), i % side(2));
            (channel * rows + y / size) * columns + x / size
        };
        let patch_scale = number(&patches["scale"]) as f32;
        let patch_name = format!("{name}.patches");
        plain.enumerate().map(|(i, v)| v + patch_scale * hashed(&patch_name, patch(i))).collect()
    }

    /// The weights of a network.
    pub fn weights(&self, layers: &[Layer], network: &str) -> Weights {
        let read = |layer: &Layer| ConvWeights {
            weight: hwio_from_oihw(
                &layer.conv,
                &self.tensor(&format!("{network}.{}.weight", layer.name)),
            ),
            bias: self.tensor(&format!("{network}.{}.bias", layer.name)),
        };
        Weights(layers.iter().map(read).collect())
    }

    /// The teacher with its normalisation, (features − mean) / deviation, folded into the last layer.
    pub fn normalized_teacher(&self) -> Weights {
        let mut teacher = self.weights(&pdn_layers(self.size, TEACHER_CHANNELS), "teacher");
        let [mean, std] = ["teacher.mean", "teacher.std"].map(|name| self.tensor(name));
        if let Some(last) = teacher.0.last_mut() {
            for row in last.weight.chunks_exact_mut(TEACHER_CHANNELS) {
                row.iter_mut().zip(&std).for_each(|(weight, std)| *weight /= std);
            }
            for ((bias, mean), std) in last.bias.iter_mut().zip(&mean).zip(&std) {
                *bias = (*bias - mean) / std;
            }
        }
        teacher
    }

    /// The student.
    pub fn student(&self) -> Weights {
        self.weights(&pdn_layers(self.size, STUDENT_CHANNELS), "student")
    }

    /// The autoencoder.
    pub fn autoencoder(&self) -> Weights {
        self.weights(&autoencoder_layers(), "autoencoder")
    }

    /// An image, 1 × height × width × 3.
    pub fn image(&self, name: &str, height: usize, width: usize) -> Tensor {
        let chw = self.tensor(name);
        let mut tensor = Tensor::zeros(Shape { images: 1, height, width, channels: 3 });
        for (place, pixel) in tensor.data_mut().chunks_exact_mut(3).enumerate() {
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = chw[channel * height * width + place];
            }
        }
        tensor
    }

    /// All three networks, for inputs of a size.
    pub fn networks(&self, input: InputSize) -> Networks {
        Networks {
            size: self.size,
            input,
            teacher: self.normalized_teacher(),
            student: self.student(),
            autoencoder: self.autoencoder(),
        }
    }
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("a JSON document")
}

/// A number of a document.
///
/// # Panics
/// When it is none.
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// FNV-1a of the name and SplitMix64 of the index, as a number in [-1, 1).
pub fn hashed(name: &str, index: usize) -> f32 {
    let key = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let step = (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = key.wrapping_add(step);
    let z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    2.0 * (((z ^ z >> 31) >> 40) as f32 / (1 << 24) as f32) - 1.0
}

/// Samples of an array, spread over all of it.
pub fn samples(summary: &Value) -> Vec<f64> {
    summary["samples"].as_array().unwrap().iter().map(number).collect()
}

/// Places of a summary's samples in an array of `len` elements.
pub fn places(count: usize, len: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |k| k * 104_729 % len)
}

/// The 2-norm.
pub fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|v| v * v).sum::<f64>().sqrt()
}

/// Compares an array's norm and samples with PyTorch's.
///
/// # Panics
/// When they differ by more than the tolerance.
pub fn assert_agrees(what: &str, got: &[f32], summary: &Value, tolerance: f64) {
    let l2 = norm(got.iter().map(|&v| f64::from(v)));
    let expected_l2 = number(&summary["l2"]);
    assert!((l2 / expected_l2 - 1.0).abs() < tolerance, "{what}: norm {l2}, not {expected_l2}");
    let expected = samples(summary);
    let differences = places(expected.len(), got.len())
        .zip(&expected)
        .map(|(place, expected)| f64::from(got[place]) - expected);
    let error = norm(differences) / norm(expected.iter().copied());
    assert!(error < tolerance, "{what}: samples are off by {error:.1e}");
}

/// Channels of one image, channel by channel as PyTorch has them.
pub fn chw(features: &Tensor, channels: std::ops::Range<usize>) -> Vec<f32> {
    let all = features.shape().channels;
    let locations = features.data().chunks_exact(all);
    channels.flat_map(|c| locations.clone().map(move |location| location[c])).collect()
}

/// The half of the student that predicts the teacher.
pub const TEACHER_HALF: std::ops::Range<usize> = 0..TEACHER_CHANNELS;
/// The half that predicts the autoencoder.
pub const AUTOENCODER_HALF: std::ops::Range<usize> = TEACHER_CHANNELS..STUDENT_CHANNELS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_fixtures() {
        let fixture = Fixture::open(PdnSize::Small);
        let check = &fixture.json["hash_check"];
        let name = check["name"].as_str().unwrap();
        for (i, expected) in check["values"].as_array().unwrap().iter().enumerate() {
            assert!((f64::from(hashed(name, i)) - number(expected)).abs() < 1e-7);
        }
    }
}
