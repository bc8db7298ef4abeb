//! Surface texture with the spectrum of natural images.

use std::sync::OnceLock;

use crate::random::SplitMix64;

/// Side of the noise tile in pixels, a power of two.
const SIDE: usize = 256;

/// Octaves of the tile: lattices of 4×4 points to one point a pixel.
const OCTAVES: u32 = 7;

/// A tile of noise whose amplitude falls as 1/f: octaves of equal strength. Mean 0, standard deviation 1, repeating
/// seamlessly.
struct Tile {
    values: Vec<f32>,
}

impl Tile {
    fn shared() -> &'static Self {
        static TILE: OnceLock<Tile> = OnceLock::new();
        TILE.get_or_init(Self::paint)
    }

    fn paint() -> Self {
        let mut random = SplitMix64::new(0x1F0F);
        let mut values = vec![0.0; SIDE * SIDE];
        for octave in 0..OCTAVES {
            add_octave(&mut values, SIDE >> (OCTAVES - 1 - octave), &mut random);
        }
        standardise(&mut values);
        Self { values }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let ((left, fx), (top, fy)) = (floor(x), floor(y));
        let (x0, y0) = (wrap(left), wrap(top));
        let (x1, y1) = (wrap(left + 1), wrap(top + 1));
        let upper = mix(self.values[y0 * SIDE + x0], self.values[y0 * SIDE + x1], fx);
        let lower = mix(self.values[y1 * SIDE + x0], self.values[y1 * SIDE + x1], fx);
        mix(upper, lower, fy)
    }
}

/// Adds smoothly interpolated noise with `points × points` random values over the tile.
fn add_octave(values: &mut [f32], points: usize, random: &mut SplitMix64) {
    let lattice: Vec<f32> = (0..points * points).map(|_| random.between(-1.0, 1.0)).collect();
    let cell = SIDE / points;
    let at = |x: usize, y: usize| lattice[y % points * points + x % points];
    for (index, value) in values.iter_mut().enumerate() {
        let (x, y) = (index % SIDE, index / SIDE);
        let fx = smooth((x % cell) as f32 / cell as f32);
        let fy = smooth((y % cell) as f32 / cell as f32);
        let (x, y) = (x / cell, y / cell);
        let upper = mix(at(x, y), at(x + 1, y), fx);
        let lower = mix(at(x, y + 1), at(x + 1, y + 1), fx);
        *value += mix(upper, lower, fy);
    }
}

fn standardise(values: &mut [f32]) {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / n;
    let scale = 1.0 / variance.sqrt();
    values.iter_mut().for_each(|value| *value = (*value - mean) * scale);
}

/// The whole number below `x` and the rest, without a call to the mathematical library.
fn floor(x: f32) -> (i32, f32) {
    let towards_zero = x as i32;
    let whole = towards_zero - i32::from((towards_zero as f32) > x);
    (whole, x - whole as f32)
}

/// A whole number, which may be negative, as an index into a row of the tile.
fn wrap(x: i32) -> usize {
    x as usize & (SIDE - 1)
}

fn mix(a: f32, b: f32, share: f32) -> f32 {
    a + (b - a) * share
}

fn smooth(x: f32) -> f32 {
    x * x * (3.0 - 2.0 * x)
}

/// What is made of the noise.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    /// The noise itself: soil, stone, clouds.
    Plain,
    /// Its folds: veins, bark, cracks.
    Ridged,
    /// Two tones with soft borders: spots, rust, lichen.
    Patchy,
    /// Stripes bent by the noise: cloth, planks, grass.
    Striped,
}

/// One surface's texture: a pattern, turned, stretched and shifted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Texture {
    pattern: Pattern,
    along: [f32; 2],
    across: [f32; 2],
    shift: [f32; 2],
    bend: f32,
}

impl Texture {
    /// A texture at random; `direction` is a unit vector.
    pub fn draw(random: &mut SplitMix64, direction: [f32; 2]) -> Self {
        let pattern = match random.below(10) {
            0..5 => Pattern::Plain,
            5..7 => Pattern::Ridged,
            7 => Pattern::Patchy,
            _ => Pattern::Striped,
        };
        let scale = random.between(0.25, 1.1);
        let stretch =
            if random.unit() < 0.35 { random.between(0.15, 0.5) } else { random.between(0.7, 1.0) };
        let [c, s] = direction;
        Self {
            pattern,
            along: [c * scale * stretch, s * scale * stretch],
            across: [-s * scale, c * scale],
            shift: [random.between(0.0, 256.0), random.between(0.0, 256.0)],
            bend: random.between(0.05, 0.6),
        }
    }

    /// The texture's value at a place in pixels: mean about 0, standard deviation about 1.
    pub fn at(&self, noise: Noise, x: f32, y: f32) -> f32 {
        let u = self.along[0] * x + self.along[1] * y + self.shift[0];
        let v = self.across[0] * x + self.across[1] * y + self.shift[1];
        let noise = noise.at(u, v);
        match self.pattern {
            Pattern::Plain => noise,
            Pattern::Ridged => 1.6 * (noise.abs() - 0.8),
            Pattern::Patchy => (4.0 * noise).clamp(-1.0, 1.0),
            Pattern::Striped => {
                let phase = v * 0.11 + self.bend * noise;
                let wave = (floor(phase).1 - 0.5).abs() * 4.0 - 1.0;
                1.3 * wave + 0.4 * noise
            }
        }
    }
}

/// Access to the noise that all textures are made of.
#[derive(Clone, Copy)]
pub(super) struct Noise(&'static Tile);

impl Noise {
    /// The noise, painted at the first call (some milliseconds).
    pub fn shared() -> Self {
        Self(Tile::shared())
    }

    /// Noise at a place in tile pixels; the tile repeats in all directions.
    pub fn at(self, x: f32, y: f32) -> f32 {
        self.0.at(x, y)
    }
}
