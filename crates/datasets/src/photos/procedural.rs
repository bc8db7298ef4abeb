//! Painting photos: "dead leaves", objects of all sizes that hide one another.

use image::RgbImage;

use super::leaf::{Leaf, Style, direction};
use super::palette::{Colour, Palette};
use super::texture::Noise;
use crate::random::SplitMix64;

/// Objects after which the rest of the picture becomes background.
const MAX_LEAVES: usize = 1500;

/// Paints a photo of `width × height` pixels.
///
/// The picture is a dead-leaves scene, the simplest model with the statistics of natural images (Lee, Mumford, Huang,
/// IJCV 2001): objects with radii distributed as r⁻³ occlude one another, which gives edges at all scales and an
/// amplitude spectrum near 1/f. Their colours come from one related palette, their surfaces carry noise with a 1/f
/// spectrum and shading from one light; the lens blurs a little and the sensor adds a little noise.
///
/// The same seed and size give the same photo: only additions, multiplications, divisions and square roots in `f32` are
/// used, which IEEE 754 rounds alike everywhere. As such scenes look alike at every scale, a photo painted at 256×256
/// needs no resizing or cropping. A 256×256 photo takes about 4 ms on one core.
pub fn procedural_photo(seed: u64, width: u32, height: u32) -> RgbImage {
    if width == 0 || height == 0 {
        return RgbImage::new(width, height);
    }
    let mut random = SplitMix64::new(seed);
    let scene = Scene::draw(&mut random);
    let mut canvas = Canvas::new(width as usize, height as usize);
    canvas.paint_leaves(&scene, &mut random);
    canvas.paint_background(&scene, &mut random);
    canvas.light(&mut random);
    (0..scene.blur).for_each(|_| canvas.blur());
    canvas.develop(scene.grain, &mut random)
}

/// What a whole photo has in common.
struct Scene {
    style: Style,
    radii: [f32; 2],
    open: f32,
    blur: usize,
    grain: f32,
}

impl Scene {
    fn draw(random: &mut SplitMix64) -> Self {
        let smallest = random.between(2.5, 14.0);
        Self {
            style: Style {
                palette: Palette::draw(random),
                light: direction(random),
                shading: random.between(0.05, 0.45),
                roughness: random.between(0.2, 1.3),
            },
            radii: [smallest, random.between(80.0, 260.0)],
            open: if random.unit() < 0.3 { random.between(0.1, 0.5) } else { 0.01 },
            blur: [0, 1, 1, 2][random.below(4)],
            grain: random.between(0.0, 0.02),
        }
    }

    /// A radius whose density falls as r⁻³ between the scene's limits.
    fn radius(&self, random: &mut SplitMix64) -> f32 {
        let [smallest, largest] = self.radii;
        let ratio = smallest / largest;
        smallest / (1.0 - random.unit() * (1.0 - ratio * ratio)).sqrt()
    }
}

/// The picture while it is being painted, from the nearest object to the farthest.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
    free: Vec<bool>,
    n_free: usize,
    noise: Noise,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        let n = width * height;
        Self {
            width,
            height,
            pixels: vec![[0.0; 3]; n],
            free: vec![true; n],
            n_free: n,
            noise: Noise::shared(),
        }
    }

    fn paint_leaves(&mut self, scene: &Scene, random: &mut SplitMix64) {
        let leave_open = (scene.open * self.pixels.len() as f32) as usize;
        for _ in 0..MAX_LEAVES {
            if self.n_free <= leave_open {
                break;
            }
            let radius = scene.radius(random);
            let centre = [
                random.between(-radius, self.width as f32 + radius),
                random.between(-radius, self.height as f32 + radius),
            ];
            self.paint(&Leaf::draw(random, &scene.style, centre, radius));
        }
    }

    fn paint(&mut self, leaf: &Leaf) {
        let [x, y] = leaf.centre;
        let columns = span(x, leaf.radius, self.width);
        for row in span(y, leaf.radius, self.height) {
            for column in columns.clone() {
                let index = row * self.width + column;
                if !self.free[index] {
                    continue;
                }
                if let Some(colour) = leaf.colour(self.noise, column as f32 - x, row as f32 - y) {
                    self.pixels[index] = colour;
                    self.free[index] = false;
                    self.n_free -= 1;
                }
            }
        }
    }

    /// Sky, wall or floor behind everything.
    fn paint_background(&mut self, scene: &Scene, random: &mut SplitMix64) {
        let centre = [self.width as f32 / 2.0, self.height as f32 / 2.0];
        let radius = centre[0].max(centre[1]);
        let leaf = Leaf::draw(random, &scene.style, centre, radius);
        for index in (0..self.pixels.len()).filter(|&index| self.free[index]) {
            let (x, y) = ((index % self.width) as f32, (index / self.width) as f32);
            self.pixels[index] = leaf.background(self.noise, x - centre[0], y - centre[1]);
        }
    }

    /// Light and shade over the whole scene, from the coarse part of the noise.
    fn light(&mut self, random: &mut SplitMix64) {
        let strength = random.between(0.0, 0.2);
        let zoom = random.between(0.03, 0.12);
        let shift = [random.between(0.0, 256.0), random.between(0.0, 256.0)];
        for (index, pixel) in self.pixels.iter_mut().enumerate() {
            let (x, y) = ((index % self.width) as f32, (index / self.width) as f32);
            let light = 1.0 + strength * self.noise.at(x * zoom + shift[0], y * zoom + shift[1]);
            pixel.iter_mut().for_each(|value| *value *= light);
        }
    }

    /// Blurs by the kernel 1-2-1 in both directions; borders are repeated.
    fn blur(&mut self) {
        for row in self.pixels.chunks_exact_mut(self.width) {
            let mut before = row[0];
            for x in 0..row.len() {
                let (here, after) = (row[x], row[(x + 1).min(row.len() - 1)]);
                row[x] = blurred(before, here, after);
                before = here;
            }
        }
        let mut above = self.pixels[..self.width].to_vec();
        for y in 0..self.height {
            let below = (y + 1).min(self.height - 1) * self.width;
            for (x, before) in above.iter_mut().enumerate() {
                let here = self.pixels[y * self.width + x];
                self.pixels[y * self.width + x] = blurred(*before, here, self.pixels[below + x]);
                *before = here;
            }
        }
    }

    fn develop(self, grain: f32, random: &mut SplitMix64) -> RgbImage {
        let (width, height) = (self.width as u32, self.height as u32);
        let mut pixels = self.pixels.into_iter();
        let mut image = RgbImage::new(width, height);
        for target in image.pixels_mut() {
            let noise = grain * random.between(-1.0, 1.0);
            let colour = pixels.next().unwrap_or_default();
            target.0 = colour.map(|value| ((value + noise) * 255.0 + 0.5) as u8);
        }
        image
    }
}

fn blurred(before: Colour, here: Colour, after: Colour) -> Colour {
    std::array::from_fn(|channel| 0.25 * (before[channel] + after[channel]) + 0.5 * here[channel])
}

/// The whole pixels within `radius` of `centre`, cut to `0..limit`.
fn span(centre: f32, radius: f32, limit: usize) -> std::ops::Range<usize> {
    let start = (centre - radius).floor().max(0.0) as usize;
    let end = ((centre + radius).ceil() + 1.0).max(0.0) as usize;
    start.min(limit)..end.min(limit)
}
