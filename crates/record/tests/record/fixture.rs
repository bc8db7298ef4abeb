//! Entries to record, each with values of its own.

use std::path::PathBuf;

use efficientad::{Bounds, Centroid, EngineId, Peak, Precision, Region};
use efficientad_evaluation::Verdict;
use efficientad_record::{Entry, Fingerprint, Policy, Record, RecordError};
use jiff::Timestamp;
use tempfile::TempDir;

/// When the first entry was judged, in milliseconds.
pub const START: i64 = 1_795_000_000_123;

/// A folder for a record.
pub struct Sandbox(TempDir);

impl Sandbox {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn record(&self) -> PathBuf {
        self.path("record.sqlite")
    }

    pub fn open(&self, policy: Policy) -> Result<Record, RecordError> {
        Record::open(self.record(), policy)
    }
}

pub fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(START + ms).unwrap()
}

/// The `n`-th entry: every third is anomalous, every seventh has no threshold.
pub fn entry(n: u32) -> Entry {
    let has_threshold = !n.is_multiple_of(7);
    let anomalous = n.is_multiple_of(3);
    let region = Region {
        bounds: Bounds { x: n, y: 4, width: 5, height: 6 },
        area: 20,
        peak: Peak { value: 0.1 + n as f32, x: 5, y: 7 },
        centroid: Centroid { x: 1.0 / 3.0, y: f64::from(n) + 0.1 },
    };
    let regions = if anomalous { vec![region.clone(), region] } else { Vec::new() };
    Entry {
        time: time(i64::from(n) * 1000),
        model: ["lid", "base"][n as usize % 2].to_owned(),
        model_sha256: Fingerprint([n as u8; 32]),
        path: format!("line {}/part_{n}.png", n % 5),
        verdict: Verdict {
            score: n as f32 * 0.37 % 2.0 - 1.0,
            anomalous: has_threshold.then_some(anomalous),
            p_value: (!n.is_multiple_of(4)).then_some(1.0 / f64::from(n + 2)),
            region_count: has_threshold.then_some(regions.len()),
            regions: has_threshold.then_some(regions),
        },
        engine: EngineId {
            name: "cpu".to_owned(),
            device: "avx2".to_owned(),
            precision: Precision::F32,
        },
        threshold: has_threshold.then_some(0.1),
        client: ["camera", "page"][usize::from(n.is_multiple_of(11))].to_owned(),
        elapsed_ms: f64::from(n) + 0.3,
    }
}

/// The photo of the `n`-th entry: 1,000 bytes.
pub fn photo(n: u32) -> Vec<u8> {
    n.to_le_bytes().repeat(250)
}
