//! A watched folder: photos arrive, are judged once each, and rejects are filed, whatever happens.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use fastrand::Rng;
use image::{ImageFormat, RgbImage, imageops};
use serde_json::Value;

use crate::fixture::{Sandbox, command, end, part, run, save, shared};
use crate::schemas::{assert_follows, validator};

/// Longest time that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sandbox with a watched folder, a log and a folder of rejects.
struct Line {
    sandbox: Sandbox,
    settle: &'static str,
}

impl Line {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        fs::create_dir(sandbox.path("line")).unwrap();
        Self { sandbox, settle: "0.1" }
    }

    fn arguments(&self, options: &[&str]) -> Vec<String> {
        let folder = self.sandbox.path("line");
        let mut arguments = vec!["watch".to_owned(), shared().model.clone(), folder];
        let rejects = self.sandbox.path("rejects");
        let fixed = ["--settle", self.settle, "--rejects", &rejects];
        arguments.extend(fixed.iter().chain(options).map(|&option| option.to_owned()));
        arguments
    }

    /// Judges what lies there.
    fn once(&self, options: &[&str]) -> crate::fixture::Run {
        run(self.arguments(&[&["--once"], options].concat()))
    }

    fn log_path(&self) -> String {
        self.sandbox.path("line.jsonl")
    }

    /// The whole lines of the log.
    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The lines of one event.
    fn events(&self, event: &str) -> Vec<Value> {
        let mut lines = self.log();
        lines.retain(|line| line["event"] == event);
        lines
    }

    /// Paths of the lines of one event, in order.
    fn paths(&self, event: &str) -> Vec<String> {
        let text = |line: &Value| line["path"].as_str().unwrap().to_owned();
        self.events(event).iter().map(text).collect()
    }

    fn save(&self, seed: u64, name: &str) {
        save(&part(seed), &self.sandbox.path(&format!("line/{name}")));
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let root = PathBuf::from(self.sandbox.path(folder));
        let mut files = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    files.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }

    #[track_caller]
    fn wait_for(&self, what: &str, is_there: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_there(self) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:?}", self.log());
            sleep(Duration::from_millis(50));
        }
    }
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn photos_are_judged_once_each_and_rejects_moved() {
    let line = Line::new();
    (0..3).for_each(|seed| line.save(seed, &format!("{seed}.png")));
    line.save(3, "shift 2/teil ü\n.png");
    line.sandbox.write("line/notes.txt", b"no photo");
    line.sandbox.write("line/4.png.part", b"not yet");
    let first = line.once(&["--threshold", "-1000", "--move"]);
    first.expect(0, &["4 judged, 4 anomalous, 0 failed"]);
    assert!(first.stdout.contains("shift 2/teil ü\\u{a}.png"), "{first:?}");
    let all = ["0.png", "1.png", "2.png", "shift 2/teil ü\n.png"];
    assert_eq!(line.files("rejects"), all);
    assert_eq!(line.files("line"), ["4.png.part", "notes.txt"]);
    let mut judged = line.paths("judged");
    judged.sort();
    assert_eq!(judged, all);
    assert_eq!(line.paths("filed").len(), 4);

    // Brought back as it was, it is known; with another content, or at another time, it is not.
    fs::rename(line.sandbox.path("rejects/0.png"), line.sandbox.path("line/0.png")).unwrap();
    line.save(9, "1.png");
    line.once(&["--threshold", "1000", "--move"]).expect(0, &["1 judged, 0 anomalous, 0 failed"]);
    line.once(&["--threshold", "-1000", "--move"]).expect(0, &["0 judged, 0 anomalous, 0 failed"]);
    assert_eq!(line.files("line"), ["0.png", "1.png", "4.png.part", "notes.txt"]);
    let verdicts = line.events("judged");
    assert_eq!(verdicts.len(), 5);
    assert_eq!((&verdicts[4]["path"], &verdicts[4]["anomalous"]), (&"1.png".into(), &false.into()));

    let photo = line.sandbox.path("line/1.png");
    let predicted = run(["predict", &shared().model, &photo, "--json"]).json_lines().remove(0);
    assert_eq!(verdicts[4]["score"], predicted["score"]);
}

#[test]
fn rejects_are_copied_or_linked_and_may_lie_in_the_folder() {
    for (option, links) in [(&[][..], 1), (&["--link"][..], 2)] {
        let line = Line::new();
        let rejects = line.sandbox.path("line/rejects");
        line.save(1, "a/1.png");
        let mut arguments = line.arguments(&["--once", "--threshold", "-1000"]);
        arguments.extend(option.iter().map(|&option| option.to_owned()));
        let at = arguments.iter().position(|argument| argument == "--rejects").unwrap();
        arguments[at + 1] = rejects;
        (0..2).for_each(|_| drop(run(&arguments).success()));
        assert_eq!(line.files("line"), ["a/1.png", "rejects/a/1.png"]);
        assert_eq!((line.paths("judged").len(), line.paths("filed").len()), (1, 1));
        let copy = line.sandbox.path("line/rejects/a/1.png");
        let original = line.sandbox.path("line/a/1.png");
        assert_eq!(fs::read(&copy).unwrap(), fs::read(&original).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(fs::metadata(&copy).unwrap().nlink(), links);
        }
    }
}

#[test]
fn a_photo_that_stays_broken_is_logged_once_with_the_reason() {
    let line = Line::new();
    line.save(1, "good.png");
    let whole = fs::read(line.sandbox.path("line/good.png")).unwrap();
    line.sandbox.write("line/half.png", &whole[..whole.len() / 2]);
    line.sandbox.write("line/text.jpg", b"not a photo");
    line.once(&["--threshold", "1000"])
        .expect(1, &["1 judged, 0 anomalous, 2 failed", "half.png: is damaged"]);
    let mut failed = line.paths("failed");
    failed.sort();
    assert_eq!(failed, ["half.png", "text.jpg"]);
    assert!(line.events("failed")[0]["reason"].as_str().unwrap().contains(": is "));
    line.once(&["--threshold", "1000"]).expect(0, &["0 judged, 0 anomalous, 0 failed"]);
    // Repaired, it is judged.
    line.sandbox.write("line/half.png", &whole);
    line.once(&["--threshold", "1000"]).expect(0, &["1 judged, 0 anomalous, 0 failed"]);
    assert_eq!(line.paths("judged"), ["good.png", "half.png"]);
}

#[test]
fn half_a_photo_is_waited_for_and_a_signal_ends_cleanly() {
    let line = Line::new();
    let child = command(line.arguments(&["--threshold", "1000", "--json"])).spawn().unwrap();
    line.save(1, "1.png");
    let whole = fs::read(line.sandbox.path("line/1.png")).unwrap();
    let mut slow = File::create(line.sandbox.path("line/2.png")).unwrap();
    for piece in whole.chunks(whole.len() / 8) {
        slow.write_all(piece).unwrap();
        sleep(Duration::from_millis(60));
    }
    drop(slow);
    line.wait_for("two verdicts", |line| line.paths("judged").len() == 2);
    signal(&child, "-TERM");
    let ended = end(child);
    ended.expect(0, &["stopping after this photo"]);
    assert_eq!(ended.json_lines(), line.log());
    let events: Vec<Value> = line.log().iter().map(|line| line["event"].clone()).collect();
    assert_eq!(events, ["started", "judged", "judged", "stopped"]);
}

#[test]
fn one_watcher_has_a_log_and_bad_folders_are_refused() {
    let line = Line::new();
    let log = line.log_path();
    let child = command(line.arguments(&["--threshold", "1000"])).spawn().unwrap();
    line.wait_for("the start", |line| !line.log().is_empty());
    line.once(&["--threshold", "1000"]).refused_after_notes(&format!(
        "{log}: another efficientad writes this log; stop it, or choose another --log"
    ));
    signal(&child, "-INT");
    end(child).expect(0, &[]);
    let before = fs::read_to_string(&log).unwrap();
    fs::write(&log, format!("{before}path,score\n{before}")).unwrap();
    line.once(&["--threshold", "1000"])
        .expect(2, &["line.jsonl: line 3 is not a line of such a log", "choose another --log"]);
    assert_eq!(fs::read_to_string(&log).unwrap(), format!("{before}path,score\n{before}"));

    let model = shared().model.as_str();
    let (folder, other) = (line.sandbox.path("line"), line.sandbox.path("other.jsonl"));
    run(["watch", model, &line.sandbox.path("none"), "--log", &other, "--once"]).expect(
        2,
        &["none: cannot be listed (No such file", "name a folder that photos arrive in"],
    );
    run(["watch", model, &folder, "--rejects", &line.sandbox.path(""), "--threshold", "1"])
        .expect(2, &["rejects can't go to the watched folder or to one that it lies in"]);
    run(["watch", model, &folder, "--move"]).expect(2, &["--rejects <DIR>"]);
    run(["watch", model, &folder, "--settle", "1h"]).expect(2, &["write seconds, for example 0.5"]);
    run(["watch", model, &folder, "--defect-rate", "1"]).expect(2, &["must be from 0 to below 1"]);
}

#[test]
fn a_file_that_is_no_log_is_not_touched() {
    let line = Line::new();
    line.save(1, "1.png");
    let model = line.sandbox.path("part.model");
    fs::copy(&shared().model, &model).unwrap();
    let settings = line.sandbox.write("settings.json", b"{\n  \"camera\": 1\n}");
    for file in [&model, &settings, &line.sandbox.path("line/1.png")] {
        let before = fs::read(file).unwrap();
        let mut names = line.sandbox.names();
        names.push("rejects".to_owned());
        names.sort();
        line.once(&["--threshold", "1000", "--log", file]).refused_after_notes(&format!(
            "{file}: this file exists and is not such a log; it is left as it is: name another \
             file for the log, or none"
        ));
        assert!(fs::read(file).unwrap() == before, "{file}");
        assert_eq!(line.sandbox.names(), names, "nothing but the folder of rejects is made");
        fs::remove_dir(line.sandbox.path("rejects")).unwrap();
    }
}

/// A photo that takes long to judge stands for one that ends the program.
#[test]
fn a_photo_that_ends_the_program_twice_is_passed_over() {
    let line = Line::new();
    let slow = RgbImage::from_fn(6000, 5000, |x, y| image::Rgb([x as u8, y as u8, (x * y) as u8]));
    save(&slow, &line.sandbox.path("line/slow.png"));
    let attempts = format!("{}.attempts", line.log_path());
    let is_in_work = |kills: usize| {
        let text = fs::read_to_string(&attempts).unwrap_or_default();
        text.lines().any(|line| line.ends_with(&format!(" {kills} 1")))
    };
    for kill in 0..2 {
        if kill == 1 {
            // Not held up by the other one, which is tried again later.
            line.save(1, "good.png");
        }
        let mut child = command(line.arguments(&["--threshold", "1000"])).spawn().unwrap();
        line.wait_for("a photo in work", |_| is_in_work(kill));
        signal(&child, "-KILL");
        child.wait().unwrap();
        assert_eq!(line.paths("judged").len(), kill);
    }
    line.once(&["--threshold", "1000"])
        .expect(1, &["0 judged, 0 anomalous, 1 failed", "slow.png: the program ended 2 times"]);
    assert_eq!(line.paths("failed"), ["slow.png"]);
    assert_eq!(line.paths("judged"), ["good.png"]);
    assert!(!Path::new(&attempts).exists());
    line.once(&["--threshold", "1000"]).expect(0, &["0 judged, 0 anomalous, 0 failed"]);
}

#[cfg(unix)]
#[test]
fn names_that_are_no_text_are_judged_and_moved_like_others() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let line = Line::new();
    let whole = {
        line.save(1, "1.png");
        fs::read(line.sandbox.path("line/1.png")).unwrap()
    };
    fs::remove_file(line.sandbox.path("line/1.png")).unwrap();
    let names = [&b"a\xff.png"[..], b"a\xfe.png"].map(OsStr::from_bytes);
    let place = |folder: &str, name: &OsStr| Path::new(&line.sandbox.path(folder)).join(name);
    names.iter().for_each(|name| fs::write(place("line", name), &whole).unwrap());
    line.once(&["--threshold", "-1000", "--move"]).expect(0, &["2 judged, 2 anomalous, 0 failed"]);
    line.log().iter().for_each(|line| assert_follows("watch", line));
    assert_eq!(line.paths("judged"), ["a\u{fffd}.png"; 2]);
    let mut hex: Vec<Value> =
        line.events("judged").iter().map(|line| line["path_hex"].clone()).collect();
    hex.sort_by_key(Value::to_string);
    assert_eq!(hex, ["61fe2e706e67", "61ff2e706e67"]);
    for name in names {
        assert!(!place("line", name).exists());
        assert_eq!(fs::read(place("rejects", name)).unwrap(), whole);
    }
    line.once(&["--threshold", "-1000", "--move"]).expect(0, &["0 judged, 0 anomalous, 0 failed"]);
}

/// A writer reserves the whole file, then pauses for longer than the settle time.
#[cfg(target_os = "linux")]
#[test]
fn a_photo_that_is_still_being_written_is_neither_judged_nor_moved() {
    use std::io::{Seek, SeekFrom};

    let line = Line::new();
    let whole = {
        let path = line.sandbox.path("whole.bmp");
        save(&part(1), &path);
        fs::read(path).unwrap()
    };
    let mut writer = File::create(line.sandbox.path("line/1.bmp")).unwrap();
    writer.set_len(whole.len() as u64).unwrap();
    writer.write_all(&whole[..whole.len() / 2]).unwrap();
    let child = command(line.arguments(&["--threshold", "-1000", "--move"])).spawn().unwrap();
    line.save(2, "2.png");
    line.wait_for("another verdict", |line| line.paths("filed") == ["2.png"]);
    sleep(Duration::from_secs(2));
    assert_eq!(line.files("line"), ["1.bmp"]);
    writer.seek(SeekFrom::Start(0)).unwrap();
    writer.write_all(&whole).unwrap();
    drop(writer);
    line.wait_for("the verdict", |line| line.paths("filed").len() == 2);
    signal(&child, "-TERM");
    end(child).expect(0, &["2 judged, 2 anomalous, 0 failed"]);
    assert_eq!(fs::read(line.sandbox.path("rejects/1.bmp")).unwrap(), whole);
    let photo = line.sandbox.path("whole.bmp");
    let predicted = run(["predict", &shared().model, &photo, "--json"]).json_lines().remove(0);
    assert_eq!(line.events("judged")[1]["score"], predicted["score"]);
}

/// Every state that a kill can leave between a verdict and the line that a reject was moved.
#[test]
fn what_a_kill_left_undone_is_made_up_for() {
    let options = ["--threshold", "-1000", "--move"];
    let line = Line::new();
    line.save(1, "1.png");
    line.save(2, "2.png");
    line.once(&options).success();
    let log = fs::read_to_string(line.log_path()).unwrap();
    let start_of_last = |event: &str| {
        let at = log.rfind(&format!("\"event\":\"{event}\"")).unwrap();
        log[..at].rfind('\n').unwrap() + 1
    };
    let (judged, filed) = (start_of_last("judged"), start_of_last("filed"));
    let last: Value = serde_json::from_str(log[judged..].lines().next().unwrap()).unwrap();
    let name = last["path"].as_str().unwrap();
    let (source, target) =
        (line.sandbox.path(&format!("line/{name}")), line.sandbox.path(&format!("rejects/{name}")));
    let states = [
        ("the verdict is torn, nothing is moved", judged + 20, false, 1),
        ("the verdict has no line break, nothing is moved", filed - 1, false, 1),
        ("the verdict is written, nothing is moved", filed, false, 0),
        ("the reject is moved, which is not written", filed, true, 0),
        ("the reject is moved, which is half written", filed + 10, true, 0),
    ];
    for (state, length, is_moved, judged_again) in states {
        fs::write(line.log_path(), &log[..length]).unwrap();
        if !is_moved {
            fs::rename(&target, &source).unwrap();
        }
        let rerun = line.once(&options);
        rerun.expect(0, &[&format!("{judged_again} judged, ")]);
        let is_torn = !log[..length].ends_with('\n');
        assert_eq!(
            rerun.stderr.contains("the log ended in the start of a line"),
            is_torn,
            "{state}"
        );
        for event in ["judged", "filed"] {
            let mut paths = line.paths(event);
            paths.sort();
            assert_eq!(paths, ["1.png", "2.png"], "{state}: {event}");
        }
        assert_eq!(line.files("rejects"), ["1.png", "2.png"], "{state}");
        assert!(line.files("line").is_empty(), "{state}");
    }
}

#[test]
fn the_log_is_as_its_schema_says() {
    let validator = validator("watch");
    let line = Line::new();
    (0..20).for_each(|seed| line.save(seed, &format!("{seed}.png")));
    line.sandbox.write("line/text.jpg", b"not a photo");
    line.once(&["--threshold", "-1000"]).expect(1, &[]);
    let lines = line.log();
    lines.iter().for_each(|line| assert_follows("watch", line));
    for event in ["started", "judged", "failed", "filed", "stopped"] {
        let one = lines.iter().find(|line| line["event"] == event).expect(event);
        let mut broken = one.clone();
        broken["unknown"] = 1.into();
        assert!(!validator.is_valid(&broken), "{event} with an unknown field");
        for field in one.as_object().unwrap().keys() {
            let mut broken = one.clone();
            broken.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&broken), "{event} without {field}");
        }
    }
    drift_log().iter().for_each(|line| assert_follows("watch", line));
    assert!(drift_log().iter().any(|line| line["event"] == "drift"));
}

/// The log of a line whose lamp became brighter: a model with 20 calibration scores, 30 parts as
/// they were, then brighter ones, and a kill in between.
fn drift_log() -> &'static [Value] {
    static LOG: OnceLock<Vec<Value>> = OnceLock::new();
    LOG.get_or_init(|| {
        let line = Line::new();
        let (train, good) = (line.sandbox.good_photos("train", 4), line.sandbox.path("good"));
        (100..120).for_each(|seed| save(&part(seed), &format!("{good}/{seed}.png")));
        let model = line.sandbox.path("model");
        run(["train", &train, "--validation", &good, "--out", &model, "--steps", "3"]).success();
        let watch = |first: u64, count: u64, brightness: f32| {
            for seed in first..first + count {
                let photo = brighter(&part(1000 + seed), brightness);
                save(&photo, &line.sandbox.path(&format!("line/{seed:04}.png")));
            }
            let mut arguments = line.arguments(&["--once", "--threshold", "1000"]);
            arguments[1].clone_from(&model);
            run(arguments)
        };
        let before = watch(0, 30, 1.0);
        assert!(!before.stderr.contains("drift is not tested"), "{before:?}");
        assert!(!before.stderr.contains("DRIFT"), "{before:?}");
        let first = watch(30, 5, 1.6);
        assert!(!first.stderr.contains("DRIFT"), "five parts are too few: {first:?}");
        watch(35, 25, 1.6).expect(0, &["DRIFT: scores are ", "calibrate again"]);
        line.log()
    })
}

fn brighter(photo: &RgbImage, factor: f32) -> RgbImage {
    let mut photo = photo.clone();
    photo
        .iter_mut()
        .for_each(|value| *value = (f32::from(*value) * factor).round().min(255.0) as u8);
    photo
}

#[test]
fn a_brighter_lamp_is_noticed_across_sessions() {
    let log = drift_log();
    let alarm = log.iter().position(|line| line["event"] == "drift").unwrap();
    let judged = log[..alarm].iter().filter(|line| line["event"] == "judged").count();
    assert!((36..=60).contains(&judged), "after {judged} parts");
    let parts = log[alarm]["parts"].as_u64().unwrap();
    assert!(parts <= judged as u64 - 25, "{}", log[alarm]);
    assert_eq!(log[alarm]["tested"], judged);
}

/// Photos of parts, all different, as small JPEG and PNG files: crops of the example's photos in
/// changing light.
struct Camera {
    photos: Vec<RgbImage>,
    random: Rng,
}

impl Camera {
    fn new(seed: u64) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/test");
        let mut files = Vec::new();
        for kind in fs::read_dir(folder).unwrap() {
            files.extend(
                fs::read_dir(kind.unwrap().path()).unwrap().map(|file| file.unwrap().path()),
            );
        }
        files.sort();
        let photos = files.iter().map(|file| image::open(file).unwrap().to_rgb8()).collect();
        Self { photos, random: Rng::with_seed(seed) }
    }

    /// A photo and the name of its file.
    fn take(&mut self, number: usize) -> (String, Vec<u8>) {
        const SIDE: u32 = 96;
        let photo = &self.photos[self.random.usize(..self.photos.len())];
        let (x, y) =
            (self.random.u32(..=photo.width() - SIDE), self.random.u32(..=photo.height() - SIDE));
        let crop = imageops::crop_imm(photo, x, y, SIDE, SIDE).to_image();
        let crop = brighter(&crop, 0.8 + 0.4 * self.random.f32());
        let (format, extension) =
            if self.random.bool() { (ImageFormat::Jpeg, "jpg") } else { (ImageFormat::Png, "png") };
        let mut bytes = std::io::Cursor::new(Vec::new());
        crop.write_to(&mut bytes, format).unwrap();
        (format!("{}/{number:05}.{extension}", number % 7), bytes.into_inner())
    }
}

/// Puts photos into the folder as cameras and copying programs do: whole under another name and
/// then renamed, or piece by piece.
fn feed(folder: &Path, count: usize, mut camera: Camera) {
    for number in 0..count {
        let (name, bytes) = camera.take(number);
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if camera.random.bool() {
            let part = path.with_extension("part");
            fs::write(&part, bytes).unwrap();
            fs::rename(part, path).unwrap();
        } else {
            let mut file = File::create(path).unwrap();
            let (first, second) = bytes.split_at(camera.random.usize(..bytes.len()));
            file.write_all(first).unwrap();
            sleep(Duration::from_millis(camera.random.u64(..20)));
            file.write_all(second).unwrap();
        }
    }
}

/// Watches `count` photos that arrive meanwhile; the process is killed `kills` times.
fn judged_once_through_kills(count: usize, kills: usize, seed: u64) {
    // Long enough for a feeder that has to wait for the processor.
    let line = Line { settle: "1", ..Line::new() };
    let model = shared().model.as_str();
    // A threshold that some photos reach.
    let mut camera = Camera::new(seed);
    for number in 0..20 {
        let (name, bytes) = camera.take(number);
        line.sandbox.write(&format!("sample/{name}"), &bytes);
    }
    let mut scores: Vec<f64> = run(["predict", model, &line.sandbox.path("sample"), "--json"])
        .json_lines()
        .iter()
        .map(|line| line["score"].as_f64().unwrap())
        .collect();
    scores.sort_by(f64::total_cmp);
    let threshold = scores[15].to_string();

    let start = || {
        let arguments = line.arguments(&["--threshold", &threshold, "--move", "--json"]);
        let mut command = command(arguments);
        let output = || File::options().create(true).append(true).open(line.sandbox.path("output"));
        command.stdout(output().unwrap()).stderr(output().unwrap()).spawn().unwrap()
    };
    let judged = || {
        let text = fs::read(line.log_path()).unwrap_or_default();
        let needle = b"\"event\":\"judged\"";
        text.windows(needle.len()).filter(|window| window == needle).count()
    };
    let mut random = Rng::with_seed(seed);
    let mut moments: Vec<usize> = (0..kills).map(|_| random.usize(..count)).collect();
    moments.sort_unstable();
    let folder = PathBuf::from(line.sandbox.path("line"));
    let feeder = thread::spawn(move || feed(&folder, count, camera));
    let begun = Instant::now();
    let mut progressed = (0, Instant::now());
    let mut watcher = start();
    for (kill, moment) in moments.into_iter().chain([count]).enumerate() {
        loop {
            let now = judged();
            if now >= moment {
                break;
            }
            if now > progressed.0 {
                progressed = (now, Instant::now());
            }
            assert!(progressed.1.elapsed() < PATIENCE, "no verdict after {now} of {count}");
            assert!(watcher.try_wait().unwrap().is_none(), "it ended by itself");
            sleep(Duration::from_millis(20));
        }
        if kill < kills {
            sleep(Duration::from_micros(random.u64(..400_000)));
            signal(&watcher, "-KILL");
            assert_eq!(watcher.wait().unwrap().code(), None, "a signal ended it");
            watcher = start();
        }
    }
    feeder.join().unwrap();
    line.wait_for("the last rejects", |line| {
        let rejects = line.events("judged").iter().filter(|line| line["anomalous"] == true).count();
        line.paths("filed").len() == rejects
    });
    signal(&watcher, "-TERM");
    assert_eq!(watcher.wait().unwrap().code(), Some(0));

    let mut verdicts = BTreeMap::<String, Vec<bool>>::new();
    for line in line.events("judged") {
        let path = line["path"].as_str().unwrap().to_owned();
        verdicts.entry(path).or_default().push(line["anomalous"].as_bool().unwrap());
    }
    assert_eq!(verdicts.len(), count, "every photo is in the log");
    assert!(verdicts.values().all(|verdicts| verdicts.len() == 1), "once: {verdicts:?}");
    assert_eq!(line.events("failed"), Vec::<Value>::new());
    assert!(
        (2..=kills + 1).contains(&line.events("started").len()),
        "some are killed at the start"
    );
    let of = |anomalous| {
        let paths = verdicts.iter().filter(|(_, verdict)| verdict[0] == anomalous);
        paths.map(|(path, _)| path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(line.files("rejects"), of(true));
    assert_eq!(line.files("line"), of(false));
    assert!(!of(true).is_empty() && !of(false).is_empty());
    let mut filed = line.paths("filed");
    filed.sort();
    assert_eq!(filed, of(true));
    println!(
        "{count} photos, {} rejects, {kills} kills, {:.0} s",
        filed.len(),
        begun.elapsed().as_secs_f64()
    );
}

#[test]
fn every_photo_is_judged_once_though_the_process_is_killed() {
    judged_once_through_kills(150, 6, 1);
}

/// Half an hour and more: `cargo test --release -p efficientad-cli -- --ignored --nocapture ten_thousand`
#[test]
#[ignore = "takes half an hour"]
fn ten_thousand_photos_are_judged_once_though_the_process_is_killed() {
    judged_once_through_kills(10_000, 20, 2);
}
