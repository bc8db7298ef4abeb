//! The networks' layers as tables (paper, appendix).

use super::input::InputSize;
use efficientad_kernels::{Activation, ConvSpec};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Channels of the teacher's features.
pub const TEACHER_CHANNELS: usize = 384;

/// Channels of the student: the first half predicts the teacher, the second the autoencoder.
pub const STUDENT_CHANNELS: usize = 2 * TEACHER_CHANNELS;
/// Convolutions of the autoencoder's encoder.
pub const ENCODER_LAYERS: usize = 6;
/// Convolutions of the autoencoder's decoder that are followed by dropout in training.
pub const DROPOUT_LAYERS: usize = 6;

/// Which patch description network teacher and student are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum PdnSize {
    /// PDN-S: four convolutions; EfficientAD-S.
    #[default]
    Small,
    /// PDN-M: six wider convolutions; EfficientAD-M, about three times the work.
    Medium,
}

impl fmt::Display for PdnSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Small => "small",
            Self::Medium => "medium",
        })
    }
}

/// One convolution of a network.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its name within the network, as in model files.
    pub name: String,
    /// The convolution.
    pub conv: ConvSpec,
    /// What follows it.
    pub activation: Activation,
}

/// The layers of a patch description network with `channels` output channels.
pub fn pdn_layers(size: PdnSize, channels: usize) -> Vec<Layer> {
    use Activation::{Linear, Relu, ReluAvgPool};
    let table: &[(ConvSpec, Activation)] = match size {
        PdnSize::Small => &[
            (ConvSpec::plain(3, 128, 4), ReluAvgPool),
            (ConvSpec::plain(128, 256, 4), ReluAvgPool),
            (ConvSpec::plain(256, 256, 3), Relu),
            (ConvSpec::plain(256, channels, 4), Linear),
        ],
        PdnSize::Medium => &[
            (ConvSpec::plain(3, 256, 4), ReluAvgPool),
            (ConvSpec::plain(256, 512, 4), ReluAvgPool),
            (ConvSpec::plain(512, 512, 1), Relu),
            (ConvSpec::plain(512, 512, 3), Relu),
            (ConvSpec::plain(512, channels, 4), Relu),
            (ConvSpec::plain(channels, channels, 1), Linear),
        ],
    };
    numbered("conv", table)
}

/// The layers of the autoencoder: six of the encoder, eight of the decoder.
pub fn autoencoder_layers() -> Vec<Layer> {
    use Activation::{Linear, Relu};
    let halving = |i, o| (ConvSpec { stride: 2, padding: 1, ..ConvSpec::plain(i, o, 4) }, Relu);
    let encoder = [
        halving(3, 32),
        halving(32, 32),
        halving(32, 64),
        halving(64, 64),
        halving(64, 64),
        (ConvSpec::plain(64, 64, 8), Linear),
    ];
    let padded = |o, kernel, padding| ConvSpec { padding, ..ConvSpec::plain(64, o, kernel) };
    let mut decoder = vec![(padded(64, 4, 2), Relu); 6];
    decoder.push((padded(64, 3, 1), Relu));
    decoder.push((padded(TEACHER_CHANNELS, 3, 1), Linear));
    let mut layers = numbered("encoder.conv", &encoder);
    layers.extend(numbered("decoder.conv", &decoder));
    layers
}

/// Rows and columns that the input of the autoencoder's layer `i` is resized to, if it is.
pub fn resized_size(i: usize, size: InputSize) -> Option<(usize, usize)> {
    let i = i.checked_sub(ENCODER_LAYERS)?;
    match size.decoder_sizes().get(i) {
        Some(&size) => Some(size),
        None => (i == DROPOUT_LAYERS).then(|| size.feature_size()),
    }
}

fn numbered(prefix: &str, table: &[(ConvSpec, Activation)]) -> Vec<Layer> {
    table
        .iter()
        .enumerate()
        .map(|(i, &(conv, activation))| Layer {
            name: format!("{prefix}{}", i + 1),
            conv,
            activation,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(layers: &[Layer]) -> usize {
        layers.iter().map(|layer| layer.conv.weight_len() + layer.conv.out_channels).sum()
    }

    #[test]
    fn parameter_counts_are_the_papers() {
        assert_eq!(parameters(&pdn_layers(PdnSize::Small, 384)), 2_694_144);
        assert_eq!(parameters(&pdn_layers(PdnSize::Small, 768)), 4_267_392);
        assert_eq!(parameters(&pdn_layers(PdnSize::Medium, 384)), 8_026_624);
        assert_eq!(parameters(&pdn_layers(PdnSize::Medium, 768)), 11_615_488);
        assert_eq!(parameters(&autoencoder_layers()), 1_096_320);
    }
}
