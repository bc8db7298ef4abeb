//! Whether a device computes what it should: drivers have faults, and some say nothing when a kernel
//! fails, but leave zeros.

use crate::conv;
use crate::transfer::{numbers, read};
use burn_tensor::Device;
use efficientad_engine::{ConvSpec, EngineError};

/// Largest difference, relative to the largest value.
const TOLERANCE: f64 = 1e-4;
/// A convolution as the networks have them.
const SPEC: ConvSpec = ConvSpec { stride: 2, padding: 1, ..ConvSpec::plain(64, 96, 4) };
const SIDE: usize = 10;
const OUTPUT_SIDE: usize = SIDE / 2;

pub(crate) enum Wrong {
    Off { what: &'static str, error: f64 },
    Failed(EngineError),
}

impl From<EngineError> for Wrong {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// Compares a convolution and its gradients with plain loops.
pub(crate) fn computes_right(device: &Device) -> Result<(), Wrong> {
    let ConvSpec { in_channels, out_channels, .. } = SPEC;
    let input = noise(SIDE * SIDE * in_channels, 1);
    let weight = noise(SPEC.weight_len(), 2);
    let bias = noise(out_channels, 3);
    let gradient = noise(OUTPUT_SIDE * OUTPUT_SIDE * out_channels, 4);

    let maps = |data: &[f32], side: usize, channels: usize| {
        numbers(device, data.to_vec()).reshape([1, side, side, channels])
    };
    let input_maps = maps(&input, SIDE, in_channels);
    let gradient_maps = maps(&gradient, OUTPUT_SIDE, out_channels);
    let matrix = numbers(device, weight.clone()).reshape([SPEC.fan_in(), out_channels]);
    let output =
        conv::forward(&SPEC, input_maps.clone(), matrix.clone(), numbers(device, bias.clone()));
    let (of_weight, of_bias) = conv::weight_gradient(&SPEC, input_maps, gradient_maps.clone());
    let of_input = conv::input_gradient(&SPEC, gradient_maps, matrix, [SIDE, SIDE]);

    let plain = Plain::new(&input, &weight, &bias, &gradient);
    compare("a convolution", &read(output)?, &plain.output)?;
    compare("a gradient of weights", &read(of_weight)?, &plain.weight_gradient)?;
    compare("a gradient of biases", &read(of_bias)?, &plain.bias_gradient)?;
    compare("a gradient of maps", &read(of_input)?, &plain.input_gradient)
}

fn compare(what: &'static str, got: &[f32], expected: &[f64]) -> Result<(), Wrong> {
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let differences = got.iter().zip(expected).map(|(got, value)| (f64::from(*got) - value).abs());
    // Not by `max`, which passes over NaN.
    let larger = |most: f64, it: f64| if it <= most || most.is_nan() { most } else { it };
    let error = differences.fold(0.0, larger) / largest;
    if got.len() == expected.len() && error < TOLERANCE {
        Ok(())
    } else {
        Err(Wrong::Off { what, error })
    }
}

/// Numbers in [-1, 1) without a pattern.
fn noise(len: usize, seed: u32) -> Vec<f32> {
    let number = |i: usize| {
        let mixed = (i as u32).wrapping_mul(0x9E37_79B9) ^ seed.wrapping_mul(0x85EB_CA6B);
        let mixed = (mixed ^ mixed >> 15).wrapping_mul(0x2C1B_3C6D);
        (mixed ^ mixed >> 13) as f32 / (1_u32 << 31) as f32 - 1.0
    };
    (0..len).map(number).collect()
}

/// The convolution and its gradients, as their definitions read.
struct Plain {
    output: Vec<f64>,
    weight_gradient: Vec<f64>,
    bias_gradient: Vec<f64>,
    input_gradient: Vec<f64>,
}

impl Plain {
    fn new(input: &[f32], weight: &[f32], bias: &[f32], gradient: &[f32]) -> Self {
        let ConvSpec { in_channels, out_channels, kernel, stride, padding } = SPEC;
        let [input, weight, bias, gradient] = [input, weight, bias, gradient]
            .map(|numbers| -> Vec<f64> { numbers.iter().copied().map(f64::from).collect() });
        let mut plain = Self {
            output: bias.repeat(OUTPUT_SIDE * OUTPUT_SIDE),
            weight_gradient: vec![0.0; weight.len()],
            bias_gradient: vec![0.0; out_channels],
            input_gradient: vec![0.0; input.len()],
        };
        for place in 0..OUTPUT_SIDE * OUTPUT_SIDE {
            let outputs = place * out_channels;
            for o in 0..out_channels {
                plain.bias_gradient[o] += gradient[outputs + o];
            }
            let (y, x) = (place / OUTPUT_SIDE, place % OUTPUT_SIDE);
            for tap in 0..kernel * kernel {
                let from = |at: usize, tap: usize| (at * stride + tap).checked_sub(padding);
                let (Some(y), Some(x)) = (from(y, tap / kernel), from(x, tap % kernel)) else {
                    continue;
                };
                if y >= SIDE || x >= SIDE {
                    continue;
                }
                for i in 0..in_channels {
                    let read = (y * SIDE + x) * in_channels + i;
                    let weights = (tap * in_channels + i) * out_channels;
                    for o in 0..out_channels {
                        plain.output[outputs + o] += input[read] * weight[weights + o];
                        plain.weight_gradient[weights + o] += input[read] * gradient[outputs + o];
                        plain.input_gradient[read] += weight[weights + o] * gradient[outputs + o];
                    }
                }
            }
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_nan_are_seen() {
        let expected = [1.0, -2.0];
        assert!(compare("numbers", &[1.0, -2.0], &expected).is_ok());
        for wrong in [vec![0.0, 0.0], vec![1.0, f32::NAN], vec![f32::NAN, -2.0], vec![1.0]] {
            let Err(Wrong::Off { what: "numbers", .. }) = compare("numbers", &wrong, &expected)
            else {
                panic!("{wrong:?} passed");
            };
        }
    }
}
