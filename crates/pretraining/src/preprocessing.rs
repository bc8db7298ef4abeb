//! Pixels as the backbone wants them.

use std::fmt;
use std::str::FromStr;

use efficientad_images::RgbImage;
use serde::{Deserialize, Serialize};

/// What a pixel's red, green and blue become: (value · range / 255 − mean) / std.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// White, before the mean is subtracted: 1 or 255.
    pub range: f32,
    /// Subtracted from red, green and blue.
    pub mean: [f32; 3],
    /// What they are divided by.
    pub std: [f32; 3],
}

/// The preprocessing that families of networks were trained with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// [0, 1], less ImageNet's mean, by its standard deviation.
    Torchvision,
    /// [−1, 1].
    TfSlim,
    /// (x − 127) / 128 of 0 to 255.
    EfficientNetLite,
    /// [0, 1]: the network normalises its input itself.
    None,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Torchvision, Self::TfSlim, Self::EfficientNetLite, Self::None];

    /// Its numbers.
    pub fn preprocessing(self) -> Preprocessing {
        let (range, mean, std) = match self {
            Self::Torchvision => (1.0, efficientad::INPUT_MEAN, efficientad::INPUT_STD),
            Self::TfSlim => (1.0, [0.5; 3], [0.5; 3]),
            Self::EfficientNetLite => (255.0, [127.0; 3], [128.0; 3]),
            Self::None => (1.0, [0.0; 3], [1.0; 3]),
        };
        Preprocessing { range, mean, std }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torchvision => "torchvision",
            Self::TfSlim => "tf-slim",
            Self::EfficientNetLite => "efficientnet-lite",
            Self::None => "none",
        })
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|preset| preset.to_string() == text)
            .ok_or_else(|| "choose torchvision, tf-slim, efficientnet-lite or none".to_owned())
    }
}

impl fmt::Display for Preprocessing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let three = |[r, g, b]: [f32; 3]| format!("{r},{g},{b}");
        write!(f, "range {} mean {} std {}", self.range, three(self.mean), three(self.std))
    }
}

impl Preprocessing {
    /// The image as channels × rows × columns.
    pub fn planes(&self, image: &RgbImage) -> Vec<f32> {
        let locations = (image.width() * image.height()) as usize;
        let mut planes = vec![0.0; 3 * locations];
        for (channel, plane) in planes.chunks_exact_mut(locations).enumerate() {
            let table: Vec<f32> = (0..=255)
                .map(|value| {
                    let value = value as f32 * (self.range / 255.0);
                    (value - self.mean[channel]) / self.std[channel]
                })
                .collect();
            for (target, pixel) in plane.iter_mut().zip(image.pixels()) {
                *target = table[usize::from(pixel[channel])];
            }
        }
        planes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_the_formulas_of_their_networks() {
        let mut image = RgbImage::new(1, 2);
        image.put_pixel(0, 0, image_pixel([0, 127, 255]));
        image.put_pixel(0, 1, image_pixel([255, 128, 0]));
        let expect = |preset: Preset, expected: [f32; 6]| {
            for (found, expected) in preset.preprocessing().planes(&image).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{preset}: {found} {expected}");
            }
        };
        let of = |value: f32, c: usize| {
            (value / 255.0 - [0.485, 0.456, 0.406][c]) / [0.229, 0.224, 0.225][c]
        };
        let torchvision =
            [of(0.0, 0), of(255.0, 0), of(127.0, 1), of(128.0, 1), of(255.0, 2), of(0.0, 2)];
        expect(Preset::Torchvision, torchvision);
        expect(Preset::TfSlim, [-1.0, 1.0, -0.003_921_6, 0.003_921_6, 1.0, -1.0]);
        expect(
            Preset::EfficientNetLite,
            [-127.0 / 128.0, 1.0, 0.0, 1.0 / 128.0, 1.0, -127.0 / 128.0],
        );
        expect(Preset::None, [0.0, 1.0, 0.498_039_2, 0.501_960_8, 1.0, 0.0]);
    }

    fn image_pixel(rgb: [u8; 3]) -> image::Rgb<u8> {
        image::Rgb(rgb)
    }

    #[test]
    fn presets_are_told_by_their_names() {
        for preset in Preset::ALL {
            assert_eq!(preset.to_string().parse(), Ok(preset));
        }
        assert!("caffe".parse::<Preset>().unwrap_err().contains("tf-slim"));
    }
}
