//! How photos are read, as far as it is said.

use efficientad::{ModelInfo, Samples};
use efficientad_images::{DecodeOptions, Limits, Orientation};

/// How photos are read, as far as it is said; a model says the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reading {
    /// Which way up they stand.
    pub orientation: Option<Orientation>,
    /// How many of their 16 bits samples use, from 1 to 16.
    pub bits: Option<u8>,
    /// The floating point samples that are black and white.
    pub range: Option<(f32, f32)>,
    /// How large they may be.
    pub limits: Limits,
}

impl Reading {
    /// How photos are decoded that belong to no model.
    pub fn options(&self) -> DecodeOptions {
        self.over(DecodeOptions::default())
    }

    /// How photos are decoded that a model is to judge or to learn from.
    pub fn options_for(&self, model: &ModelInfo) -> DecodeOptions {
        self.over(model.decode_options())
    }

    /// What the samples of a model's photos stand for.
    pub fn samples_for(&self, model: &ModelInfo) -> Samples {
        let of_model = model.photo_samples();
        let in_use = Samples::stated(&self.options_for(model));
        if in_use.reads_as(of_model) { of_model } else { in_use }
    }

    fn over(&self, default: DecodeOptions) -> DecodeOptions {
        DecodeOptions {
            orientation: self.orientation.unwrap_or(default.orientation),
            bits: self.bits.or(default.bits),
            range: self.range.or(default.range),
            limits: self.limits,
        }
    }
}
