//! The weights of a network: initialised, read from and written to named tensors.

use super::layers::Layer;
use crate::random::Random;
use efficientad_kernels::{NEGLIGIBLE_WEIGHT, hwio_from_oihw, oihw_from_hwio};
use efficientad_weights::{Cause, Tensor, Tensors};
use half::f16;

/// Weights (kernel row × kernel column × input × output channel) and bias of a convolution.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvWeights {
    /// The weights.
    pub weight: Vec<f32>,
    /// One number for each output channel.
    pub bias: Vec<f32>,
}

/// The weights of a network, layer by layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(pub Vec<ConvWeights>);

impl Weights {
    /// PyTorch's default for convolutions: weights and bias uniform within ±1/√(fan-in).
    pub fn initialized(layers: &[Layer], random: &mut Random) -> Self {
        let draw = |layer: &Layer, random: &mut Random| {
            let bound = 1.0 / (layer.conv.fan_in() as f32).sqrt();
            let mut uniform =
                |len: usize| (0..len).map(|_| random.between(-bound, bound)).collect();
            ConvWeights {
                weight: uniform(layer.conv.weight_len()),
                bias: uniform(layer.conv.out_channels),
            }
        };
        Self(layers.iter().map(|layer| draw(layer, random)).collect())
    }

    /// Takes over the layers of another network that are the same in both.
    pub fn take_over(&mut self, layers: &[Layer], other: &Self, other_layers: &[Layer]) {
        let pairs = self.0.iter_mut().zip(layers).zip(other.0.iter().zip(other_layers));
        for ((weights, layer), (other, other_layer)) in pairs {
            if layer.conv == other_layer.conv {
                *weights = other.clone();
            }
        }
    }

    /// The same network with the first outputs of its last layer alone: of a small student what predicts
    /// the teacher, which is a network of a teacher's layers.
    pub fn first_outputs(&self, count: usize) -> Self {
        let mut network = self.clone();
        if let Some(last) = network.0.last_mut() {
            let rows = last.weight.chunks_exact(last.bias.len());
            last.weight = rows.flat_map(|row| &row[..count]).copied().collect();
            last.bias.truncate(count);
        }
        network
    }

    /// All weights and biases rounded to the nearest number of half precision.
    pub fn rounded_to_half(self) -> Self {
        self.map(|value| f16::from_f32(value).to_f32())
    }

    /// Zero in place of what is negligible, which networks that other programs trained for long are
    /// full of.
    pub fn without_negligible(self) -> Self {
        self.map(|value| if value.abs() < NEGLIGIBLE_WEIGHT { 0.0 } else { value })
    }

    /// All weights and biases changed one by one.
    fn map(mut self, change: impl Fn(f32) -> f32) -> Self {
        for ConvWeights { weight, bias } in &mut self.0 {
            weight.iter_mut().chain(bias).for_each(|value| *value = change(*value));
        }
        self
    }

    /// Makes all weights and biases zero.
    pub fn clear(&mut self) {
        for ConvWeights { weight, bias } in &mut self.0 {
            weight.fill(0.0);
            bias.fill(0.0);
        }
    }

    /// Zeros of the same shape.
    pub fn zeros_like(&self) -> Self {
        let zeros = |w: &ConvWeights| ConvWeights {
            weight: vec![0.0; w.weight.len()],
            bias: vec![0.0; w.bias.len()],
        };
        Self(self.0.iter().map(zeros).collect())
    }

    /// Reads `<prefix>.<layer>.weight` (output × input × row × column) and `.bias`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape.
    pub fn read(layers: &[Layer], tensors: &Tensors, prefix: &str) -> Result<Self, Cause> {
        let read = |layer: &Layer| -> Result<ConvWeights, Cause> {
            let weight =
                tensors.expect(&format!("{prefix}.{}.weight", layer.name), &oihw_shape(layer))?;
            let bias = tensors
                .expect(&format!("{prefix}.{}.bias", layer.name), &[layer.conv.out_channels])?;
            Ok(ConvWeights {
                weight: hwio_from_oihw(&layer.conv, weight.data()),
                bias: bias.data().to_vec(),
            })
        };
        layers.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Writes what [`Weights::read`] reads.
    ///
    /// # Errors
    /// When the weights are not those of the layers.
    pub fn write(
        &self,
        layers: &[Layer],
        tensors: &mut Tensors,
        prefix: &str,
    ) -> Result<(), Cause> {
        for (layer, weights) in layers.iter().zip(&self.0) {
            let oihw = oihw_from_hwio(&layer.conv, &weights.weight);
            let weight = Tensor::new(oihw_shape(layer), oihw)?;
            let bias = Tensor::new([layer.conv.out_channels], weights.bias.clone())?;
            tensors.insert(format!("{prefix}.{}.weight", layer.name), weight);
            tensors.insert(format!("{prefix}.{}.bias", layer.name), bias);
        }
        Ok(())
    }
}

fn oihw_shape(layer: &Layer) -> [usize; 4] {
    let conv = layer.conv;
    [conv.out_channels, conv.in_channels, conv.kernel, conv.kernel]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{PdnSize, pdn_layers};
    use crate::random::Purpose;

    #[test]
    fn layers_that_both_networks_have_are_taken_over() {
        for (size, same) in [(PdnSize::Small, 3), (PdnSize::Medium, 4)] {
            let (student_layers, teacher_layers) = (pdn_layers(size, 768), pdn_layers(size, 384));
            let drawn = |layers: &[Layer], seed| {
                Weights::initialized(layers, &mut Random::new(seed, Purpose::StudentWeights, 0))
            };
            let (random, teacher) = (drawn(&student_layers, 0), drawn(&teacher_layers, 1));
            let mut student = random.clone();
            student.take_over(&student_layers, &teacher, &teacher_layers);
            assert_eq!(student.0[..same], teacher.0[..same]);
            assert_eq!(student.0[same..], random.0[same..]);
        }
    }

    #[test]
    fn what_is_negligible_becomes_zero() {
        let with = |weight: [f32; 4], bias: f32| {
            Weights(vec![ConvWeights { weight: weight.to_vec(), bias: vec![bias] }])
        };
        let zeroed = with([1e-13, -1e-40, 1e-11, -1e-11], -1e-13).without_negligible();
        assert_eq!(zeroed, with([0.0, 0.0, 1e-11, -1e-11], 0.0));
    }
}
