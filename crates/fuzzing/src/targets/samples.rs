//! The cache of samples that a teacher is distilled from.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use efficientad::DistillationSource;
use efficientad_backbone::Rten;
use efficientad_images::picture::encode_jpeg;
use efficientad_images::{Limits, RgbImage};
use efficientad_pretraining::{Augmentation, Preset, Settings, Targets};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::MIB;
use crate::scratch;
use crate::target::{Memory, Target, as_it_is};

/// The parser of caches.
pub(super) const TARGETS: &[Target] = &[Target {
    name: "sample_cache",
    parses: "the cache of samples to distil from",
    run: |bytes| CACHE.with(|cache| cache.read(bytes)),
    seeds: || CACHE.with(|cache| vec![cache.sound[..1 << 12].to_vec(), cache.sound[..8].to_vec()]),
    repair: as_it_is,
    tokens: &[b"EADS", b"\0\0\xC0\x7F", b"\0\0\x80\xFF"],
    // Records of 1.4 MB, twice as they are and once as numbers; a damaged one is computed anew.
    memory: Memory { fixed: 64 * MIB, per_byte: 0 },
    tried_in_tests: 100,
}];

thread_local! {
    static CACHE: Cache = Cache::new();
}

/// A cache with one sample of two plain photos.
struct Cache {
    targets: Arc<Targets>,
    samples: PathBuf,
    /// What is hashed before a record's number and its sample.
    key: [u8; 32],
    /// The file as it was written.
    sound: Vec<u8>,
    _folder: TempDir,
}

impl Cache {
    fn new() -> Self {
        let folder = scratch::folder();
        let photos = folder.path().join("photos");
        fs::create_dir(&photos).expect("a folder");
        for number in 0..2_u32 {
            let pixel = |x, y| [x ^ y, x + number, y].map(|value: u32| value as u8).into();
            let photo = RgbImage::from_fn(160, 160, pixel);
            let bytes = encode_jpeg(&photo, 90).expect("a photo");
            fs::write(photos.join(format!("{number}.jpg")), bytes).expect("room for a photo");
        }
        let settings = Settings {
            backbone: concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../backbone/tests/fixtures/tiny_backbone.onnx"
            )
            .into(),
            layers: ["fine", "coarse"].map(str::to_owned),
            preprocessing: Preset::None.preprocessing(),
            photos: vec![photos],
            augmentation: Augmentation::None,
            seed: 0,
            limits: Limits::default(),
            cache: folder.path().join("cache"),
        };
        let targets = Targets::open(settings, &Rten, 1, &mut |_, _| ControlFlow::Continue(()))
            .expect("a sound cache");
        targets.fill(1, 1, &mut |_, _, _| ControlFlow::Continue(())).expect("a full cache");
        let samples = targets.cache_folder().join("samples.bin");
        let origin = fs::read(targets.cache_folder().join("origin.json")).expect("an origin");
        Self {
            key: Sha256::digest(origin.trim_ascii_end()).into(),
            sound: fs::read(&samples).expect("a record"),
            targets: Arc::new(targets),
            samples,
            _folder: folder,
        }
    }

    /// Reads a record that begins with other bytes, without its checksum made right and with it.
    fn read(&self, start: &[u8]) -> bool {
        let mut record = self.sound.clone();
        let length = start.len().min(record.len());
        record[..length].copy_from_slice(&start[..length]);
        let before = self.targets.recomputed();
        self.read_file(&record);
        let (head, sample) = record.split_at_mut(8);
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.key);
        sum.update(&0_u64.to_le_bytes());
        sum.update(sample);
        head[..4].copy_from_slice(b"EADS");
        head[4..].copy_from_slice(&sum.finalize().to_le_bytes());
        self.read_file(&record);
        self.targets.recomputed() == before
    }

    fn read_file(&self, bytes: &[u8]) {
        let mut file = OpenOptions::new().write(true).open(&self.samples).expect("the cache");
        file.write_all(bytes).expect("room for a record");
        if let Ok([samples, _]) = self.targets.samples(1) {
            let _ = samples.load(0);
        }
    }
}
