//! Tiles and regions from training to verdict, on real photos and briefly trained networks.

use efficientad::{
    CpuEngine, DataDescription, Detector, Error, ImageSource, Inspection, InstructionSet,
    MapBorder, Model, Recipe, RegionOfInterest, RgbImage, SourceError, Teacher, TrainOptions,
    Trainer, TrainingData, View,
};
use efficientad_images::{crop_at, load, resize_bilinear};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Photos in memory.
struct Photos(Vec<RgbImage>);

impl ImageSource for Photos {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn name(&self, index: usize) -> String {
        format!("photo {index}")
    }
    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(self.0[index].clone())
    }
}

/// Photos of a brick wall, scaled to a size.
fn bricks(count: usize, width: u32, height: u32) -> Vec<RgbImage> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/train/good");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let photo = |file| resize_bilinear(&load(file, &Default::default()).unwrap(), width, height);
    files.into_iter().take(count).map(photo).collect()
}

fn cpu() -> Arc<CpuEngine> {
    Arc::new(CpuEngine::new(2, InstructionSet::best()).unwrap())
}

/// Two steps on all photos but the last, which calibrates.
fn train(
    photos: Vec<RgbImage>,
    view: View,
    region: Option<RegionOfInterest>,
) -> Result<Model, Error> {
    train_by(Recipe { view, region, steps: 2, ..Recipe::default() }, photos)
}

fn train_by(recipe: Recipe, mut photos: Vec<RgbImage>) -> Result<Model, Error> {
    let validation = Arc::new(Photos(photos.split_off(photos.len() - 1)));
    let train = Arc::new(Photos(photos));
    let data = TrainingData {
        train: train.clone(),
        validation: validation.clone(),
        photos: None,
        description: DataDescription {
            fingerprint: String::new(),
            train_images: train.len(),
            validation_images: validation.len(),
            photos: "none".to_owned(),
            ..DataDescription::default()
        },
        old: None,
    };
    let teacher = Teacher::embedded(recipe.size)?;
    let mut quiet = |_| ControlFlow::Continue(());
    let options = TrainOptions::default();
    let mut trainer = Trainer::new(cpu(), teacher, recipe, data, options, &mut quiet)?;
    trainer.step()?;
    trainer.step()?;
    trainer.finish(&mut quiet)
}

fn inspect(model: &Model, photo: &RgbImage) -> Inspection {
    Detector::new(model, cpu()).unwrap().inspect(photo).unwrap()
}

/// The largest step from a column to the next, averaged over the rows, of a map of `width`.
fn largest_coherent_step(map: &[f32], width: usize) -> f32 {
    let mean = |x: usize| -> f32 {
        let column: Vec<f32> = map.chunks(width).map(|row| row[x]).collect();
        column.iter().sum::<f32>() / column.len() as f32
    };
    (1..width).map(|x| (mean(x) - mean(x - 1)).abs()).fold(0.0, f32::max)
}

/// Two maps of the same place, whose tiles lie otherwise: what the photo shows cancels out in their
/// difference, and what is left are the tiles.
#[test]
fn tiles_leave_no_seams() {
    const SIDE: usize = 640;
    const SHIFT: usize = 100;
    let model = train(bricks(3, 640, 640), View::Tiles { size: 256, overlap: 64 }, None).unwrap();
    let photo = bricks(4, 640, 640).remove(3);
    let whole = inspect(&model, &photo).map;
    let shifted =
        inspect(&model, &crop_at(&photo, (SHIFT as u32, 0), ((SIDE - SHIFT) as u32, 640))).map;
    let range = whole.max() - whole.values.iter().copied().fold(f32::INFINITY, f32::min);
    // The crop has a border of its own, 16 pixels and those resized from them.
    let seen = 20..SIDE - SHIFT - 20;
    let mut difference = Vec::new();
    for (whole, shifted) in whole.values.chunks(SIDE).zip(shifted.values.chunks(SIDE - SHIFT)) {
        difference.extend(seen.clone().map(|x| whole[SHIFT + x] - shifted[x]));
    }
    let seam = largest_coherent_step(&difference, seen.len()) / range;
    assert!(seam < 1e-3, "{seam}");
    assert!(difference.iter().any(|&value| value != 0.0), "the tiles do lie otherwise");

    // What it is without blending: tiles judged each for itself, side by side.
    let detector = Detector::new(&model, cpu()).unwrap();
    let tiles =
        [0, 192].map(|x| detector.inspect(&crop_at(&photo, (x, 0), (256, 256))).unwrap().map);
    let beside: Vec<f32> = (0..256)
        .flat_map(|y| [(0, 20..208), (1, 16..200)].map(|(tile, columns)| (y, tile, columns)))
        .flat_map(|(y, tile, columns)| {
            let whole = &whole.values[y * SIDE + 192 * tile..];
            let tile = &tiles[tile].values[y * 256..];
            columns.map(|x| whole[x] - tile[x]).collect::<Vec<_>>()
        })
        .collect();
    let without = largest_coherent_step(&beside, 188 + 184) / range;
    assert!(without > seam, "{without} without blending, {seam} with it");
}

/// An ellipse in the middle of photos of 300×200.
fn ellipse() -> RegionOfInterest {
    let inside = |x: u32, y: u32| {
        ((x as f32 - 150.0) / 100.0).powi(2) + ((y as f32 - 100.0) / 70.0).powi(2) < 1.0
    };
    let pixels = (0..200).flat_map(|y| (0..300).map(move |x| inside(x, y)));
    RegionOfInterest::new(300, 200, pixels.collect()).unwrap()
}

/// A photo with other content outside the ellipse.
fn redrawn_outside(photo: &RgbImage, content: impl Fn(u32, u32) -> [u8; 3]) -> RgbImage {
    let inside = ellipse().at(300, 200).unwrap();
    let mut redrawn = photo.clone();
    for (x, y, pixel) in redrawn.enumerate_pixels_mut() {
        if !inside[(y * 300 + x) as usize] {
            pixel.0 = content(x, y);
        }
    }
    redrawn
}

#[test]
fn nothing_outside_the_region_has_any_influence() {
    let stripes = |x: u32, y: u32| [(x * 37) as u8, (y * 91) as u8, (x * y) as u8];
    let black = |_, _| [0; 3];
    let photos = bricks(4, 300, 200);
    for view in [View::Stretch, View::Letterbox, View::Tiles { size: 128, overlap: 32 }] {
        let model = train(photos[..3].to_vec(), view, Some(ellipse())).unwrap();
        let redrawn: Vec<RgbImage> =
            photos[..3].iter().map(|photo| redrawn_outside(photo, stripes)).collect();
        let other = train(redrawn, view, Some(ellipse())).unwrap();
        assert!(model == other, "{view}: training depends on what lies outside");

        let inspection = inspect(&model, &photos[3]);
        assert_eq!(inspection, inspect(&model, &redrawn_outside(&photos[3], stripes)), "{view}");
        assert_eq!(inspection, inspect(&model, &redrawn_outside(&photos[3], black)), "{view}");
        let inside = ellipse().at(300, 200).unwrap();
        let mut pixels = inspection.map.values.iter().zip(&inside);
        assert!(pixels.all(|(&value, &inside)| inside || value == 0.0), "{view}");

        let mut defective = photos[3].clone();
        (140..160).for_each(|x| defective.put_pixel(x, 100, [255, 0, 0].into()));
        let defective = inspect(&model, &defective);
        assert!(defective != inspection, "{view}: what lies inside does matter");
    }
}

#[test]
fn photos_that_a_region_does_not_fit_are_named() {
    let mut photos = bricks(3, 300, 200);
    photos[1] = resize_bilinear(&photos[1], 200, 300);
    let message = train(photos, View::Stretch, Some(ellipse())).unwrap_err().to_string();
    assert!(
        message.starts_with("photo 1: the region was drawn for photos of 300×200"),
        "{message}"
    );
    let mut photos = bricks(3, 300, 200);
    photos[2] = resize_bilinear(&photos[2], 200, 200);
    let message = train(photos, View::Stretch, Some(ellipse())).unwrap_err().to_string();
    assert!(message.contains("does not fit 200×200"), "held-back photos, too: {message}");
    let edge = (0..60_000).map(|i| i % 300 < 8).collect();
    let edge = RegionOfInterest::new(300, 200, edge).unwrap();
    let zeros = Recipe { region: Some(edge), steps: 2, ..Recipe::paper() };
    let message = train_by(zeros, bricks(2, 300, 200)).unwrap_err().to_string();
    assert!(message.contains("networks see nothing of it"), "{message}");
}

#[test]
fn along_the_border_the_map_is_half_what_is_nearest_or_zeros() {
    let photos = bricks(3, 256, 256);
    let map_of = |recipe: Recipe| {
        let model = train_by(Recipe { steps: 2, ..recipe }, photos.clone()).unwrap();
        inspect(&saved_and_read(&model), &photos[2]).map
    };
    let zeros = map_of(Recipe { map_border: MapBorder::Zero, ..Recipe::default() });
    let halfway = map_of(Recipe::default());
    let [zero, half] = [&zeros, &halfway].map(|map| |x: usize, y: usize| map.values[y * 256 + x]);
    // Cells are 4 pixels wide; the outermost with features are the fifth and the sixtieth. Pixel 17, between the
    // middles of the fourth and the fifth, is seven eighths of the fifth where the fourth is zero.
    let (outermost, share) = (17, 0.875);
    for at in 18..=237 {
        let expected = 0.5 * (zero(outermost, at) / share - 0.04);
        for x in 0..14 {
            assert_eq!(zero(x, at), 0.0);
            assert!((half(x, at) - expected).abs() < 1e-5, "{x}, {at}: {}", half(x, at));
        }
        for x in 18..=237 {
            assert_eq!(half(x, at), zero(x, at), "{x}, {at}");
        }
    }
    let corner = 0.5 * (zero(outermost, outermost) / (share * share) - 0.04);
    assert!((half(0, 0) - corner).abs() < 1e-5, "{} {corner}", half(0, 0));
    assert_eq!(halfway.values[..14], [half(0, 0); 14], "one cell");
}

/// The model as its file says it is.
fn saved_and_read(model: &Model) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    model.save(&path).unwrap();
    let read = Model::open(&path).unwrap();
    assert!(read == *model);
    read
}

#[test]
fn the_view_and_the_region_are_in_the_file() {
    let view = View::Tiles { size: 128, overlap: 32 };
    let model = train(bricks(2, 150, 100), view, Some(ellipse())).unwrap();
    let read = saved_and_read(&model);
    assert_eq!(read.position_weights(), None);
    assert_eq!((read.info().view(), read.info().region()), (view, Some(&ellipse())));
    let photo = bricks(3, 150, 100).remove(2);
    assert_eq!(inspect(&read, &photo), inspect(&model, &photo));
}

#[test]
fn channel_weights_are_in_the_file_and_channels_differ() {
    let photos = bricks(3, 200, 150);
    let model = train(photos.clone(), View::Stretch, None).unwrap();
    let read = saved_and_read(&model);
    let weights = read.channel_weights().unwrap().values();
    assert!(weights.iter().all(|&weight| weight > 0.0));
    assert!((weights.iter().sum::<f32>() / 384.0 - 1.0).abs() < 1e-4);
    assert!(weights.iter().any(|&weight| weight > 1.02), "channels differ");
    assert!(weights.iter().any(|&weight| weight < 0.98), "channels differ");
    assert_eq!(inspect(&read, &photos[2]), inspect(&model, &photos[2]));
}

#[test]
fn position_weights_are_in_the_file_and_only_lower_what_the_autoencoder_shows() {
    let photos = bricks(3, 200, 150);
    let model = train(photos.clone(), View::Stretch, None).unwrap();
    let read = saved_and_read(&model);
    let weights = read.position_weights().unwrap();
    assert_eq!(weights.size(), (56, 56));
    assert!(weights.values().iter().all(|&weight| weight > 0.0 && weight <= 1.0));
    assert!(weights.values().iter().any(|&weight| weight < 0.9), "places differ");
    assert_eq!(inspect(&read, &photos[2]), inspect(&model, &photos[2]));
}
