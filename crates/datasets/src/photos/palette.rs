//! Colours as they occur in natural scenes: brightness varies most, then yellow against blue, then red against green
//! (Ruderman, Cronin, Chiao, JOSA A 1998), and the colours of one scene are related.

use crate::random::SplitMix64;

/// Red, green and blue, 0 to 1 when displayable.
pub(super) type Colour = [f32; 3];

/// The colours of one scene.
pub(super) struct Palette {
    swatches: Vec<Swatch>,
}

#[derive(Clone, Copy)]
struct Swatch {
    brightness: f32,
    yellow: f32,
    red: f32,
}

impl Palette {
    /// Three to seven swatches around the scene's own light and cast.
    pub fn draw(random: &mut SplitMix64) -> Self {
        let light = Swatch {
            brightness: random.between(0.25, 0.65),
            yellow: 0.04 + 0.07 * random.normal(),
            red: 0.015 + 0.025 * random.normal(),
        };
        let saturation = random.between(0.3, 1.2);
        let count = 3 + random.below(5);
        let swatches = (0..count).map(|_| light.relative(random, saturation)).collect();
        Self { swatches }
    }

    /// One of the swatches, slightly varied.
    pub fn pick(&self, random: &mut SplitMix64) -> Colour {
        let swatch = self.swatches[random.below(self.swatches.len())];
        Swatch {
            brightness: swatch.brightness * (1.0 + 0.22 * random.normal()),
            yellow: swatch.yellow + 0.02 * random.normal(),
            red: swatch.red + 0.012 * random.normal(),
        }
        .colour()
    }
}

impl Swatch {
    /// Another surface in the same light; one in eight is vivid, as a flower or paint.
    fn relative(self, random: &mut SplitMix64, saturation: f32) -> Self {
        let vivid = if random.unit() < 0.125 { 2.5 } else { 1.0 };
        let spread = saturation * vivid;
        Self {
            brightness: self.brightness + 0.22 * random.normal(),
            yellow: self.yellow + 0.09 * spread * random.normal(),
            red: self.red + 0.05 * spread * random.normal(),
        }
    }

    /// Dark colours are less colourful than bright ones.
    fn colour(self) -> Colour {
        let brightness = self.brightness.clamp(0.03, 0.97);
        let chroma = 0.3 + 1.4 * brightness * (1.25 - brightness);
        let (yellow, red) = (self.yellow * chroma, self.red * chroma);
        [
            brightness + 0.7 * yellow + 1.4 * red,
            brightness + 0.4 * yellow - 0.8 * red,
            brightness - 1.4 * yellow - 0.2 * red,
        ]
    }
}
