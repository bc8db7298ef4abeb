//! What is strange among photos to train on: damaged files, odd sizes, photos that are there twice or
//! nearly so, and those that look unlike the others to the teacher.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use efficientad::{Describer, InspectionEngine, Teacher};
use efficientad_datasets::{Purpose, file_fingerprint};
use efficientad_images::{RgbImage, load, resize_bilinear};
use efficientad_pretraining::parallel::each;
use serde_json::{Value, json};

use super::board::Ending;
use super::request::Look;
use super::telling::Telling;
use super::{Outcome, Work, refused, told};
use crate::parts::api::source;

/// Photos that are looked at, at most: every one is compared with every other.
const MOST_PHOTOS: usize = 3000;
/// Photos below which none can be told to be unusual.
const FEWEST: usize = 8;
/// Photos that are named of each kind.
const MOST_NAMED: usize = 50;
/// Sides of the small pictures that are compared.
const SIDE: u32 = 32;
/// Mean difference in grey levels below which photos are nearly the same, and how much closer to each
/// other they must be than photos of these parts usually are.
const NEAR: f32 = 1.5;
const NEARER: f32 = 0.25;
/// How many times further from the middle than usual an unusual photo is (in units of the median
/// absolute deviation, scaled as a standard deviation).
const FAR: f32 = 6.0;
const MAD_TO_STD: f32 = 1.4826;

/// What is seen of a photo.
struct Seen {
    size: (u32, u32),
    content: String,
    small: Vec<u8>,
    features: Vec<f32>,
}

pub(super) fn run(work: &Work<'_>, request: &Look) -> Outcome {
    let shop = work.shop;
    let folder = match &request.folder {
        Some(folder) => shop.parts.below(folder).map_err(refused)?,
        None => shop.parts.part(&request.part).map_err(refused)?.train(),
    };
    let dataset = source(&folder, request.surely_good).open(Purpose::Training).map_err(told)?;
    let photos: Vec<PathBuf> = dataset.train.into_iter().take(MOST_PHOTOS).collect();
    let (cpu, _) = shop.engines()?;
    let teacher = Teacher::embedded(efficientad::PdnSize::Small).map_err(told)?;
    let describer = Describer::new(&teacher, &*cpu).map_err(told)?;
    let options = shop.decode();
    let look = |number: usize| -> Result<Seen, String> {
        let path: &PathBuf = &photos[number];
        let photo = load(path, &options).map_err(told)?;
        Ok(Seen {
            size: photo.dimensions(),
            content: file_fingerprint(path).map_err(told)?.to_string(),
            small: small(&photo),
            features: describer.describe(&photo).map_err(told)?,
        })
    };
    let mut telling = Telling::new(work);
    let mut progress = |done, total| {
        telling.progress("reading images", done, total);
        telling.flow()
    };
    let threads = cpu.threads().count();
    let seen = each(threads, photos.len(), &mut progress, look);
    if progress(photos.len(), photos.len()) == ControlFlow::Break(()) {
        return Ok(Ending::Stopped);
    }
    let names: Vec<String> = photos.iter().map(|photo| shop.parts.relative(photo)).collect();
    Ok(Ending::Done(strange(&names, seen)))
}

/// What is strange.
fn strange(names: &[String], seen: Vec<Result<Seen, String>>) -> Value {
    let mut damaged = Vec::new();
    let mut sound = Vec::new();
    for (name, seen) in names.iter().zip(seen) {
        match seen {
            Ok(seen) => sound.push((name.as_str(), seen)),
            Err(reason) => damaged.push(json!({ "path": name, "reason": reason })),
        }
    }
    damaged.truncate(MOST_NAMED);
    let (sizes, odd) = sizes(&sound);
    json!({
        "photos": names.len(),
        "damaged": damaged,
        "sizes": sizes,
        "odd": odd,
        "same": same(&sound),
        "alike": alike(&sound),
        "unusual": unusual(&sound),
    })
}

/// How many photos there are of each size, and those that have not the usual one.
fn sizes(photos: &[(&str, Seen)]) -> (Vec<Value>, Vec<String>) {
    let mut counts = BTreeMap::<(u32, u32), usize>::new();
    photos.iter().for_each(|(_, seen)| *counts.entry(seen.size).or_default() += 1);
    let usual = counts.iter().max_by_key(|(_, count)| **count).map(|(size, _)| *size);
    let odd = photos.iter().filter(|(_, seen)| Some(seen.size) != usual);
    let odd = odd.map(|(name, _)| (*name).to_owned()).take(MOST_NAMED).collect();
    let size = |(&(width, height), &photos): (&(u32, u32), &usize)| json!({ "width": width, "height": height, "photos": photos });
    (counts.iter().map(size).take(MOST_NAMED).collect(), odd)
}

/// Groups of photos that are the same file.
fn same(photos: &[(&str, Seen)]) -> Vec<Vec<String>> {
    let mut groups = BTreeMap::<&str, Vec<String>>::new();
    for (name, seen) in photos {
        groups.entry(&seen.content).or_default().push((*name).to_owned());
    }
    groups.into_values().filter(|group| group.len() > 1).take(MOST_NAMED).collect()
}

/// Pairs of photos that differ in little but how they were stored.
fn alike(photos: &[(&str, Seen)]) -> Vec<[String; 2]> {
    let mut pairs = Vec::new();
    let mut nearest = vec![f32::INFINITY; photos.len()];
    for (i, (_, first)) in photos.iter().enumerate() {
        for (j, (_, second)) in photos.iter().enumerate().skip(i + 1) {
            if first.content == second.content {
                continue;
            }
            let difference = difference(&first.small, &second.small);
            nearest[i] = nearest[i].min(difference);
            nearest[j] = nearest[j].min(difference);
            if difference < NEAR {
                pairs.push((difference, i, j));
            }
        }
    }
    let usual = median(nearest.into_iter().filter(|it| it.is_finite()).collect());
    pairs.retain(|(difference, ..)| usual.is_some_and(|usual| *difference <= NEARER * usual));
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let named = |index: usize| photos[index].0.to_owned();
    pairs.into_iter().take(MOST_NAMED).map(|(_, i, j)| [named(i), named(j)]).collect()
}

/// Photos whose mean features lie far from the others'.
fn unusual(photos: &[(&str, Seen)]) -> Vec<Value> {
    if photos.len() < FEWEST {
        return Vec::new();
    }
    let channels = photos[0].1.features.len();
    let mut squares = vec![0.0_f32; photos.len()];
    for channel in 0..channels {
        let values: Vec<f32> = photos.iter().map(|(_, seen)| seen.features[channel]).collect();
        let Some((middle, spread)) = middle_and_spread(&values) else { continue };
        if spread > 0.0 {
            for (square, value) in squares.iter_mut().zip(values) {
                *square += ((value - middle) / spread).powi(2);
            }
        }
    }
    let distances: Vec<f32> = squares.iter().map(|it| (it / channels as f32).sqrt()).collect();
    let Some((middle, spread)) = middle_and_spread(&distances) else { return Vec::new() };
    let mut far: Vec<(f32, &str)> = distances
        .iter()
        .zip(photos)
        .map(|(distance, (name, _))| ((distance - middle) / spread.max(f32::MIN_POSITIVE), *name))
        .filter(|(times, _)| *times > FAR)
        .collect();
    far.sort_by(|a, b| b.0.total_cmp(&a.0));
    far.truncate(MOST_NAMED);
    far.into_iter().map(|(times, name)| json!({ "path": name, "times": times })).collect()
}

/// The median, and the median absolute deviation scaled as a standard deviation.
fn middle_and_spread(values: &[f32]) -> Option<(f32, f32)> {
    let middle = median(values.to_vec())?;
    let spread = median(values.iter().map(|value| (value - middle).abs()).collect())?;
    Some((middle, MAD_TO_STD * spread))
}

fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_unstable_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A photo in so few grey levels and pixels that how it is stored hardly matters.
fn small(photo: &RgbImage) -> Vec<u8> {
    let small = resize_bilinear(photo, SIDE, SIDE);
    let grey = |pixel: &[u8]| {
        ((u16::from(pixel[0]) + u16::from(pixel[1]) + u16::from(pixel[2])) / 3) as u8
    };
    small.as_raw().chunks_exact(3).map(grey).collect()
}

/// The mean difference in grey levels.
fn difference(first: &[u8], second: &[u8]) -> f32 {
    let sum: u32 = first.iter().zip(second).map(|(&a, &b)| u32::from(a.abs_diff(b))).sum();
    sum as f32 / first.len() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(number: usize) -> Seen {
        let mut random = fastrand::Rng::with_seed(number as u64);
        Seen {
            size: (100, 80),
            content: number.to_string(),
            small: (0..SIDE * SIDE).map(|_| random.u8(..)).collect(),
            features: (0..20).map(|_| random.f32()).collect(),
        }
    }

    #[test]
    fn what_is_strange_is_named() {
        let mut all: Vec<Result<Seen, String>> = (0..20).map(|number| Ok(seen(number))).collect();
        // The same file, the same photo stored otherwise, another size, other features, no photo.
        all[1] = Ok(seen(0));
        let mut stored = seen(2);
        stored.content = "other".to_owned();
        stored.small.iter_mut().step_by(7).for_each(|level| *level ^= 1);
        all[3] = Ok(stored);
        all[4] = Ok(Seen { size: (80, 100), ..seen(4) });
        all[5] = Ok(Seen { features: vec![9.0; 20], ..seen(5) });
        all[6] = Err("damaged".to_owned());
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let found = strange(&names, all);
        assert_eq!(found["same"], json!([["0", "1"]]));
        assert_eq!(found["alike"], json!([["2", "3"]]));
        assert_eq!(found["odd"], json!(["4"]));
        assert_eq!(found["unusual"][0]["path"], "5");
        assert_eq!(found["unusual"].as_array().unwrap().len(), 1);
        assert_eq!(found["damaged"][0]["path"], "6");
        assert_eq!(found["photos"], 20);
    }

    #[test]
    fn parts_in_one_place_are_not_all_alike() {
        // A fixed camera: photos differ by little, but no pair by much less than the others.
        let photo = |number: usize| {
            let mut random = fastrand::Rng::with_seed(number as u64);
            let small = (0..SIDE * SIDE).map(|_| 100 + random.u8(..3)).collect();
            (number.to_string(), Seen { small, ..seen(number) })
        };
        let photos: Vec<(String, Seen)> = (0..10).map(photo).collect();
        let photos: Vec<(&str, Seen)> = photos
            .iter()
            .zip(0..)
            .map(|((name, _), number)| (name.as_str(), photo(number).1))
            .collect();
        assert!(alike(&photos).is_empty());
    }
}
