//! A stream from pixels in memory to a sink that is no folder, as a server has them.

use std::cell::Cell;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use efficientad::{
    CpuEngine, DataDescription, Detector, ImageSource, InstructionSet, PdnSize, Recipe, RgbImage,
    SourceError, Teacher, TrainOptions, Trainer, TrainingData,
};
use efficientad_datasets::photos::procedural_photo;
use efficientad_evaluation::{Frame, JudgeOptions, Judged, Pixels, Verdict};
use efficientad_images::PixelFormat;
use efficientad_stream::entry::{self, Entry, PhotoFile};
use efficientad_stream::{
    Arrival, Event, Known, Notice, Receipt, Sink, Source, Stream, StreamError, StreamOptions,
    Summary, Supply,
};

struct Painted;

impl ImageSource for Painted {
    fn len(&self) -> usize {
        2
    }
    fn name(&self, index: usize) -> String {
        format!("painted {index}")
    }
    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(procedural_photo(index as u64, 80, 60))
    }
}

fn detector() -> Detector {
    let cpu = Arc::new(CpuEngine::new(2, InstructionSet::best()).unwrap());
    let data = TrainingData {
        train: Arc::new(Painted),
        validation: Arc::new(Painted),
        photos: None,
        description: DataDescription {
            fingerprint: String::new(),
            train_images: 2,
            validation_images: 2,
            photos: "none".to_owned(),
            ..DataDescription::default()
        },
        old: None,
    };
    let teacher = Teacher::embedded(PdnSize::Small).unwrap();
    let recipe = Recipe { steps: 1, ..Recipe::default() };
    let mut quiet = |_| ControlFlow::Continue(());
    let options = TrainOptions::default();
    let mut trainer =
        Trainer::new(cpu.clone(), teacher, recipe, data, options, &mut quiet).unwrap();
    trainer.step().unwrap();
    Detector::new(&trainer.finish(&mut quiet).unwrap(), cpu).unwrap()
}

/// Takes photos of parts 0, 1, 2, … and shows all of them again after a restart.
struct Camera {
    repeats: bool,
    shot: u64,
    count: u64,
    acknowledged: Vec<String>,
}

fn camera(count: u64) -> Camera {
    Camera { repeats: true, shot: 0, count, acknowledged: Vec::new() }
}

fn part(number: u64) -> RgbImage {
    procedural_photo(100 + number, 80, 60)
}

impl Source for Camera {
    fn next(&mut self, _known: &Known) -> Result<Supply, StreamError> {
        self.shot += 1;
        match self.shot {
            1 => return Ok(Supply::Notice(Notice::Back)),
            2 => return Ok(Supply::Nothing { until: None }),
            shot if shot == 3 + self.count => return Ok(Supply::End),
            _ => {}
        }
        let number = self.shot - 3;
        let image = part(number);
        let (width, height) = image.dimensions();
        let (name, data) = (format!("part {number}"), image.into_raw());
        let time = jiff::Timestamp::from_second(number as i64).unwrap();
        let photo = PhotoFile::new(Path::new(&name), data.len() as u64, time);
        let stride = 3 * width as usize;
        // The last one is too short for its size.
        let data = if number == 4 { data[1..].to_vec() } else { data };
        let pixels = Pixels { data: data.into(), width, height, stride, format: PixelFormat::Rgb8 };
        let frame = Frame::Pixels { name: name.into(), pixels };
        Ok(Supply::Photo(Arrival { photo, file: None }, frame))
    }

    fn repeats(&self) -> bool {
        self.repeats
    }

    fn acknowledge(&mut self, arrival: &Arrival) {
        self.acknowledged.push(arrival.photo.path.clone());
    }
}

/// Wants every verdict; refuses one name.
#[derive(Default)]
struct Database {
    refused: Option<&'static str>,
    rows: Vec<(String, f32)>,
}

impl Sink for Database {
    fn wants(&self, _verdict: &Verdict) -> bool {
        true
    }

    fn deliver(
        &mut self,
        arrival: &Arrival,
        verdict: &Verdict,
        _judged: Option<&Judged>,
    ) -> io::Result<Receipt> {
        let name = arrival.photo.path.clone();
        if self.refused == Some(name.as_str()) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        self.rows.push((name, verdict.score));
        Ok(receipt(self.rows.len()))
    }

    fn find(&self, photo: &PhotoFile) -> Option<Receipt> {
        let row = self.rows.iter().position(|(name, _)| *name == photo.path)?;
        Some(receipt(row + 1))
    }
}

fn receipt(row: usize) -> Receipt {
    Receipt { to: format!("row {row}"), to_hex: None }
}

struct Line {
    root: tempfile::TempDir,
    detector: Detector,
}

impl Line {
    fn run(
        &self,
        source: &mut Camera,
        sink: &mut Database,
        stop_after: usize,
    ) -> (Summary, Vec<String>) {
        let options = StreamOptions {
            log: self.root.path().join("log.jsonl"),
            model: "0".repeat(64),
            judge: JudgeOptions { workers: 2, ..JudgeOptions::default() },
            defect_rate: 0.1,
        };
        let judged = Cell::new(0);
        let mut told = Vec::new();
        let mut observe = |event: Event<'_>| {
            match event {
                Event::Logged(line) => match &line.entry {
                    Entry::Judged(_) => judged.set(judged.get() + 1),
                    Entry::Failed(failure) => told.push(failure.reason.clone()),
                    _ => {}
                },
                Event::NotFiled { photo, .. } => told.push(format!("not filed: {}", photo.path)),
                Event::Notice(notice) => told.push(format!("{notice:?}")),
                _ => {}
            }
            Ok::<_, StreamError>(())
        };
        let stream = Stream { source, detector: &self.detector, sink: Some(sink), options };
        let summary = stream.run(&|| judged.get() >= stop_after, &mut observe).unwrap();
        (summary, told)
    }
}

#[test]
fn pixels_are_judged_once_and_every_verdict_is_delivered() {
    let line = Line { root: tempfile::tempdir().unwrap(), detector: detector() };
    let score = |number| line.detector.inspect(&part(number)).unwrap().score;
    let row = |number| (format!("part {number}"), score(number));

    // Stopped in between, with one verdict that could not be delivered.
    let mut database = Database { refused: Some("part 1"), ..Database::default() };
    let (summary, told) = line.run(&mut camera(5), &mut database, 2);
    assert_eq!((summary.judged, summary.failed, summary.unfiled), (2, 0, 1));
    assert_eq!(told, ["Back", "not filed: part 1"]);
    assert_eq!(database.rows, [row(0)]);
    assert!(!line.root.path().join("log.jsonl.attempts").exists());

    // What was judged is not judged again, and what was not delivered is.
    let (mut source, mut database) = (camera(5), Database::default());
    let (summary, told) = line.run(&mut source, &mut database, usize::MAX);
    assert_eq!((summary.judged, summary.failed, summary.unfiled), (2, 1, 0));
    assert_eq!((told.len(), &told[0][..]), (2, "Back"));
    assert!(told[1].starts_with("part 4: "), "{}", told[1]);
    database.rows.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(database.rows, [row(1), row(2), row(3)]);
    source.acknowledged.sort();
    assert_eq!(source.acknowledged, ["part 0", "part 1", "part 2", "part 3", "part 4"]);

    let mut database = Database::default();
    let (summary, _) = line.run(&mut camera(5), &mut database, usize::MAX);
    assert_eq!((summary, database.rows), (Summary::default(), Vec::new()));
}

#[test]
fn of_a_camera_that_shows_nothing_again_a_kill_costs_photos_that_are_counted() {
    let line = Line { root: tempfile::tempdir().unwrap(), detector: detector() };
    let log = line.root.path().join("log.jsonl");
    let live = |count| Camera { repeats: false, ..camera(count) };
    let (summary, _) = line.run(&mut live(2), &mut Database::default(), usize::MAX);
    assert_eq!((summary.judged, summary.dropped), (2, 0));

    // As a kill leaves it: one photo in work whose line is in the log, and two without.
    let text = std::fs::read_to_string(&log).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let entries: Vec<Entry> = lines.map(|line: entry::Line| line.entry).collect();
    let judged = entries.iter().find_map(Entry::done).unwrap();
    let key = |photo: &PhotoFile| format!("{:?}", photo.key());
    let digits =
        |text: String| format!("{:032x}", text[4..text.len() - 1].parse::<u128>().unwrap());
    let attempts = [digits(key(judged)), "1".repeat(32), "2".repeat(32)];
    let attempts: String = attempts.iter().map(|key| format!("{key} 0 1\n")).collect();
    std::fs::write(line.root.path().join("log.jsonl.attempts"), attempts).unwrap();

    let (summary, told) = line.run(&mut live(1), &mut Database::default(), usize::MAX);
    assert_eq!((summary.judged, summary.dropped), (1, 2), "the camera's part 0 is judged anew");
    assert!(told[0].contains("Dropped") && told[0].contains("frames: 2"), "{told:?}");
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(log.matches(r#""event":"dropped","frames":2,"reason":"judging ended"#).count(), 1);
    let (summary, _) = line.run(&mut live(1), &mut Database::default(), usize::MAX);
    assert_eq!(summary.dropped, 0, "counted once");
}

#[test]
fn what_was_delivered_just_before_a_kill_is_noted_though_the_camera_shows_nothing_again() {
    let line = Line { root: tempfile::tempdir().unwrap(), detector: detector() };
    let log = line.root.path().join("log.jsonl");
    let mut database = Database::default();
    line.run(&mut Camera { repeats: false, ..camera(2) }, &mut database, usize::MAX);
    let whole = std::fs::read_to_string(&log).unwrap();
    let is_filed = |line: &&str| line.contains(r#""event":"filed""#);
    let receipts: Vec<&str> = whole.lines().filter(is_filed).collect();
    assert_eq!(receipts.len(), 2);

    let until = whole.find(receipts[1]).unwrap();
    std::fs::write(&log, &whole[..until]).unwrap();
    for _ in 0..2 {
        line.run(&mut Camera { repeats: false, ..camera(0) }, &mut database, usize::MAX);
        let text = std::fs::read_to_string(&log).unwrap();
        let noted: Vec<&str> = text.lines().filter(is_filed).collect();
        assert_eq!(noted.len(), 2, "once: {noted:?}");
        assert!(noted[1].contains(r#""path":"part 1""#) && noted[1].contains(r#""to":"row 2""#));
    }
}
