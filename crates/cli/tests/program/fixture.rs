//! The program under test, small data sets, and one model that tests share.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;
use tiff::encoder::colortype::{ColorType, RGB8};
use tiff::encoder::{TiffEncoder, TiffValue};

/// Steps of the shared model's training, and of others that are stopped.
pub const STEPS: &str = "3";

/// What trains as fast as can be, for tests that need any model.
pub const FAST: [&str; 5] = ["--steps", "1", "--photos", "none", "--no-position-weights"];

/// What a run of the program left.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The error output.
    pub stderr: String,
}

impl Run {
    fn from_output(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The standard output, after an exit code of 0.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Expects an exit code, and every text in the error output.
    #[track_caller]
    pub fn expect(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is missing in: {}", self.stderr);
        }
    }

    /// Expects that the program could not do it, says exactly this, and prints nothing else.
    #[track_caller]
    pub fn refused(&self, message: &str) {
        assert_eq!(self.stderr, format!("efficientad: {message}\n"));
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""));
    }

    /// Expects that the program could not do it, and says so in its last line.
    #[track_caller]
    pub fn refused_after_notes(&self, message: &str) {
        assert!(self.stderr.ends_with(&format!("\nefficientad: {message}\n")), "{self:?}");
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""));
    }

    /// The standard output as lines of JSON.
    #[track_caller]
    pub fn json_lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A command line of the program, ready to be run.
pub fn command<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_efficientad"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Run {
    Run::from_output(command(arguments).output().unwrap())
}

/// Waits for the end of a program that was started.
pub fn end(child: std::process::Child) -> Run {
    Run::from_output(child.wait_with_output().unwrap())
}

/// A fresh folder.
pub struct Sandbox(TempDir);

impl Sandbox {
    /// Makes it.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A path in it, as text.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file into it, making folders; its path.
    pub fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.path(name);
        make_folder_of(Path::new(&path));
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A folder in it with `count` good photos; its path.
    pub fn good_photos(&self, name: &str, count: u64) -> String {
        (0..count).for_each(|seed| save(&part(seed), &self.path(&format!("{name}/{seed}.png"))));
        self.path(name)
    }

    /// All names in it, sorted.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// A photo of a good part: woven texture, different for every seed.
pub fn part(seed: u64) -> RgbImage {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    RgbImage::from_fn(72, 64, |x, y| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let weave = if (x / 6 + y / 4) % 2 == 0 { 90 } else { 150 };
        let value = weave + (state % 40) as u8;
        Rgb([value, value - 20, 255 - value])
    })
}

/// The same with a hole, and the mask of the hole.
pub fn defective_part(seed: u64) -> (RgbImage, GrayImage) {
    let mut image = part(seed);
    let mut mask = GrayImage::new(image.width(), image.height());
    for y in 20..36 {
        for x in 30..50 {
            image.put_pixel(x, y, Rgb([255, 0, 0]));
            mask.put_pixel(x, y, Luma([255]));
        }
    }
    (image, mask)
}

/// Writes an image, making folders.
pub fn save(image: &RgbImage, path: &str) {
    make_folder_of(Path::new(path));
    if path.ends_with(".tiff") {
        save_tiff::<RGB8>(path, image.dimensions(), image);
    } else {
        image.save(path).unwrap();
    }
}

/// Writes pixels of any kind as TIFF.
pub fn save_tiff<C: ColorType>(path: &str, (width, height): (u32, u32), pixels: &[C::Inner])
where
    [C::Inner]: TiffValue,
{
    let mut file = TiffEncoder::new(File::create(path).unwrap()).unwrap();
    file.write_image::<C>(width, height, pixels).unwrap();
}

fn make_folder_of(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
}

/// A data set in MVTec AD's layout, and a model trained on it.
pub struct Shared {
    /// Folder of the data set.
    pub dataset: String,
    /// The model's file.
    pub model: String,
    /// What `train --json` printed.
    pub events: Vec<Value>,
}

/// The arguments that train the shared model.
pub fn training<'a>(dataset: &'a str, out: &'a str) -> Vec<&'a str> {
    vec!["train", dataset, "--out", out, "--steps", STEPS, "--seed", "7"]
}

/// What `train --json` prints of its first step; before that it says what it takes.
#[track_caller]
pub fn first_step(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Value {
    let mut line = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(line()["event"], "data");
    line()
}

/// What all tests share, made by the first that asks.
pub fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("program");
        let _ = fs::remove_dir_all(&root);
        let text = |name: &str| root.join(name).to_str().unwrap().to_owned();
        (0..4).for_each(|n| save(&part(900 + n), &text(&format!("cloth/train/good/{n}.png"))));
        (0..2).for_each(|n| save(&part(50 + n), &text(&format!("cloth/test/good/{n}.png"))));
        for n in 0..2 {
            let (image, mask) = defective_part(60 + n);
            save(&image, &text(&format!("cloth/test/hole/{n}.png")));
            let mask_path = text(&format!("cloth/ground_truth/hole/{n}_mask.png"));
            make_folder_of(Path::new(&mask_path));
            mask.save(mask_path).unwrap();
        }
        let (dataset, model) = (text("cloth"), text("cloth.model"));
        let mut arguments = training(&dataset, &model);
        arguments.push("--json");
        let run = run(arguments);
        assert_eq!(run.code, Some(0), "{run:?}");
        Shared { events: run.json_lines(), dataset, model }
    })
}

/// What `eval --json` prints of the shared model and its data set.
pub fn evaluation() -> &'static Value {
    static EVALUATION: OnceLock<Value> = OnceLock::new();
    EVALUATION.get_or_init(|| {
        let shared = shared();
        run(["eval", &shared.model, &shared.dataset, "--json"]).json_lines().remove(0)
    })
}

/// The shared model with the scores of 20 good photos, by which drift is noticed.
pub fn calibrated() -> &'static str {
    static CALIBRATED: OnceLock<String> = OnceLock::new();
    CALIBRATED.get_or_init(|| {
        let sandbox = Sandbox::new();
        let good = sandbox.path("good");
        (100..120).for_each(|seed| save(&part(seed), &format!("{good}/{seed}.png")));
        let model = format!("{}.calibrated", shared().model);
        run(["calibrate", &shared().model, &good, "--out", &model]).success();
        model
    })
}
