//! What tests of cameras share: a stream that only counts.
#![allow(dead_code, reason = "each test uses its part")]

use std::time::{Duration, Instant};

use efficientad_cameras::CameraConfig;
use efficientad_evaluation::Frame;
use efficientad_stream::{Known, Notice, Source, Supply, Trigger};

/// Longer than anything takes.
pub const LONG: Duration = Duration::from_secs(60);

/// The stream's end of a camera, and what came.
pub struct Line {
    source: Box<dyn Source + Send>,
    pub trigger: Trigger,
    /// The numbers of the photos, as their names say them.
    pub photos: Vec<u64>,
    pub frames: Vec<Frame<'static>>,
    pub names: Vec<String>,
    /// Frames that were dropped, with the reasons.
    pub dropped: u64,
    /// Frames that were dropped before the first photo, and before the last one.
    before: Option<(u64, u64)>,
    pub reasons: Vec<String>,
    /// Reasons of outages, and "back".
    pub outages: Vec<String>,
    pub remarks: Vec<String>,
    /// Photos that can't be read.
    pub unreadable: Vec<String>,
}

impl Line {
    pub fn open(config: &str) -> Self {
        let config: CameraConfig = toml::from_str(config).unwrap();
        let trigger = Trigger::default();
        let source = config.open("top", trigger.clone()).unwrap();
        Self {
            source,
            trigger,
            photos: vec![],
            frames: vec![],
            names: vec![],
            dropped: 0,
            before: None,
            reasons: vec![],
            outages: vec![],
            remarks: vec![],
            unreadable: vec![],
        }
    }

    /// Takes what comes until `is_done`, and fails if that takes too long.
    #[track_caller]
    pub fn run_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_done(self) {
            assert!(start.elapsed() < LONG, "{}", self.summary());
            self.step();
        }
    }

    /// Takes what comes for a while.
    pub fn run_for(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            self.step();
        }
    }

    fn step(&mut self) {
        match self.source.next(&Known::default()).unwrap() {
            Supply::Photo(arrival, frame) => {
                let name = arrival.photo.path;
                assert!(name.starts_with("top/"), "{name}");
                self.photos.push(name.rsplit_once('-').unwrap().1.parse().unwrap());
                self.frames.push(frame);
                let (first, _) = self.before.unwrap_or((self.dropped, 0));
                self.before = Some((first, self.dropped));
                self.names.push(name);
            }
            Supply::Lost(_, reason) => self.unreadable.push(reason),
            Supply::Notice(Notice::Dropped(dropped)) => {
                self.dropped += dropped.frames;
                self.reasons.push(dropped.reason);
            }
            Supply::Notice(Notice::Lost(error)) => self.outages.push(error.to_string()),
            Supply::Notice(Notice::Back) => self.outages.push("back".to_owned()),
            Supply::Notice(Notice::Skipped(text)) => self.remarks.push(text),
            Supply::Nothing { .. } => {
                self.source.wait(Duration::from_millis(50));
            }
            other => panic!("{other:?}"),
        }
    }

    /// Whether it told that the camera is lost for a reason.
    pub fn was_lost_for(&self, reason: &str) -> bool {
        self.outages.iter().any(|it| it.contains(reason))
    }

    pub fn summary(&self) -> String {
        let Self { photos, dropped, reasons, outages, remarks, unreadable, .. } = self;
        format!(
            "photos {photos:?}, dropped {dropped} {reasons:?}, outages {outages:?}, remarks \
             {remarks:?}, unreadable {unreadable:?}"
        )
    }

    /// Every number from the first photo to the last is a photo or counted as dropped before it.
    #[track_caller]
    pub fn check_numbers(&self) {
        let numbers = self.photos.windows(2).map(|pair| match pair[1] > pair[0] {
            true => pair[1] - pair[0],
            // GigE Vision counts to 65535 and begins again at 1.
            false => pair[1] + 65_535 - pair[0],
        });
        let (before_first, before_last) = self.before.unwrap();
        let all = self.photos.len() as u64 - 1 + before_last - before_first;
        assert_eq!(numbers.sum::<u64>(), all, "{}", self.summary());
    }
}
