//! Distilling a teacher: the same again, killed and resumed, with a damaged cache, and what is in
//! its way.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::fixture::{FAST, Sandbox, end, run};
use crate::onnxruntime::{Package, library};
use crate::training::{assert_same_file, start, wait_for};

/// Bytes of a sample in the cache.
const RECORD: u64 = efficientad_pretraining::RECORD_BYTES;
/// Steps of the trainings here: so many that one can be stopped after the first.
const STEPS: &str = "3";
/// Photos of a step.
const BATCH: &str = "2";
/// Samples of the trainings here: steps times batch.
const SAMPLES: u64 = 6;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn text(path: impl AsRef<Path>) -> String {
    path.as_ref().to_str().unwrap().to_owned()
}

fn backbone() -> String {
    text(repository().join("crates/backbone/tests/fixtures/tiny_backbone.onnx"))
}

fn photos() -> String {
    text(repository().join("examples/data/train/good"))
}

/// What a teacher is distilled from here, and where to.
fn from_photos(out: &str, cache: &str) -> Vec<String> {
    let (backbone, photos) = (backbone(), photos());
    let words = [
        "pretrain",
        "--backbone",
        &backbone,
        "--layers",
        "fine,coarse",
        "--preset",
        "none",
        "--photos",
        &photos,
        "--out",
        out,
        "--cache",
        cache,
    ];
    words.map(str::to_owned).to_vec()
}

/// The arguments that distil the shared teacher.
fn pretraining(out: &str, cache: &str) -> Vec<String> {
    with(from_photos(out, cache), &["--steps", STEPS, "--batch", BATCH, "--seed", "7"])
}

fn with(mut arguments: Vec<String>, more: &[&str]) -> Vec<String> {
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    arguments
}

/// A teacher that was distilled without a break.
struct Reference {
    teacher: String,
    cache: String,
    events: Vec<Value>,
}

fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("pretraining");
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let (teacher, cache) = (text(root.join("teacher.safetensors")), text(root.join("cache")));
        let run = run(with(pretraining(&teacher, &cache), &["--json"]));
        assert_eq!(run.code, Some(0), "{run:?}");
        Reference { events: run.json_lines(), teacher, cache }
    })
}

/// The file of samples in a cache.
fn samples(cache: &str) -> Option<PathBuf> {
    let folder = fs::read_dir(cache).ok()?.next()?.ok()?.path();
    Some(folder.join("samples.bin")).filter(|file| file.exists())
}

/// A copy of the reference's cache.
fn copied_cache(sandbox: &Sandbox) -> String {
    let from = samples(&reference().cache).unwrap().parent().unwrap().to_owned();
    let to = PathBuf::from(sandbox.path("cache")).join(from.file_name().unwrap());
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(&from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
    sandbox.path("cache")
}

#[test]
fn a_teacher_says_where_it_comes_from_and_trains_a_model() {
    let Reference { teacher, events, .. } = reference();
    let of = |name: &str| events.iter().filter(|event| event["event"] == name).collect::<Vec<_>>();
    let targets = of("targets");
    assert_eq!(targets.last().unwrap()["done"], SAMPLES);
    assert_eq!(of("training")[0]["steps"], 3);
    let steps = of("step");
    assert!(steps[0]["photos_per_second"].as_f64().unwrap() > 0.0);
    assert!(steps.last().unwrap()["loss"].as_f64().unwrap() > 0.0);
    let done = of("done")[0];
    assert_eq!((&done["skipped"], &done["recomputed"]), (&0.into(), &0.into()));

    let kind = "efficientad-teacher";
    let contents = efficientad_weights::load::<Value>(Path::new(teacher), kind).unwrap();
    let distillation = &contents.document["distillation"];
    for told in ["data", "r_squared", "samples_seen"] {
        assert_eq!(distillation[told], done["distillation"][told]);
    }
    let data = &distillation["data"];
    assert_eq!(data["backbone"], "tiny_backbone.onnx");
    assert_eq!(data["layers"], serde_json::json!(["fine", "coarse"]));
    assert_eq!(data["samples"], SAMPLES);
    assert_eq!((&data["photos"], &data["held_back"]), (&57.into(), &3.into()));
    assert_eq!(distillation["samples_seen"], SAMPLES);
    assert!(distillation["r_squared"]["all"].as_f64().unwrap() < 1.0);
    assert!(fs::metadata(teacher).unwrap().len() < 5_400_000, "half precision");

    let sandbox = Sandbox::new();
    let parts = sandbox.good_photos("parts", 2);
    let model = sandbox.path("m");
    run([&["train", &parts, "--out", &model, "--teacher", teacher][..], &FAST].concat()).success();
}

#[test]
fn a_teacher_can_begin_with_another() {
    let sandbox = Sandbox::new();
    let Reference { teacher, cache, .. } = reference();
    let again = sandbox.path("again");
    // At no learning rate to speak of it stays as good as it was; with random weights it would not.
    let still = ["--learning-rate", "1e-30", "--init", teacher, "--json"];
    let events = run(with(pretraining(&again, cache), &still)).json_lines();
    let distillation = &events.last().unwrap()["distillation"];
    let initial = &distillation["data"]["initial"];
    assert_eq!(initial["file"], "teacher.safetensors");
    assert_eq!(initial["distillation"]["r_squared"], distillation["r_squared"]);
    let sum = Command::new("sha256sum").arg(teacher).output().unwrap().stdout;
    assert!(sum.starts_with(initial["sha256"].as_str().unwrap().as_bytes()));

    let medium = sandbox.path("m");
    // The same samples in one step, as what the next one computes at that rate is so small that it is slow.
    let samples = SAMPLES.to_string();
    let grown =
        ["--steps", "1", "--batch", &samples, "--learning-rate", "1e-30", "--size", "medium"];
    let grown = with(from_photos(&medium, cache), &grown);
    let events = run(with(grown, &["--seed", "7", "--init", teacher, "--json"])).json_lines();
    let distillation = &events.last().unwrap()["distillation"];
    assert_eq!(distillation["recipe"]["size"], "medium");
    let r_squared = |distillation: &Value| distillation["r_squared"]["all"].as_f64().unwrap();
    let (small, grown) =
        (r_squared(&distillation["data"]["initial"]["distillation"]), r_squared(distillation));
    assert!((grown - small).abs() < 0.01, "{grown} {small}");

    let small = with(pretraining(&again, cache), &["--init", &medium, "--size", "small"]);
    let problem = "this teacher is medium, and can't become a small one; leave out --size, or give a small one";
    run(small).refused(&format!("{medium}: {problem}"));
}

#[test]
fn threads_change_nothing() {
    let sandbox = Sandbox::new();
    let out = sandbox.path("t");
    let arguments = pretraining(&out, &sandbox.path("cache"));
    let summary = run(with(arguments, &["--threads", "1"])).success();
    assert!(summary.starts_with(&format!("{out}: small teacher, {STEPS} steps, R² ")), "{summary}");
    assert_same_file(&out, &reference().teacher);
    assert_same_file(
        samples(&sandbox.path("cache")).unwrap().to_str().unwrap(),
        samples(&reference().cache).unwrap().to_str().unwrap(),
    );
    assert_eq!(sandbox.names(), ["cache", "t"], "the checkpoint is removed");
}

#[test]
fn killed_while_filling_the_cache_it_goes_on() {
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), sandbox.path("cache"));
    // One thread, so that it takes long enough to be killed in between.
    let arguments = with(pretraining(&out, &cache), &["--resume", "--quiet"]);
    let mut child = start(&with(arguments.clone(), &["--threads", "1"]));
    let length = || samples(&cache).and_then(|file| fs::metadata(file).ok()).map_or(0, |m| m.len());
    wait_for(|| length() > RECORD);
    child.kill().unwrap();
    let killed = end(child);
    assert_eq!((killed.code, killed.stderr.as_str()), (None, ""));
    assert!(length() < SAMPLES * RECORD, "it was killed too late to show anything");
    assert!(!Path::new(&out).exists());
    run(&arguments).success();
    assert_same_file(&out, &reference().teacher);
    run(&arguments)
        .refused(&format!("{out}: the teacher is finished; leave out --resume to begin anew"));
}

#[test]
fn killed_while_training_it_goes_on() {
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), copied_cache(&sandbox));
    let arguments = with(pretraining(&out, &cache), &["--checkpoint-every", "1step", "--json"]);
    let checkpoint = format!("{out}.checkpoint");
    let mut child = start(&arguments);
    wait_for(|| Path::new(&checkpoint).exists());
    let first = fs::read(&checkpoint).unwrap();
    wait_for(|| fs::read(&checkpoint).is_ok_and(|now| now != first));
    child.kill().unwrap();
    end(child);
    assert!(!Path::new(&out).exists());
    run(&arguments).refused(&format!(
        "{checkpoint}: an earlier training was stopped here; go on from it with --resume, or \
         delete it to begin anew"
    ));
    for (option, given, begun) in [("--steps", "9", STEPS), ("--size", "medium", "small")] {
        let words = with(from_photos(&out, &cache), &["--resume", option, given]);
        run(words).refused(&format!(
            "the training to go on with began with {option} {begun}, not {given}; leave {option} \
             out, or delete the checkpoint to begin anew"
        ));
    }
    let other = with(arguments.clone(), &["--resume", "--augmentation", "none"]);
    run(other).expect(2, &["another distillation: its augmentation is crops, not none"]);
    let resumed = run(with(arguments, &["--resume"]));
    assert_eq!(resumed.code, Some(0), "{resumed:?}");
    let training = resumed.json_lines().into_iter().find(|event| event["event"] == "training");
    assert!(training.unwrap()["steps_done"].as_u64().unwrap() >= 1);
    assert_same_file(&out, &reference().teacher);
}

#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), copied_cache(&sandbox));
    let arguments = pretraining(&out, &cache);
    let child = start(&arguments);
    wait_for(|| Path::new(&format!("{out}.checkpoint")).exists());
    let interrupt = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    end(child).expect(130, &["stopping after this step", "go on with:\n", " --resume\n"]);
    run(with(arguments, &["--resume"])).success();
    assert_same_file(&out, &reference().teacher);
}

#[test]
fn damaged_samples_are_recomputed() {
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), copied_cache(&sandbox));
    let file = samples(&cache).unwrap();
    let mut damaged = OpenOptions::new().write(true).open(&file).unwrap();
    for at in [3 * RECORD + 1_000_000, 5 * RECORD + 20] {
        damaged.seek(SeekFrom::Start(at)).unwrap();
        damaged.write_all(&[0xA5; 3]).unwrap();
    }
    let again = run(with(pretraining(&out, &cache), &["--json"]));
    again.expect(0, &["2 damaged samples of the cache were recomputed"]);
    assert_eq!(again.json_lines().last().unwrap()["recomputed"], 2);
    assert_same_file(&out, &reference().teacher);
    assert!(fs::read(&file).unwrap() == fs::read(samples(&reference().cache).unwrap()).unwrap());
}

#[test]
fn a_cache_serves_other_trainings_and_grows() {
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), copied_cache(&sandbox));
    let recipe = ["--steps", "4", "--batch", BATCH, "--seed", "7", "--learning-rate", "0.001"];
    let words = with(from_photos(&out, &cache), &recipe);
    let run = run(words);
    assert_eq!(run.code, Some(0), "{run:?}");
    let before = fs::read(samples(&reference().cache).unwrap()).unwrap();
    let after = fs::read(samples(&cache).unwrap()).unwrap();
    assert_eq!(after.len() as u64, 8 * RECORD);
    assert!(after.starts_with(&before));
}

#[test]
fn a_time_limit_sets_the_steps() {
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), copied_cache(&sandbox));
    let recipe = ["--hours", "0.001", "--batch", BATCH, "--seed", "7", "--json"];
    let words = with(from_photos(&out, &cache), &recipe);
    let run = run(words);
    assert_eq!(run.code, Some(0), "{run:?}");
    let training = run.json_lines().into_iter().find(|event| event["event"] == "training").unwrap();
    assert!(training["samples"].as_u64().unwrap() >= SAMPLES, "{training}");
    assert!(training["steps"].as_u64().unwrap() >= 1, "{training}");
}

#[test]
fn onnxruntime_runs_the_backbone_with_a_cache_of_its_own() {
    let Some(library) = library(Package::Cpu) else { return };
    let library = library.to_str().unwrap();
    let sandbox = Sandbox::new();
    let (out, cache) = (sandbox.path("t"), copied_cache(&sandbox));
    let runtime = ["--backbone-runtime", "onnxruntime", "--onnxruntime", library, "--json"];
    let run = run(with(pretraining(&out, &cache), &runtime));
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 2, "rten's targets are not taken for others");
    let told = run.json_lines().last().unwrap()["distillation"].clone();
    let runtime = told["data"]["runtime"].as_str().unwrap();
    assert!(runtime.starts_with("onnxruntime 1.") && runtime.contains("f32"), "{runtime}");
    let by_rten = &reference().events.last().unwrap()["distillation"];
    assert_eq!(by_rten["data"]["runtime"], "rten");
    let r_squared = |told: &Value| told["r_squared"]["all"].as_f64().unwrap();
    let (other, own) = (r_squared(&told), r_squared(by_rten));
    assert!((other - own).abs() < 1e-3, "{other} {own}");
}

#[test]
fn photos_that_cannot_be_used_are_named() {
    let sandbox = Sandbox::new();
    let folder = sandbox.path("photos");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(photos()).unwrap().take(3) {
        let path = entry.unwrap().path();
        fs::copy(&path, Path::new(&folder).join(path.file_name().unwrap())).unwrap();
    }
    sandbox.write("photos/broken.jpg", b"no photo");
    image::RgbImage::new(400, 100).save(sandbox.path("photos/narrow.png")).unwrap();
    let (backbone, out) = (backbone(), sandbox.path("t"));
    let base = ["pretrain", "--backbone", &backbone, "--layers", "fine,coarse", "--preset", "none"];
    let rest = ["--photos", &folder, "--out", &out, "--steps", "1", "--batch", "2"];
    let augmentation = ["--augmentation", "none"];
    let run = run([&base[..], &rest[..], &augmentation[..]].concat());
    run.expect(
        1,
        &[
            "skipped: ",
            "broken.jpg: is not an image",
            "1 photos with a side below 128 pixels are left out",
            "1 unreadable photos were skipped",
        ],
    );
    assert_eq!(sandbox.names(), ["photos", "t", "t.cache"]);
}

#[test]
fn what_cannot_be_done_is_refused() {
    let sandbox = Sandbox::new();
    let (backbone, photos, out) = (backbone(), photos(), sandbox.path("t"));
    let refused = |backbone: &str, layers: &str, photos: &str, texts: &[&str]| {
        let words = [
            "pretrain",
            "--backbone",
            backbone,
            "--layers",
            layers,
            "--preset",
            "none",
            "--photos",
            photos,
            "--out",
            &out,
            "--steps",
            "1",
        ];
        let run = run(words);
        run.expect(2, texts);
        assert!(!Path::new(&out).exists());
    };
    refused(
        &backbone,
        "fine,none",
        &photos,
        &[
            "there is no tensor `none` in this network",
            "those of 64×64 are fine, fine.sum",
            "those of 32×32 are coarse, coarse.sum",
        ],
    );
    refused(
        &backbone,
        "coarse,fine",
        &photos,
        &["layer `coarse` has shape 1×24×32×32 where", "where 1×C×64×64 (stride 8) is needed"],
    );
    refused("nowhere.onnx", "a,b", &photos, &["nowhere.onnx: cannot be read"]);
    let empty = sandbox.path("empty");
    fs::create_dir(&empty).unwrap();
    refused(&backbone, "fine,coarse", &empty, &[&format!("{empty}: no images here")]);
    let whole = fs::read(&backbone).unwrap();
    for length in [0, 1, 100, 5_000, 20_000, whole.len() - 40] {
        let path = sandbox.write("cut.onnx", &whole[..length]);
        refused(&path, "fine,coarse", &photos, &["cut.onnx: "]);
    }
    let path = sandbox.write("photo.onnx", &fs::read(repository().join("README.md")).unwrap());
    refused(&path, "fine,coarse", &photos, &["photo.onnx: this ONNX network cannot be run: "]);
    let huge = sandbox.path("huge.onnx");
    fs::File::create(&huge).unwrap().set_len((1 << 30) + 1).unwrap();
    refused(
        &huge,
        "fine,coarse",
        &photos,
        &["huge.onnx: 1073741825 bytes are more than the limit"],
    );
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let base = ["pretrain", "--backbone", "b", "--layers", "a,b", "--photos", "p", "--out", "t"];
    for (options, message) in [
        (&[][..], "--preset <NAME>"),
        (&["--preset", "caffe"], "choose torchvision, tf-slim, efficientnet-lite or none"),
        (&["--preset", "none", "--mean", "0,0,0", "--std", "1,1,1"], "cannot be used with"),
        (&["--mean", "0,0,0"], "--std <R,G,B>"),
        (&["--mean", "0,0", "--std", "1,1,1"], "give three numbers: 0.5,0.5,0.5"),
        (&["--mean", "0,0,0", "--std", "1,0,1"], "must be above 0"),
        (&["--preset", "none", "--hours", "1", "--steps", "5"], "cannot be used with"),
        (&["--preset", "none", "--batch", "0"], "--batch"),
        (&["--preset", "none", "--augmentation", "all"], "choose none or crops"),
        (
            &["--preset", "none", "--provider", "openvino"],
            "--provider belongs to ONNX Runtime: add --backbone-runtime onnxruntime",
        ),
        (
            &["--preset", "none", "--backbone-precision", "bf16"],
            "--backbone-precision belongs to ONNX Runtime: add --backbone-runtime onnxruntime",
        ),
    ] {
        run([&base[..], options].concat()).expect(2, &[message]);
    }
    run(["pretrain", "--layers", "a"]).expect(2, &["give two names, stride 8 first"]);
}
