//! One object of a scene: a shape with a colour, a texture and light on it.

use super::palette::{Colour, Palette};
use super::texture::{Noise, Texture};
use crate::random::SplitMix64;

/// Cosine and sine of the angle between the sides of regular polygons with 3, 4, 5, 6 and 8 sides.
const TURNS: [(usize, [f32; 2]); 5] = [
    (3, [-0.5, 0.866_025_4]),
    (4, [0.0, 1.0]),
    (5, [0.309_017, 0.951_056_5]),
    (6, [0.5, 0.866_025_4]),
    (8, [0.707_106_77, 0.707_106_77]),
];

/// Outline of an object of radius 1.
enum Shape {
    /// An ellipse; the payload is length and width.
    Ellipse([f32; 2]),
    /// A rectangle with round corners; the payload is length and width.
    RoundedBox([f32; 2]),
    /// Where the products with all outward normals, divided by their sides' distances, are below 1; pointed corners
    /// are cut off by the circle of radius 1.
    Polygon(Vec<[f32; 2]>),
}

impl Shape {
    fn draw(random: &mut SplitMix64) -> Self {
        match random.below(20) {
            0..9 => Self::Ellipse([1.0, random.between(0.45, 1.0)]),
            9..11 => Self::Ellipse([1.0, random.between(0.05, 0.2)]),
            11..14 => Self::RoundedBox([0.78, random.between(0.1, 0.78)]),
            _ => Self::Polygon(polygon(random)),
        }
    }

    /// 0 in the middle, 1 on the outline, more outside.
    fn distance(&self, u: f32, v: f32) -> f32 {
        match self {
            Self::Ellipse([a, b]) => (u / a) * (u / a) + (v / b) * (v / b),
            Self::RoundedBox([a, b]) => {
                let (u, v) = ((u / a) * (u / a), (v / b) * (v / b));
                u * u * u + v * v * v
            }
            Self::Polygon(sides) => {
                sides.iter().map(|[x, y]| x * u + y * v).fold(u * u + v * v, f32::max)
            }
        }
    }
}

fn polygon(random: &mut SplitMix64) -> Vec<[f32; 2]> {
    let (sides, [c, s]) = TURNS[random.below(TURNS.len())];
    let mut normal = direction(random);
    let normals = (0..sides).map(|_| {
        normal = [c * normal[0] - s * normal[1], s * normal[0] + c * normal[1]];
        let distance = random.between(0.35, 0.75);
        [normal[0] / distance, normal[1] / distance]
    });
    normals.collect()
}

/// A random unit vector, found by trying points of a square (no sine, so it is the same on every machine).
pub(super) fn direction(random: &mut SplitMix64) -> [f32; 2] {
    loop {
        let (x, y) = (random.between(-1.0, 1.0), random.between(-1.0, 1.0));
        let squared = x * x + y * y;
        if squared > 0.01 && squared <= 1.0 {
            let length = squared.sqrt();
            return [x / length, y / length];
        }
    }
}

/// What all objects of a scene share.
pub(super) struct Style {
    /// The scene's colours.
    pub palette: Palette,
    /// Unit vector towards the light, in image coordinates.
    pub light: [f32; 2],
    /// Strength of the light's gradient over an object.
    pub shading: f32,
    /// Strength of textures.
    pub roughness: f32,
}

/// An object at its place.
pub(super) struct Leaf {
    /// Centre, x and y in pixels.
    pub centre: [f32; 2],
    /// Largest distance of the outline from the centre, in pixels.
    pub radius: f32,
    shape: Shape,
    axis: [f32; 2],
    colour: Colour,
    tint: Colour,
    texture: Texture,
    gradient: [f32; 2],
    rim: f32,
}

impl Leaf {
    /// An object at random, at a given place.
    pub fn draw(random: &mut SplitMix64, style: &Style, centre: [f32; 2], radius: f32) -> Self {
        let axis = direction(random);
        let roughness = style.roughness * random.between(0.2, 1.6);
        let shading = style.shading * random.between(0.2, 1.5);
        let colour = style.palette.pick(random);
        let other = style.palette.pick(random);
        let grain = direction(random);
        Self {
            centre,
            radius,
            shape: Shape::draw(random),
            axis,
            colour,
            tint: tint(colour, other, roughness),
            texture: Texture::draw(random, grain),
            gradient: [style.light[0] * shading / radius, style.light[1] * shading / radius],
            rim: if random.unit() < 0.6 { random.between(0.1, 0.45) } else { 0.0 },
        }
    }

    /// The colour at an offset from the centre in pixels, or `None` outside the outline.
    pub fn colour(&self, noise: Noise, dx: f32, dy: f32) -> Option<Colour> {
        let u = (self.axis[0] * dx + self.axis[1] * dy) / self.radius;
        let v = (self.axis[0] * dy - self.axis[1] * dx) / self.radius;
        let distance = self.shape.distance(u, v);
        (distance <= 1.0).then(|| self.surface(noise, dx, dy, distance))
    }

    /// The colour as if the object had no outline.
    pub fn background(&self, noise: Noise, dx: f32, dy: f32) -> Colour {
        self.surface(noise, dx, dy, 0.0)
    }

    fn surface(&self, noise: Noise, dx: f32, dy: f32, distance: f32) -> Colour {
        let texture = self.texture.at(noise, dx, dy);
        let squared = distance * distance;
        let light =
            1.0 + self.gradient[0] * dx + self.gradient[1] * dy - self.rim * squared * squared;
        std::array::from_fn(|channel| (self.colour[channel] + self.tint[channel] * texture) * light)
    }
}

/// What one standard deviation of texture adds: mostly brightness in proportion to the colour, and a little of another
/// colour of the scene.
fn tint(colour: Colour, other: Colour, roughness: f32) -> Colour {
    std::array::from_fn(|channel| {
        roughness * (0.30 * (colour[channel] + 0.08) + 0.12 * (other[channel] - colour[channel]))
    })
}
