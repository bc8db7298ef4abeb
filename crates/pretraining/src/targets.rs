//! All of it together: fills the cache, and gives samples to the distillation.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use efficientad::{
    COARSE_CHANNELS, ChannelSums, DistillationData, DistillationSample, DistillationSource,
    SourceError,
};
use efficientad_datasets::{DatasetError, LeftOut};
use efficientad_images::Limits;
use serde::Serialize;

use crate::backbone::{Backbone, BackboneRuntime, LayerMaps};
use crate::cache::{Cache, RECORD_BYTES, RecordFile};
use crate::error::PretrainingError;
use crate::parallel::{self, Progress};
use crate::patches::PatchFeatures;
use crate::photos::{Photo, PhotoSet, Unreadable};
use crate::preprocessing::Preprocessing;
use crate::record::Record;
use crate::samples::{Augmentation, Cut, Sampler};
use crate::statistics::TargetStatistics;

/// The first samples, so many, that targets are normalised by.
const STATISTICS_SAMPLES: usize = 1024;
/// Version of the way from photos to targets: another one is another cache.
const VERSION: u32 = 3;

/// What targets are made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The backbone's file.
    pub backbone: PathBuf,
    /// Its tensors of stride 8 and 16.
    pub layers: [String; 2],
    /// How pixels become its input.
    pub preprocessing: Preprocessing,
    /// Folders of photos.
    pub photos: Vec<PathBuf>,
    /// How large they may be.
    pub limits: Limits,
    /// How samples are made from photos.
    pub augmentation: Augmentation,
    /// Seed of the photos held back and of the samples.
    pub seed: u64,
    /// Folder of the cache.
    pub cache: PathBuf,
}

/// What takes its time before targets can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Photos are decoded.
    ReadingPhotos,
    /// Targets of the photos held back are computed.
    HeldBackTargets,
    /// Targets of the samples to learn from are computed.
    Targets,
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadingPhotos => "reading photos",
            Self::HeldBackTargets => "targets of photos held back",
            Self::Targets => "targets",
        })
    }
}

/// What the cache's samples depend on: its serialisation is hashed to the key.
#[derive(Serialize)]
struct Origin<'a> {
    version: u32,
    backbone: String,
    backbone_sha256: &'a str,
    runtime: &'a str,
    layers: &'a [String; 2],
    preprocessing: Preprocessing,
    photos_fingerprint: &'a str,
    augmentation: Augmentation,
    seed: u64,
}

/// Targets of a backbone for samples of photos, kept on disk.
pub struct Targets {
    settings: Settings,
    backbone: Backbone,
    patches: PatchFeatures,
    sampler: Sampler,
    held_back: Vec<Photo>,
    photos_fingerprint: String,
    unreadable: Vec<Unreadable>,
    not_listed: Vec<DatasetError>,
    too_small: usize,
    left_out: LeftOut,
    cache: Cache,
    recomputed: AtomicUsize,
}

impl Targets {
    /// Reads the backbone, which `runtime` is to run, and all photos, and opens the cache.
    ///
    /// # Errors
    /// When the backbone can't be used, there are too few photos, or the cache can't be opened;
    /// [`PretrainingError::Cancelled`] if `progress` breaks.
    pub fn open(
        settings: Settings,
        runtime: &dyn BackboneRuntime,
        threads: usize,
        progress: &mut Progress<'_>,
    ) -> Result<Self, PretrainingError> {
        let backbone = Backbone::open(runtime, &settings.backbone, &settings.layers)?;
        let PhotoSet { train, held_back, fingerprint, unreadable, not_listed, too_small, left_out } =
            PhotoSet::open(&settings.photos, &settings.limits, settings.seed, threads, progress)?;
        let [fine, coarse] = backbone.channels();
        let cache = Cache::open(
            &settings.cache,
            &Origin {
                version: VERSION,
                backbone: backbone.name(),
                backbone_sha256: backbone.sha256(),
                runtime: backbone.runtime(),
                layers: &settings.layers,
                preprocessing: settings.preprocessing,
                photos_fingerprint: &fingerprint,
                augmentation: settings.augmentation,
                seed: settings.seed,
            },
        )?;
        Ok(Self {
            patches: PatchFeatures::new(fine, coarse),
            sampler: Sampler::new(settings.augmentation, settings.seed, train),
            photos_fingerprint: fingerprint,
            recomputed: AtomicUsize::new(0),
            settings,
            backbone,
            held_back,
            unreadable,
            not_listed,
            too_small,
            left_out,
            cache,
        })
    }

    /// The photos that can't be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Why folders below those of the photos could not be listed.
    pub fn not_listed(&self) -> &[DatasetError] {
        &self.not_listed
    }

    /// Photos that are left out because a side is below [`MIN_PHOTO_SIDE`](crate::MIN_PHOTO_SIDE).
    pub fn too_small(&self) -> usize {
        self.too_small
    }

    /// Files in the folders that are not taken for photos.
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// The cache's folder.
    pub fn cache_folder(&self) -> &Path {
        self.cache.folder()
    }

    /// Records of the cache that turned out to be damaged and were computed anew.
    pub fn recomputed(&self) -> usize {
        self.recomputed.load(Ordering::Relaxed)
    }

    /// How many different samples there may be in a cache of `bytes`.
    pub fn samples_within(&self, bytes: u64) -> usize {
        let records = (bytes / RECORD_BYTES) as usize;
        let samples = records.saturating_sub(self.held_back.len());
        self.sampler.limit().map_or(samples, |limit| samples.min(limit))
    }

    /// Makes the cache complete up to `samples` samples, and returns how many there are: fewer if
    /// `progress` breaks.
    ///
    /// # Errors
    /// When a photo can't be read any more, the backbone fails, or the cache can't be written.
    pub fn fill(
        &self,
        samples: usize,
        threads: usize,
        progress: &mut dyn FnMut(Activity, usize, usize) -> ControlFlow<()>,
    ) -> Result<usize, PretrainingError> {
        let _lock = self.cache.lock()?;
        let (file, all) = (&self.cache.held_back, self.held_back.len());
        let held_back = self.complete(file, all, threads, &mut |done, total| {
            progress(Activity::HeldBackTargets, done, total)
        })?;
        if held_back < all {
            return Ok(0);
        }
        self.complete(&self.cache.train, samples, threads, &mut |done, total| {
            progress(Activity::Targets, done, total)
        })
    }

    /// Computes the records that are missing among the first `total`; how many are there then
    /// without a gap.
    fn complete(
        &self,
        file: &RecordFile,
        total: usize,
        threads: usize,
        progress: &mut Progress<'_>,
    ) -> Result<usize, PretrainingError> {
        let mut missing = Vec::new();
        for number in 0..total {
            if !file.has(number)? {
                missing.push(number);
            }
        }
        let there = total - missing.len();
        let failed = Mutex::new(None);
        let fail = |error| {
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        };
        let mut stop_or_progress = |done: usize, _| {
            let is_failed = failed.lock().unwrap_or_else(PoisonError::into_inner).is_some();
            if is_failed { ControlFlow::Break(()) } else { progress(there + done, total) }
        };
        let done = parallel::each(threads, missing.len(), &mut stop_or_progress, |i| {
            let written = self.compute(file, missing[i]).map(drop);
            written.unwrap_or_else(fail);
        });
        if let Some(error) = failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        Ok(missing.get(done.len()).copied().unwrap_or(total))
    }

    /// Computes a record and writes it.
    fn compute(&self, file: &RecordFile, number: usize) -> Result<Record, PretrainingError> {
        let (cut, photo) = if std::ptr::eq(file, &self.cache.train) {
            let cut = self.sampler.cut(number);
            let photo = &self.sampler.photos()[cut.photo];
            (cut, photo)
        } else {
            let photo = &self.held_back[number];
            (Cut::whole(number, photo), photo)
        };
        let views = cut.views(&photo.load(&self.settings.limits)?);
        let planes = self.settings.preprocessing.planes(&views.backbone);
        let LayerMaps { fine, coarse } = self.backbone.run(&planes)?;
        let target = self.patches.target(&fine, &coarse);
        if !target.iter().all(|value| value.is_finite()) {
            return Err(PretrainingError::NotFinite { photo: photo.path.clone() });
        }
        let record = Record::new(&views.teacher, &target);
        file.write(number, &record)?;
        Ok(record)
    }

    /// A record from the cache, computed anew if it is damaged.
    fn record(&self, file: &RecordFile, number: usize) -> Result<Record, PretrainingError> {
        match file.read(number)? {
            Some(record) => Ok(record),
            None => {
                self.recomputed.fetch_add(1, Ordering::Relaxed);
                self.compute(file, number)
            }
        }
    }

    /// The first `samples` samples to learn from, and the photos held back, both normalised by the
    /// statistics of the first 1,024 samples.
    ///
    /// # Errors
    /// When the cache can't be read, or a channel of the targets is the same everywhere.
    pub fn samples(
        self: &Arc<Self>,
        samples: usize,
    ) -> Result<[TargetSamples; 2], PretrainingError> {
        let mut sums = ChannelSums::default();
        for number in 0..samples.min(STATISTICS_SAMPLES) {
            let record = self.record(&self.cache.train, number)?;
            sums.add(&record.target(&TargetStatistics::none()));
        }
        let statistics = TargetStatistics::of(&sums).map_err(|channel| {
            let layer = usize::from(channel >= COARSE_CHANNELS.start);
            let layer = self.settings.layers[layer].clone();
            PretrainingError::ConstantTarget { channel, layer }
        })?;
        let of = |held_back, len| TargetSamples {
            targets: Arc::clone(self),
            held_back,
            len,
            statistics: statistics.clone(),
        };
        Ok([of(false, samples), of(true, self.held_back.len())])
    }

    /// What a teacher's file is to say about `samples` samples.
    pub fn description(&self, samples: usize) -> DistillationData {
        DistillationData {
            backbone: self.backbone.name(),
            backbone_sha256: self.backbone.sha256().to_owned(),
            runtime: Some(self.backbone.runtime().to_owned()),
            layers: self.settings.layers.clone(),
            preprocessing: self.settings.preprocessing.to_string(),
            photos: self.sampler.photos().len(),
            held_back: self.held_back.len(),
            photos_fingerprint: self.photos_fingerprint.clone(),
            augmentation: self.settings.augmentation.to_string(),
            sample_seed: self.settings.seed,
            samples,
            initial: None,
        }
    }
}

/// Samples with normalised targets.
pub struct TargetSamples {
    targets: Arc<Targets>,
    /// Whether they are those held back.
    held_back: bool,
    len: usize,
    statistics: TargetStatistics,
}

impl DistillationSource for TargetSamples {
    fn len(&self) -> usize {
        self.len
    }

    fn load(&self, sample: usize) -> Result<DistillationSample, SourceError> {
        let cache = &self.targets.cache;
        let file = if self.held_back { &cache.held_back } else { &cache.train };
        let record = self.targets.record(file, sample)?;
        let target = record.target(&self.statistics);
        Ok(DistillationSample { image: record.image(), target })
    }
}
