//! What is typed: commands, options and their help.

use std::ffi::OsString;
#[cfg(feature = "server")]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use efficientad::{
    DistillationOptimizer, FalseRejectRate, InputSize, InstructionSet, PdnSize, Precision, Recipe,
};
use efficientad_datasets::{DatasetSource, Stated};
#[cfg(feature = "onnxruntime")]
use efficientad_engine_onnx::Provider;
use efficientad_evaluation::shards::Shard;
use efficientad_images::{Limits, Orientation};
use efficientad_jobs::{Interval, PhotosFrom, Reading};
use efficientad_pretraining::{Augmentation, Preprocessing, Preset};

// Headings of options. Each option names its own: `next_help_heading` would also stand above what follows.
const READING: &str = "How photos are read (docs/photos.md)";
const STATED: &str = "Folders whose names don't tell (instead of DATASET)";
const BACKBONE: &str = "What the backbone reads (give --preset, or --mean and --std)";
const ENGINE: &str = "What runs the networks (docs/engines.md)";
const SEEN: &str = "What the networks see";
const REGION: &str = "Region of interest";
const SHARDS: &str = "A part of the work for each of several processes (docs/clusters.md)";
#[cfg(feature = "server")]
const GUARD: &str = "Who is let in (anybody of this machine, unless more is said)";
#[cfg(feature = "server")]
const RECORD: &str = "The record of verdicts (with --data)";
#[cfg(feature = "server")]
const MOST: &str = "What is taken at most";

/// Longest settle time of `watch`.
const MAX_SETTLE: Duration = Duration::from_secs(3600);

const EXIT_CODES: &str = "\
Exit codes:
  0    done
  1    done, but some inputs failed: they are named on the error output, and skipped
  2    could not do it: the reason is on the error output
  130  train, train-parts, pretrain, or watch --once, was stopped by Ctrl-C (or SIGTERM): what is done is saved

Environment:
  EFFICIENTAD_INSTRUCTION_SET  avx512, avx2, neon or portable instead of the fastest that this CPU has
  EFFICIENTAD_ONNXRUNTIME      ONNX Runtime's library, or its folder, for --engine onnxruntime

Start with:
  efficientad train photos-of-good-parts --out part.model
  efficientad predict part.model new-photos --out results";

/// Finds defects in photos of parts, having seen only good ones (EfficientAD).
#[derive(Debug, Parser)]
#[command(name = "efficientad", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Learn from photos of good parts and write a model.
    Train(TrainArgs),
    /// Train a model for each part of a list; several processes can share the list.
    TrainParts(TrainPartsArgs),
    /// Distil a teacher of your own from an ONNX classification network and a folder of photos.
    Pretrain(PretrainArgs),
    /// Judge photos: score, verdict, anomaly map.
    Predict(PredictArgs),
    /// Judge photos as they arrive in a folder, each exactly once, and log the verdicts.
    Watch(WatchArgs),
    /// Run an inspection station: cameras, models, and who is told, as a file says.
    #[cfg(feature = "station")]
    Run(RunArgs),
    /// Judge photos that programs send over HTTP.
    #[cfg(feature = "server")]
    Serve(ServeArgs),
    /// Judge a data set's test images and measure how well that works.
    Eval(EvalArgs),
    /// Take a model's threshold from other photos of good parts, without training it again.
    Calibrate(CalibrateArgs),
    /// Tell what a model file holds.
    Info(InfoArgs),
    /// Turn weights of nelson1425/EfficientAD or anomalib into a teacher or model file.
    ///
    /// One teacher makes a teacher file, for `train --teacher`. A checkpoint of anomalib makes a
    /// model. nelson1425's teacher, student and autoencoder together make a model too, but need
    /// --good, for their files lack the statistics of the teacher and the scale of the maps.
    /// Nothing that a file asks to run is run.
    Import(ImportArgs),
    /// List what networks can run on: the CPU, GPUs.
    Devices(DevicesArgs),
    /// Write a model as an ONNX graph, for ONNX Runtime, OpenVINO or TensorRT.
    Export(ExportArgs),
    /// Measure how long an inspection and a training step take on this machine.
    ///
    /// With --engine onnxruntime, an inspection alone, as it does not train.
    ///
    /// Steps are the paper's, and one by Muon: that of the default and fast recipes where they have
    /// 200 training images or more. Of fewer, theirs is the paper's step too.
    Bench(BenchArgs),
}

/// The variable of the environment that names instructions to compute with.
pub const INSTRUCTION_SET: &str = "EFFICIENTAD_INSTRUCTION_SET";

/// Threads and instructions.
#[derive(Debug, Args)]
pub struct CpuArgs {
    /// Threads to compute with; results do not depend on it [default: as many as the CPU runs].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: Option<u16>,
    /// Instructions to compute with; results depend on it by rounding.
    #[arg(long, env = INSTRUCTION_SET, hide = true)]
    pub instruction_set: Option<InstructionSet>,
}

/// What runs the networks.
#[derive(Debug, Args)]
#[command(next_help_heading = ENGINE)]
pub struct EngineArgs {
    /// The program's own engines, cpu among them, or ONNX Runtime, a library to be installed [default:
    /// that of --device].
    ///
    /// Scores of two engines differ by rounding. The threshold's promise is one for the engine that
    /// the model was calibrated with: `efficientad calibrate` with the same options makes it one for
    /// this engine.
    #[arg(long, value_name = "cpu|onnxruntime", hide_possible_values = true)]
    pub engine: Option<EngineName>,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Numbers to compute in, as far as device or provider has them: f32, tf32, f16 or bf16 [default:
    /// the most precise].
    ///
    /// With less precision than the model was calibrated with there is no threshold until it is
    /// calibrated anew.
    #[arg(long, value_name = "KIND", value_parser = parse_precision)]
    pub precision: Option<Precision>,
    #[cfg(feature = "onnxruntime")]
    #[command(flatten)]
    pub onnxruntime: OnnxRuntimeArgs,
    #[command(flatten)]
    pub cpu: CpuArgs,
}

/// What computes.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// What computes: cpu, gpu, gpu:N (the N-th of `efficientad devices`), or auto, the faster of CPU
    /// and GPU as measured once [default: cpu].
    ///
    /// With --engine onnxruntime only gpu:N: the number of the GPU that the provider takes.
    #[arg(long, value_name = "cpu|gpu|gpu:N|auto", value_parser = parse_device)]
    pub device: Option<DeviceName>,
}

/// What computes, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// The CPU.
    Cpu,
    /// A GPU: that of a number, or the first one.
    Gpu(Option<u16>),
    /// The faster one.
    Auto,
}

/// Engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineName {
    /// The program's own for CPUs.
    Cpu,
    /// ONNX Runtime.
    #[value(name = "onnxruntime")]
    OnnxRuntime,
}

/// What of ONNX Runtime computes.
#[cfg(feature = "onnxruntime")]
#[derive(Debug, Args)]
pub struct OnnxRuntimeArgs {
    /// What ONNX Runtime computes with: cpu, cuda, tensorrt, openvino, openvino-gpu, openvino-npu,
    /// directml, coreml or migraphx [default: cpu].
    ///
    /// The library must have been built with it; if it is not there, that is an error.
    #[arg(help_heading = ENGINE, long, value_name = "NAME")]
    pub provider: Option<Provider>,
    /// ONNX Runtime's library (libonnxruntime.so, .dylib, onnxruntime.dll) or the folder that it lies
    /// in [default: EFFICIENTAD_ONNXRUNTIME, then ORT_DYLIB_PATH, then beside this program, then
    /// where the system looks].
    #[arg(help_heading = ENGINE, long = "onnxruntime", value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// Folder that keeps what TensorRT builds of a model, which takes minutes [default:
    /// efficientad/tensorrt in the user's folder for caches].
    #[arg(help_heading = ENGINE, long, value_name = "DIR")]
    pub tensorrt_cache: Option<PathBuf>,
}

/// What trainings run on.
#[derive(Debug, Args)]
pub struct TrainingEngineArgs {
    /// ONNX Runtime does not train: the program's own engines do.
    #[arg(long, value_name = "cpu", hide = true, value_parser = parse_training_engine)]
    pub engine: Option<EngineName>,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Numbers that steps of training compute in, as far as the device has them: f32, f16 or bf16
    /// [default: f32].
    ///
    /// Weights, and all that a model is calibrated by, are in single precision whatever this is.
    #[arg(long, value_name = "KIND", value_parser = parse_precision)]
    pub precision: Option<Precision>,
    #[command(flatten)]
    pub cpu: CpuArgs,
}

/// How images are decoded.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Which way up photos stand [default: stored; with a model: as it was trained].
    #[arg(help_heading = READING, long, value_name = "WAY")]
    pub orientation: Option<OrientationArg>,
    /// How many of their 16 bits photos use, whose camera delivers 10, 12 or 14; 16 for all
    /// [default: as `train` and `import` find out from the photos; with a model: as it was trained].
    #[arg(help_heading = READING, long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub bits: Option<u8>,
    /// The values of floating point TIFF that are black and white, as 0..1 or 0,1; photos with others
    /// are refused [default: such photos are refused; with a model: as it was trained].
    #[arg(help_heading = READING, long, value_name = "LOW..HIGH", value_parser = parse_range, allow_hyphen_values = true)]
    pub range: Option<(f32, f32)>,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// How large photos may be.
#[derive(Debug, Clone, Copy, Args)]
pub struct LimitArgs {
    /// Most megapixels of a photo; memory grows with it [default: 134.2].
    #[arg(help_heading = READING, long, value_name = "MEGAPIXELS", value_parser = parse_megapixels)]
    pub max_pixels: Option<u64>,
    /// Most pixels along a side of a photo [default: 65535].
    #[arg(help_heading = READING, long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_side: Option<u32>,
}

impl DecodeArgs {
    /// What is said of how photos are read.
    pub fn reading(&self) -> Reading {
        Reading {
            orientation: self.orientation.map(|orientation| match orientation {
                OrientationArg::Stored => Orientation::AsStored,
                OrientationArg::Exif => Orientation::FromExif,
            }),
            bits: self.bits,
            range: self.range,
            limits: self.limits.limits(),
        }
    }
}

impl LimitArgs {
    /// Limits with what is said. Memory has the same room for each pixel as by default.
    pub fn limits(self) -> Limits {
        let default = Limits::default();
        let max_pixels = self.max_pixels.unwrap_or(default.max_pixels);
        let bytes_per_pixel = default.max_bytes / default.max_pixels;
        Limits {
            max_pixels,
            max_side: self.max_side.unwrap_or(default.max_side),
            max_bytes: default.max_bytes.max(max_pixels.saturating_mul(bytes_per_pixel)),
        }
    }
}

/// Which way up photos stand.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OrientationArg {
    /// As the pixels lie in the file, like the original implementation and the masks of data sets.
    Stored,
    /// Turned as the camera's orientation tag asks.
    Exif,
}

/// Which photos are taken, and for what.
#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// Folder of the data set.
    ///
    /// A folder of photos of good parts; folders called OK and NG (perhaps MASK); a data set laid out
    /// as MVTec AD (train/good, test), LOCO, VisA, Real-IAD, BTech or KolektorSDD; or a table (CSV) of
    /// path,label[,mask][,split]. What is recognised is said before the work begins; docs/folders.md
    /// tells all. In training about a tenth of the good photos is held back (19, 39, 59, …; of fewer than 93
    /// a fifth), not trained on, and used to scale the anomaly maps and to choose the threshold.
    #[arg(required_unless_present_any = ["good", "defects"])]
    pub dataset: Option<PathBuf>,
    #[command(flatten)]
    pub stated: StatedArgs,
    /// Say which photos would be taken, and for what, and end.
    #[arg(long)]
    pub dry_run: bool,
}

/// Folders whose meaning is told, instead of a data set.
#[derive(Debug, Args)]
pub struct StatedArgs {
    /// Folder of photos of good parts, with all below it; as often as needed.
    #[arg(help_heading = STATED, long, value_name = "DIR", conflicts_with = "dataset")]
    pub good: Vec<PathBuf>,
    /// Folder of photos of defects; its subfolders are kinds of them. They are never trained on.
    #[arg(help_heading = STATED, long, value_name = "DIR", conflicts_with = "dataset")]
    pub defects: Vec<PathBuf>,
    /// Folder of masks of the defects, named like the photos.
    #[arg(help_heading = STATED, long, value_name = "DIR", requires = "defects")]
    pub masks: Vec<PathBuf>,
}

impl DatasetArgs {
    /// Where the photos lie.
    pub fn source(&self) -> DatasetSource {
        let StatedArgs { good, defects, masks } = &self.stated;
        match &self.dataset {
            Some(root) => DatasetSource::Recognised(root.clone()),
            None => DatasetSource::Stated(Stated {
                good: good.clone(),
                defects: defects.clone(),
                masks: masks.clone(),
            }),
        }
    }
}

/// Options of `train`.
#[derive(Debug, Args)]
#[command(after_help = "\
A run can be stopped with Ctrl-C at any time and continued by the same command with --resume: the \
model is the same, bit for bit, as that of a run without a break.

Examples:
  efficientad train photos-of-good-parts --out part.model
  efficientad train --continue part.model new-photos --old photos-of-good-parts --out part2.model")]
pub struct TrainArgs {
    #[command(flatten)]
    pub data: DatasetArgs,
    /// Model file to write.
    #[arg(long, value_name = "MODEL")]
    pub out: PathBuf,
    /// Go on from this finished model instead of training anew: the data set holds new photos of
    /// good parts, which it has not seen.
    ///
    /// Networks and what they see stay the model's; the maps' scale and the threshold are taken anew
    /// from the photos held back. MODEL itself stays as it is, unless --out names it.
    #[arg(long = "continue", value_name = "MODEL")]
    pub continue_from: Option<PathBuf>,
    /// With --continue: folder of a data set that MODEL was trained on, unchanged since; once for
    /// each of them.
    ///
    /// Steps take old and new photos in turn, and the photos held back then and now calibrate
    /// together. Without it the model learns from new photos alone: it forgets, and the threshold
    /// promises nothing about the old parts.
    #[arg(long, value_name = "DATASET", requires = "continue_from")]
    pub old: Vec<PathBuf>,
    #[command(flatten)]
    pub recipe: RecipeArgs,
    #[command(flatten)]
    pub view: ViewArgs,
    #[command(flatten)]
    pub region: RegionArgs,
    /// Folder of good photos to hold back instead of some of the data set (not of --old).
    #[arg(long, value_name = "DIR")]
    pub validation: Option<PathBuf>,
    /// Share of good parts that may be called anomalous, as 0.01 or 1% [default: 5% on average].
    ///
    /// The threshold is the lowest that the held-back photos can promise this of at 95 % confidence, whatever
    /// the scores' distribution: that takes 299 of them for 1 %, 59 for 5 %, 29 for 10 %. With fewer, 99
    /// show 1 % on average, 49 show 2 %, 19 show 5 %. With fewer again, the threshold rests on an assumption, and
    /// says so. Without this option it is 5 % on average, however many there are: lower rates let more defects
    /// pass. With --continue the default is the rate that was asked of the model.
    #[arg(long, value_name = "RATE")]
    pub false_reject: Option<FalseRejectRate>,
    /// Natural photos that teach the student what not to imitate: a folder of any photos but those
    /// of the parts, or `none` to go without [default: painted by the program].
    #[arg(long, value_name = "DIR|none", value_parser = parse_photos)]
    pub photos: Option<PhotosArg>,
    /// Pretrained teacher: a file of this program, of nelson1425/EfficientAD or of anomalib
    /// [default: the built-in one of the size].
    #[arg(long, value_name = "FILE")]
    pub teacher: Option<PathBuf>,
    /// Go on from MODEL.checkpoint, where an earlier run of this command was stopped.
    #[arg(long)]
    pub resume: bool,
    /// How often to write MODEL.checkpoint: seconds (60s), minutes (5m) or steps (500steps).
    #[arg(long, value_name = "INTERVAL", default_value = "60s")]
    pub checkpoint_every: Interval,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub engine: TrainingEngineArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Options of `train-parts`.
#[derive(Debug, Args)]
#[command(after_help = "\
A part whose model is there is not trained again, and one whose training was stopped or killed goes on from its \
checkpoint: give the same command again until all are trained. A part that can't be trained is named, and the \
others are. Folders in LIST are meant from the folder that it lies in.

Examples:
  efficientad train-parts parts.csv --models models
  efficientad train-parts parts.csv --models models --shard 0/4 -- --recipe fast --size medium

where parts.csv is
  part,photos
  bracket,photos/bracket
  cover,/srv/camera 2/cover")]
pub struct TrainPartsArgs {
    /// CSV file with a line for each part: its name, and what `train` takes as its photos.
    pub list: PathBuf,
    /// Folder of the models: the part NAME gets NAME.model, as `serve` wants them.
    #[arg(long, value_name = "DIR")]
    pub models: PathBuf,
    /// Train only the part I of N (from 0/N to N-1/N) of the list, every Nth; N alone takes I from the variable
    /// JOB_COMPLETION_INDEX, as an Indexed Job of Kubernetes sets it.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Options of `train` for all parts, but --out and --resume.
    #[arg(last = true, value_name = "OPTIONS")]
    pub options: Vec<OsString>,
}

/// Options of `pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "\
The teacher learns to predict, for every patch of a photo, what two layers of the backbone say of it \
(paper, section 3.1). That takes two parts of time: the backbone runs once for every sample, and what \
it says is kept in the cache (1.4 MB a sample); then the teacher trains on the cache, over and over. \
Samples are random crops of the photos. The same cache serves other sizes, steps and learning rates, \
and grows with --cache-size.

A run can be stopped at any time, by Ctrl-C or otherwise, and continued by the same command with \
--resume: the teacher is the same, bit for bit. docs/pretraining.md says more, also on licences.

Examples:
  efficientad pretrain --backbone resnet50v2.onnx --layers layer2,layer3 --preset none \
--photos photos --out teacher.safetensors
  efficientad pretrain --backbone resnet50v2.onnx --layers layer2,layer3 --preset none \
--photos photos wallpapers --cache targets --cache-size 20 --hours 12 --size medium --out m.safetensors
  efficientad train parts --teacher teacher.safetensors --out part.model")]
pub struct PretrainArgs {
    /// Classification network: an ONNX file that takes one photo, 1×3×512×512 or any size, RGB.
    #[arg(long, value_name = "ONNX")]
    pub backbone: PathBuf,
    /// Names of two of its tensors: one of stride 8 (1×C×64×64), one of stride 16 (1×C×32×32). A
    /// name that is none gets you a list of those that fit.
    #[arg(long, value_name = "NAME,NAME", value_parser = parse_layers)]
    pub layers: [String; 2],
    /// Folders of photos, with all below them. One in twenty, at most 64, is held back to measure
    /// R² on.
    #[arg(long, value_name = "DIR", required = true, num_args = 1..)]
    pub photos: Vec<PathBuf>,
    /// Teacher file to write, for `train --teacher`.
    #[arg(long, value_name = "TEACHER")]
    pub out: PathBuf,
    #[command(flatten)]
    pub limits: LimitArgs,
    #[command(flatten)]
    pub preprocessing: PreprocessingArgs,
    #[cfg(feature = "onnxruntime")]
    #[command(flatten)]
    pub backbone_runtime: BackboneRuntimeArgs,
    /// Begin with this teacher's weights instead of random ones: what it has learned, of this or
    /// another backbone, need not be learned again. A small one can begin a medium one, too.
    #[arg(long, value_name = "TEACHER")]
    pub init: Option<PathBuf>,
    /// Size of the teacher: small, or medium for more accuracy at three times the work
    /// [default: that of --init, or small].
    #[arg(long, value_name = "small|medium", value_parser = parse_size)]
    pub size: Option<PdnSize>,
    /// Training steps, one batch each [default: 10000; the paper takes 60000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Take about so many hours in all: at most half of them to fill the cache, the rest for as many
    /// steps as fit.
    #[arg(long, value_name = "H", value_parser = parse_hours, conflicts_with = "steps")]
    pub hours: Option<Duration>,
    /// Samples of a step [default: 16].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub batch: Option<u16>,
    /// What updates the weights: muon, or adam, as in the paper, which takes more steps to come as far
    /// [default: muon].
    #[arg(long, value_name = "muon|adam")]
    pub optimizer: Option<DistillationOptimizer>,
    /// Learning rate of the first step; it falls to 0 along a cosine [default: 0.0006; Muon's is 100/3
    /// times as large].
    #[arg(long, value_name = "X", value_parser = parse_positive)]
    pub learning_rate: Option<f32>,
    /// Seed of everything random; the same seed gives the same teacher, bit for bit [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How samples are made: `crops` at random places and scales, with flips and changes of colour,
    /// or `none`, each photo once and as it is.
    #[arg(long, value_name = "crops|none", default_value = "crops")]
    pub augmentation: Augmentation,
    /// Folder of the cache; it can be shared by several trainings [default: TEACHER.cache].
    #[arg(long, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Size that the cache may reach, in GiB: 764 samples each [default: 8].
    #[arg(long, value_name = "GIB", default_value_t = 8.0, hide_default_value = true,
        value_parser = parse_gibibytes)]
    pub cache_size: f64,
    /// Go on where an earlier run of this command was stopped; begin if there was none.
    #[arg(long)]
    pub resume: bool,
    /// How often to write TEACHER.checkpoint: seconds (60s), minutes (5m) or steps (500steps).
    #[arg(long, value_name = "INTERVAL", default_value = "60s")]
    pub checkpoint_every: Interval,
    #[command(flatten)]
    pub engine: TrainingEngineArgs,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What runs the backbone.
#[cfg(feature = "onnxruntime")]
#[derive(Debug, Args)]
pub struct BackboneRuntimeArgs {
    /// What runs the backbone: rten, which this program contains, or onnxruntime, a library to be installed
    /// (docs/engines.md).
    ///
    /// With `--provider openvino --backbone-precision bf16` targets come several times faster on CPUs that
    /// have bfloat16. Targets of another runtime are other numbers, kept in a cache of their own.
    #[arg(help_heading = ENGINE, long, value_name = "NAME", default_value = "rten")]
    pub backbone_runtime: BackboneRuntimeName,
    /// Numbers that ONNX Runtime runs the backbone in, as far as the provider has them [default: the most
    /// precise].
    #[arg(help_heading = ENGINE, long, value_name = "KIND", value_parser = parse_precision)]
    pub backbone_precision: Option<Precision>,
    #[command(flatten)]
    pub onnxruntime: OnnxRuntimeArgs,
}

/// Runtimes of backbones.
#[cfg(feature = "onnxruntime")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BackboneRuntimeName {
    /// In this program.
    Rten,
    /// ONNX Runtime.
    #[value(name = "onnxruntime")]
    OnnxRuntime,
}

/// How pixels become the backbone's input.
#[derive(Debug, Clone, Args)]
pub struct PreprocessingArgs {
    /// What networks of a family were trained with: `torchvision` (0 to 1, less ImageNet's mean, by
    /// its deviation), `tf-slim` (−1 to 1), `efficientnet-lite` ((x − 127) / 128), or `none` (0 to 1,
    /// for networks that normalise their input themselves). The wrong one spoils the teacher.
    #[arg(help_heading = BACKBONE, long, value_name = "NAME", required_unless_present_all = ["mean", "std"],
        conflicts_with_all = ["mean", "std", "range"])]
    pub preset: Option<Preset>,
    /// Subtracted from red, green and blue.
    #[arg(help_heading = BACKBONE, long, value_name = "R,G,B", value_parser = parse_three, requires = "std")]
    pub mean: Option<[f32; 3]>,
    /// What red, green and blue are divided by after that.
    #[arg(help_heading = BACKBONE, long, value_name = "R,G,B", value_parser = parse_deviations, requires = "mean")]
    pub std: Option<[f32; 3]>,
    /// White before the mean is subtracted: 1 or 255 [default: 1].
    #[arg(help_heading = BACKBONE, long, value_name = "WHITE", value_parser = parse_positive, requires = "mean")]
    pub range: Option<f32>,
}

impl PreprocessingArgs {
    /// What the backbone's input is made by.
    pub fn preprocessing(&self) -> Preprocessing {
        let preset = self.preset.unwrap_or(Preset::None).preprocessing();
        Preprocessing {
            range: self.range.unwrap_or(preset.range),
            mean: self.mean.unwrap_or(preset.mean),
            std: self.std.unwrap_or(preset.std),
        }
    }
}

/// How a long run tells how far it is.
#[derive(Debug, Clone, Copy, Args)]
pub struct ReportArgs {
    /// Print progress and result as JSON Lines.
    #[arg(long)]
    pub json: bool,
    /// Show no progress.
    #[arg(long, short)]
    pub quiet: bool,
}

/// The recipe of a training, as far as it is given.
#[derive(Debug, Clone, Default, Args)]
pub struct RecipeArgs {
    /// Size of teacher and student: small, or medium for more accuracy at three times the work
    /// [default: the teacher's, or small].
    #[arg(long, value_name = "small|medium", value_parser = parse_size)]
    pub size: Option<PdnSize>,
    /// Height and width of the networks' input, which photos or tiles are resized to: one number,
    /// or HxW [default: 256, or the tile's size].
    #[arg(long, value_name = "SIZE", value_parser = parse_input)]
    pub input: Option<InputSize>,
    /// Which other defaults to take: `fast` for a first look in minutes, or `paper` for the original
    /// training; docs/recipes.md compares them.
    #[arg(long, value_name = "fast|paper", hide_possible_values = true)]
    pub recipe: Option<RecipeName>,
    /// Training steps, one photo each [default: 2000, fast 400, paper 70000; with --continue a
    /// quarter of the steps that MODEL was first trained for, 100 at least].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub steps: Option<u64>,
    /// Seed of everything random; the same seed gives the same model, bit for bit [default: 0; with
    /// --continue one more than the model's].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Highest learning rate of the half cosine, or that of the first 95 % of the paper's steps; that
    /// of the autoencoder grows and shrinks with it [default: 0.0003, paper 0.0001; with --continue
    /// 0.0001, without --old 0.00001].
    #[arg(long, value_name = "X", value_parser = parse_positive)]
    pub learning_rate: Option<f32>,
    /// Let all channels of the teacher count alike, as the paper's recipe does. Otherwise those count
    /// more that the student predicts better on good training images (of size small).
    #[arg(long)]
    pub no_channel_weights: bool,
    /// Hold the autoencoder against the same standard everywhere, as the paper's recipe does.
    /// Otherwise what it shows counts less where good training photos usually show more, as in
    /// corners (not of tiles).
    #[arg(long)]
    pub no_position_weights: bool,
    /// Change training photos at random, in ways after which a good part is still a good one: any of
    /// flip-horizontal, flip-vertical and shift (by up to 1/32 of width and height), with commas between.
    /// For few photos of parts that may lie so (docs/recipes.md).
    #[arg(long, value_name = "CHANGES", value_delimiter = ',')]
    pub augment: Vec<efficientad::Augmentation>,
}

/// Recipes but the default one, by their names.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum RecipeName {
    /// Few steps.
    Fast,
    /// The original.
    Paper,
}

impl RecipeName {
    /// What trainings take that are told no more.
    pub fn recipe(self) -> Recipe {
        match self {
            Self::Fast => Recipe::fast(),
            Self::Paper => Recipe::paper(),
        }
    }
}

/// How photos are shown to the networks.
#[derive(Debug, Clone, Default, Args)]
pub struct ViewArgs {
    /// Keep the proportions of photos and pad them, instead of stretching them to the input.
    #[arg(help_heading = SEEN, long, conflicts_with = "tile")]
    pub letterbox: bool,
    /// Look at photos in overlapping tiles of N×N pixels, for defects too small to survive the
    /// resizing of whole photos. The time of an inspection grows with the number of tiles.
    #[arg(help_heading = SEEN, long, value_name = "N")]
    pub tile: Option<u32>,
    /// Pixels of the photo that neighbouring tiles share [default: what is 64 pixels of the input].
    #[arg(help_heading = SEEN, long, value_name = "N", requires = "tile")]
    pub overlap: Option<u32>,
}

/// Which part of photos is inspected.
#[derive(Debug, Clone, Default, Args)]
pub struct RegionArgs {
    /// Inspect only this part of photos: an image of the photos' shape, white where to inspect, or
    /// JSON: {"unit": "pixels", "polygons": [[[x, y], [x, y], [x, y]]]}, unit pixels or fraction.
    ///
    /// Nothing outside has any influence on training, scores or verdicts. All photos must have the
    /// same shape. The region is kept in the model.
    #[arg(help_heading = REGION, long, value_name = "FILE")]
    pub region: Option<PathBuf>,
    /// Don't inspect this part of photos: a file as for --region.
    #[arg(help_heading = REGION, long, value_name = "FILE")]
    pub exclude: Option<PathBuf>,
}

/// Where natural photos come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhotosArg {
    /// Nowhere: no penalty.
    None,
    /// From the files in a folder.
    Folder(PathBuf),
}

impl From<PhotosArg> for PhotosFrom {
    fn from(photos: PhotosArg) -> Self {
        match photos {
            PhotosArg::None => Self::Nowhere,
            PhotosArg::Folder(folder) => Self::Folder(folder),
        }
    }
}

/// A part of the work, and where its results go.
#[derive(Debug, Clone, Args)]
pub struct ShardArgs {
    /// Judge only the part I of N (from 0/N to N-1/N) of the photos, every Nth; N alone takes I from the variable
    /// JOB_COMPLETION_INDEX, as an Indexed Job of Kubernetes sets it.
    ///
    /// Started again, it goes on where it was; a part that is finished is not judged again. The exit code is 0 once
    /// all its results are there: photos that can't be judged are named, and --merge tells them by its exit code.
    #[arg(help_heading = SHARDS, long, value_name = "I/N", requires = "results", value_parser = shard)]
    pub shard: Option<Shard>,
    /// Folder that all parts of the work share for their results.
    #[arg(help_heading = SHARDS, long, value_name = "DIR", requires = "shard")]
    pub results: Option<PathBuf>,
    /// Judge nothing: put together what the parts left in their folder. Output and exit code are those of
    /// the same command without parts.
    #[arg(help_heading = SHARDS, long, value_name = "DIR", conflicts_with_all = ["shard", "results"])]
    pub merge: Option<PathBuf>,
}

impl ShardArgs {
    /// The part that is to be judged, and the folder of its results.
    pub fn part(&self) -> Option<(Shard, &Path)> {
        self.shard.zip(self.results.as_deref())
    }
}

/// The variable that tells a pod of an Indexed Job its number.
const INDEX: &str = "JOB_COMPLETION_INDEX";

fn shard(text: &str) -> Result<Shard, String> {
    let number = |text: &str| text.parse::<usize>().ok();
    let wrong = || format!("a part of the work is I/N, such as 0/8, or N with {INDEX} set");
    let (index, count) = match text.split_once('/') {
        Some((index, count)) => (number(index), number(count)),
        None => (std::env::var(INDEX).ok().and_then(|index| number(&index)), number(text)),
    };
    let (index, count) = index.zip(count).ok_or_else(wrong)?;
    Shard::new(index, count).map_err(|error| error.to_string())
}

/// Options of `predict`.
#[derive(Debug, Args)]
pub struct PredictArgs {
    /// Model file.
    pub model: PathBuf,
    /// Photos, or folders of photos with all below them.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// Folder for anomaly maps (float TIFF, named like the photos) and, in its folder `overlays`,
    /// photos with the map drawn over them (PNG).
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub threshold: ThresholdArgs,
    /// Print JSON Lines: path, score, verdict, p-value and defect regions of each photo.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// Print CSV with a header: path,score,anomalous,p_value,regions,x,y,width,height (the number of
    /// defect regions, and the box of the one with the highest peak).
    #[arg(long)]
    pub csv: bool,
    /// Say how many photos of which folders would be judged, and end.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub shards: ShardArgs,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Options of `watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Photos in FOLDER and below it are judged once they are complete: their size and time of change have \
stayed the same for the settle time. Hidden files and folders, symbolic links and files without the \
name of an image (.part, .tmp) are left alone. A photo that is written anew under its name is judged \
anew.

The log is the memory: started again with the same log, also after a crash or a power cut, the \
program goes on where it was, and judges no photo twice. Keep a log as long as photos that it names \
are in FOLDER; then begin a new one. It is JSON Lines; every field is explained in docs/watch.md.

Drift: the scores of all parts are compared with those of calibration. If they went up or down for \
good, so that the lamp, the camera or the material must have changed, a line of the log and of the \
error output says so; verdicts stay as they are. Without drift the probability of ever getting an \
alarm is 1 %.

Ctrl-C and SIGTERM end the program between two photos, with exit code 0.

Examples:
  efficientad watch part.model /srv/camera
  efficientad watch part.model /srv/camera --rejects /srv/rejects --move --log line1.jsonl
  efficientad watch part.model /srv/camera --once --json | your-program")]
pub struct WatchArgs {
    /// Model file.
    pub model: PathBuf,
    /// Folder that photos arrive in.
    pub folder: PathBuf,
    /// Log to append to [default: FOLDER.jsonl, beside the folder].
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Folder that rejects are copied to, laid out like FOLDER; it may lie in FOLDER.
    #[arg(long, value_name = "DIR")]
    pub rejects: Option<PathBuf>,
    /// Move rejects instead of copying them.
    #[arg(long = "move", requires = "rejects", conflicts_with = "link")]
    pub move_rejects: bool,
    /// Make hard links instead of copies: no space is taken, but both must be on one drive.
    #[arg(long, requires = "rejects")]
    pub link: bool,
    /// Seconds that a photo must not change before it counts as complete; one that can't be read
    /// is tried again for ten times as long before it is logged as failed.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_seconds)]
    pub settle: Duration,
    /// End once all photos in the folder are judged.
    #[arg(long)]
    pub once: bool,
    /// Largest share of defective parts that is no drift, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = parse_defect_rate)]
    pub defect_rate: f64,
    #[command(flatten)]
    pub threshold: ThresholdArgs,
    /// Print the lines of the log instead of a table.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Options of `run`.
#[cfg(feature = "station")]
#[derive(Debug, Args)]
#[command(after_help = "\
A station is a file. This one looks at a folder and writes a table:

  name = \"cell 4\"
  [cameras.top]
  kind = \"folder\"               # or http, mjpeg; v4l2, genicam and gstreamer where they are built in
  path = \"/srv/camera\"
  [lines.lids]
  camera = \"top\"
  model = \"lid.model\"
  [outputs.table]
  kind = \"csv\"                  # or mqtt, webhook, modbus, tcp, serial, opcua
  path = \"lids.csv\"

docs/station.md, docs/cameras.md and docs/outputs.md tell all; docs/schemas/station.schema.json helps editors.

The file and the models are looked at every second: what changes is taken, once all of it can work. Ctrl-C and \
SIGTERM end the station when the photos in work are judged and their verdicts delivered, with exit code 0, or 1 if \
a line was halted or verdicts are still to be delivered.")]
pub struct RunArgs {
    /// The station's file.
    pub station: PathBuf,
    /// Say what can't work, and start nothing.
    #[arg(long)]
    pub check: bool,
    /// Print the lines of all logs, with the name of the line, instead of a table of rejects.
    #[arg(long)]
    pub json: bool,
    /// Seconds that outputs may take at the end to deliver what they have not yet.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub finish: Duration,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Options of `serve`.
#[cfg(feature = "server")]
#[derive(Debug, Args)]
#[command(after_help = "\
Photos come in as `curl --data-binary @part.jpg http://127.0.0.1:8080/api/models/NAME/inspect` sends them, or \
by the Open Inference Protocol, as clients of Triton and KServe do. docs/server.md tells all; the server \
describes itself at /openapi.json.

Only this machine is listened to by default. To be reached by others, the server needs tokens or \
certificates of clients. A token file has a line NAME ROLE TOKEN for each client; an operator has photos \
judged, an engineer loads and unloads models, too, and an auditor reads.

Ctrl-C and SIGTERM end the program once requests in progress are answered, with exit code 0.

Examples:
  efficientad serve --models /srv/models
  efficientad serve --models /srv/models --listen 0.0.0.0:8443 --token tokens --tls-cert cert.pem --tls-key key.pem")]
pub struct ServeArgs {
    /// Folder of models: the file part.model is called part. A file that changes is taken at once.
    #[arg(long, value_name = "DIR")]
    pub models: PathBuf,
    /// Folder for what people bring and make: photos, reports, the record of verdicts and changes. The page at /
    /// works at it.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Address and port to listen to; port 0 is any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// File of a station (`efficientad run`) on this machine, as often as there are such: the page shows its lines,
    /// too. It and its logs are only read.
    #[cfg(feature = "station")]
    #[arg(long, value_name = "FILE")]
    pub station: Vec<PathBuf>,
    /// Log of `efficientad watch` on this machine, as often as there are such: the page shows its verdicts, too.
    /// It is only read.
    #[arg(long, value_name = "FILE")]
    pub watch_log: Vec<PathBuf>,
    #[command(flatten)]
    pub record: RecordArgs,
    #[command(flatten)]
    pub guard: GuardArgs,
    #[command(flatten)]
    pub limits: ServeLimitArgs,
    /// Largest share of defective parts that is no drift, from 0 to 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, value_parser = parse_defect_rate)]
    pub defect_rate: f64,
    /// Write the log as lines of JSON.
    #[arg(long)]
    pub log_json: bool,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Which photos the record of verdicts keeps.
#[cfg(feature = "server")]
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Which photos are kept beside their verdicts in the record of --data.
    #[arg(help_heading = RECORD, long, value_name = "all|rejects|none", default_value = "rejects")]
    pub keep_photos: KeptPhotos,
    /// GiB of photos; beyond, the oldest are deleted. Verdicts stay.
    #[arg(help_heading = RECORD, long, value_name = "GIB", default_value_t = 10)]
    pub keep_gib: u32,
    /// Days after which photos are deleted [default: never].
    #[arg(help_heading = RECORD, long, value_name = "DAYS")]
    pub keep_days: Option<u32>,
}

/// Which photos are kept.
#[cfg(feature = "server")]
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum KeptPhotos {
    /// All.
    All,
    /// Those called anomalous.
    Rejects,
    /// None.
    None,
}

#[cfg(feature = "server")]
impl From<KeptPhotos> for efficientad_server::Keep {
    fn from(kept: KeptPhotos) -> Self {
        match kept {
            KeptPhotos::All => Self::All,
            KeptPhotos::Rejects => Self::Rejects,
            KeptPhotos::None => Self::None,
        }
    }
}

/// Who is let in.
#[cfg(feature = "server")]
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// File of tokens, one of which every request must have (Authorization: Bearer TOKEN).
    #[arg(help_heading = GUARD, long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Certificate of the server, with those that vouch for it (PEM): connections are encrypted.
    #[arg(help_heading = GUARD, long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(help_heading = GUARD, long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Certificates that vouch for clients (PEM): only clients with such a certificate are let in.
    #[arg(help_heading = GUARD, long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Let in anybody who can reach the address.
    #[arg(help_heading = GUARD, long)]
    pub insecure: bool,
}

/// What the server takes at most.
#[cfg(feature = "server")]
#[derive(Debug, Args)]
pub struct ServeLimitArgs {
    /// Models in memory; the one that was not used for longest makes room for another.
    #[arg(help_heading = MOST, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_models: u16,
    /// Photos that wait for a thread; requests beyond are answered by 503.
    #[arg(help_heading = MOST, long, value_name = "N", default_value_t = 64)]
    pub queue: u16,
    /// Size of a request's body, in MiB.
    #[arg(help_heading = MOST, long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_body: u16,
    /// Memory of all bodies together, and of the pictures and maps that are asked for, in MiB.
    #[arg(help_heading = MOST, long, value_name = "MIB", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..1 << 20))]
    pub memory: u32,
    /// Connections at once; others wait.
    #[arg(help_heading = MOST, long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u16).range(1..))]
    pub max_connections: u16,
    /// Seconds in which the body of a request must have come.
    #[arg(help_heading = MOST, long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..))]
    pub body_time: u16,
    /// Seconds in which the head of a request must have come, for which a connection may be idle, and
    /// for which a client may take nothing of an answer.
    #[arg(help_heading = MOST, long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub idle_time: u16,
}

/// The threshold of the verdicts.
#[derive(Debug, Args)]
pub struct ThresholdArgs {
    /// Score from which a photo is anomalous, and a pixel part of a defect region [default: the
    /// model's, see `efficientad info`].
    #[arg(long, value_name = "X", allow_negative_numbers = true, value_parser = parse_finite)]
    pub threshold: Option<f32>,
    /// Take the threshold for this share of good parts that may be called anomalous, as 0.01 or 1%,
    /// from the scores of good photos that the model keeps.
    #[arg(long, value_name = "RATE", conflicts_with = "threshold")]
    pub false_reject: Option<FalseRejectRate>,
}

/// Options of `calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
The promise holds for parts like those on the photos: take them at random from the production, by the \
same camera, lens and light, one photo a part, and none that the model was trained on. Scores keep \
their meaning, for the scale of the anomaly maps stays as it was trained.")]
pub struct CalibrateArgs {
    /// Model file.
    pub model: PathBuf,
    /// Photos of good parts that it was not trained on, or folders of them with all below.
    #[arg(required_unless_present = "surely_good", value_name = "GOOD_IMAGES")]
    pub good: Vec<PathBuf>,
    /// The same, of photos or folders that are not good parts by their names; as often as needed.
    #[arg(long = "good", value_name = "DIR", conflicts_with = "good")]
    pub surely_good: Vec<PathBuf>,
    /// Share of good parts that may be called anomalous, as 0.01 or 1% [default: what was asked of the model
    /// before, else 5% on average].
    ///
    /// It takes 299 photos to promise 1 % at 95 % confidence, whatever the scores' distribution, 59 for 5 %,
    /// 29 for 10 %. With fewer, 99 show 1 % on average, 49 show 2 %, 19 show 5 %. With fewer again, the
    /// threshold rests on an assumption, and says so.
    #[arg(long, value_name = "RATE")]
    pub false_reject: Option<FalseRejectRate>,
    /// Folder of photos of parts with defects: tells how many are caught, and which are missed.
    #[arg(long, value_name = "DIR")]
    pub defects: Option<PathBuf>,
    /// Model file to write [default: MODEL itself is replaced, and kept as MODEL.before-1, -2, …].
    #[arg(long, value_name = "MODEL2")]
    pub out: Option<PathBuf>,
    /// Say which photos would be taken, and end.
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Options of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// Model file.
    pub model: PathBuf,
    #[command(flatten)]
    pub data: DatasetArgs,
    /// Folder for results.json, the anomaly maps (float TIFF where MVTec's evaluation scripts look
    /// for them) and, in its folder `overlays`, pictures of all test images by falling score.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder for report.html: one page with all results, curves, the hardest images and how the
    /// threshold came about, to be read in any browser, printed and signed.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    #[command(flatten)]
    pub threshold: ThresholdArgs,
    /// Smallest value of a mask's pixel that is a defect, instead of telling defects by each mask's
    /// look.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub mask_threshold: Option<u8>,
    /// The dark pixels of masks, those below the mask threshold (1 unless it is given), are the
    /// defects.
    #[arg(long)]
    pub invert_masks: bool,
    /// Print one JSON document instead of a table; --out writes the same as results.json.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub shards: ShardArgs,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub engine: EngineArgs,
}

/// Options of `devices`.
#[derive(Debug, Args)]
pub struct DevicesArgs {
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cpu: CpuArgs,
}

/// Options of `info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// Model file.
    pub model: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Files of weights: PyTorch (.pth, .pt, .ckpt) or safetensors.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Folder (or data set) of photos of good parts.
    ///
    /// For nelson1425's networks: the photos that they were trained on, about a tenth for scale and
    /// threshold as in training, the others for the teacher's statistics. For anomalib's models: photos that
    /// they were not trained on, all for scale and threshold.
    #[arg(long, value_name = "DIR")]
    pub good: Option<PathBuf>,
    #[command(flatten)]
    pub decode: DecodeArgs,
    #[command(flatten)]
    pub cpu: CpuArgs,
}

/// Options of `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
The graph reads `image` (N×3×H×W: N photos resized to the model's input, as RGB) and gives `map`
(N×1×H/4×W/4, the anomaly map) and `score` (N, the largest value of the map resized to H×W). Resize
like Pillow's BILINEAR, as the model was trained. For the score that `predict` gives a photo of
another size, resize `map` to that size, bilinearly, and take the largest value. The threshold and
what `info --json` prints are in the file's metadata.

Of a model that sees photos in tiles or padded, the graph judges one tile or padded photo; cutting,
padding and putting maps together are the caller's work, and so is clearing what lies outside a \
region, before and after (docs/views.md). The metadata's `view` says how the model sees photos.")]
pub struct ExportArgs {
    /// Model file.
    pub model: PathBuf,
    /// ONNX file to write.
    #[arg(long, value_name = "FILE")]
    pub onnx: PathBuf,
    /// What the graph reads.
    #[arg(long, value_name = "KIND", default_value = "normalized")]
    pub input: ExportInput,
}

/// What an exported graph reads.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ExportInput {
    /// float32: (value / 255 − mean) / deviation, with ImageNet's mean 0.485, 0.456, 0.406 and
    /// deviation 0.229, 0.224, 0.225 of red, green and blue.
    Normalized,
    /// uint8 from 0 to 255; the graph normalises it.
    U8,
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Size of the networks: small or medium.
    #[arg(long, value_name = "small|medium", default_value = "small", value_parser = parse_size)]
    pub size: PdnSize,
    /// Repetitions; the median is printed.
    #[arg(long, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
    /// Images that are inspected at once.
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub images: u16,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub engine: EngineArgs,
}

fn parse_size(text: &str) -> Result<PdnSize, String> {
    [PdnSize::Small, PdnSize::Medium]
        .into_iter()
        .find(|size| size.to_string() == text)
        .ok_or_else(|| "choose small or medium".to_owned())
}

pub fn parse_precision(text: &str) -> Result<Precision, String> {
    [Precision::F32, Precision::Tf32, Precision::F16, Precision::Bf16]
        .into_iter()
        .find(|precision| precision.to_string() == text)
        .ok_or_else(|| "choose f32, tf32, f16 or bf16".to_owned())
}

pub fn parse_device(text: &str) -> Result<DeviceName, String> {
    match text {
        "cpu" => Ok(DeviceName::Cpu),
        "gpu" => Ok(DeviceName::Gpu(None)),
        "auto" => Ok(DeviceName::Auto),
        _ => match text.strip_prefix("gpu:").unwrap_or(text).parse() {
            Ok(number) => Ok(DeviceName::Gpu(Some(number))),
            Err(_) => {
                Err("choose cpu, gpu, gpu:0 (or another number of `efficientad devices`) or \
                           auto"
                    .to_owned())
            }
        },
    }
}

fn parse_training_engine(text: &str) -> Result<EngineName, String> {
    match text {
        "cpu" => Ok(EngineName::Cpu),
        "onnxruntime" => Err("ONNX Runtime runs networks, but does not train them: train on the \
             CPU or a GPU, then `efficientad calibrate --engine onnxruntime`"
            .to_owned()),
        _ => Err("cpu is the only one here; --device gpu trains on a GPU".to_owned()),
    }
}

fn parse_input(text: &str) -> Result<InputSize, String> {
    let (height, width) = text.split_once(['x', '×']).unwrap_or((text, text));
    let side = |side: &str| {
        side.trim()
            .parse()
            .map_err(|_| format!("{side:?} is no whole number; write 256 or 256x320"))
    };
    InputSize::new(side(height)?, side(width)?).map_err(|error| error.to_string())
}

fn parse_photos(text: &str) -> Result<PhotosArg, String> {
    match text {
        "" => Err("give a folder, or none".to_owned()),
        "none" => Ok(PhotosArg::None),
        folder => Ok(PhotosArg::Folder(folder.into())),
    }
}

fn parse_layers(text: &str) -> Result<[String; 2], String> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    <[String; 2]>::try_from(names)
        .ok()
        .filter(|names| names.iter().all(|name| !name.is_empty()))
        .ok_or_else(|| "give two names, stride 8 first: layer2,layer3".to_owned())
}

fn parse_three(text: &str) -> Result<[f32; 3], String> {
    let numbers: Result<Vec<f32>, String> =
        text.split(',').map(|number| parse_finite(number.trim())).collect();
    <[f32; 3]>::try_from(numbers?).map_err(|_| "give three numbers: 0.5,0.5,0.5".to_owned())
}

fn parse_deviations(text: &str) -> Result<[f32; 3], String> {
    let three = parse_three(text)?;
    let positive = three.iter().all(|&value| value > 0.0);
    if positive { Ok(three) } else { Err("must be above 0".to_owned()) }
}

fn parse_hours(text: &str) -> Result<Duration, String> {
    let hours = f64::from(parse_positive(text)?);
    Duration::try_from_secs_f64(3600.0 * hours).map_err(|error| error.to_string())
}

fn parse_range(text: &str) -> Result<(f32, f32), String> {
    let (low, high) = text
        .split_once("..")
        .or_else(|| text.split_once(','))
        .ok_or("give two numbers: 0..1, or 0,1")?;
    let range = (parse_finite(low.trim())?, parse_finite(high.trim())?);
    if range.0 < range.1 { Ok(range) } else { Err("the first must be below the second".to_owned()) }
}

fn parse_megapixels(text: &str) -> Result<u64, String> {
    let pixels = 1e6 * f64::from(parse_positive(text)?);
    Ok(pixels.max(1.0) as u64)
}

fn parse_gibibytes(text: &str) -> Result<f64, String> {
    parse_positive(text).map(f64::from)
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().map_err(|_| "write seconds, for example 0.5".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration <= MAX_SETTLE { Ok(duration) } else { Err("must be an hour at most".to_owned()) }
}

fn parse_defect_rate(text: &str) -> Result<f64, String> {
    let is_rate = |rate: &f64| (0.0..1.0).contains(rate);
    text.parse().ok().filter(is_rate).ok_or_else(|| "must be from 0 to below 1".to_owned())
}

fn parse_finite(text: &str) -> Result<f32, String> {
    text.parse().ok().filter(|value: &f32| value.is_finite()).ok_or("not a number".to_owned())
}

fn parse_positive(text: &str) -> Result<f32, String> {
    parse_finite(text)
        .and_then(|value| if value > 0.0 { Ok(value) } else { Err("must be above 0".to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_heading_stands_above_its_own_options_alone() {
        for command in Cli::command().get_subcommands() {
            for arg in command.get_arguments() {
                let name = arg.get_id().as_str();
                let expected = match name {
                    "orientation" | "bits" | "max_pixels" | "max_side" => Some(READING),
                    "letterbox" | "tile" | "overlap" => Some(SEEN),
                    "region" | "exclude" => Some(REGION),
                    "preset" | "mean" | "std" => Some(BACKBONE),
                    "masks" => Some(STATED),
                    #[cfg(feature = "server")]
                    "token" | "insecure" => Some(GUARD),
                    #[cfg(feature = "server")]
                    "queue" | "memory" => Some(MOST),
                    "keep_photos" | "keep_gib" | "keep_days" => Some(RECORD),
                    "out" | "dry_run" | "steps" | "validation" | "json" | "quiet" => None,
                    _ => continue,
                };
                assert_eq!(arg.get_help_heading(), expected, "{} {name}", command.get_name());
            }
        }
    }

    #[test]
    fn input_sizes_are_sides_or_height_by_width() {
        assert_eq!(parse_input("256"), Ok(InputSize::default()));
        let size = parse_input("256x320").unwrap();
        assert_eq!((size.height(), size.width()), (256, 320));
        assert!(parse_input("256x").unwrap_err().contains("write 256 or 256x320"));
        assert!(parse_input("250").unwrap_err().contains("nearest size is 256×256"));
    }

    #[test]
    fn none_is_no_folder() {
        assert_eq!(parse_photos("none"), Ok(PhotosArg::None));
        assert_eq!(parse_photos("./none"), Ok(PhotosArg::Folder("./none".into())));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        assert!(parse_finite("NaN").is_err() && parse_finite("inf").is_err());
        assert_eq!(parse_finite("-0.5"), Ok(-0.5));
        assert!(parse_positive("0").is_err() && parse_positive("x").is_err());
    }

    #[test]
    fn ranges_have_two_ends() {
        for text in ["-0.5..1", "-0.5, 1", "-.5..1.0"] {
            assert_eq!(parse_range(text), Ok((-0.5, 1.0)), "{text}");
        }
        for text in ["1", "1..0", "0..0", "0..x", "..1", "0..inf"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
    }

    #[test]
    fn megapixels_bring_the_memory_that_they_need() {
        let limits = |text| {
            let max_pixels = Some(parse_megapixels(text).unwrap());
            LimitArgs { max_pixels, max_side: None }.limits()
        };
        assert_eq!(LimitArgs { max_pixels: None, max_side: None }.limits(), Limits::default());
        assert_eq!(
            (limits("400").max_pixels, limits("400").max_bytes),
            (400_000_000, 3_200_000_000)
        );
        assert_eq!((limits("0.5").max_pixels, limits("0.5").max_bytes), (500_000, 1 << 30));
        assert!(parse_megapixels("0").is_err() && parse_megapixels("many").is_err());
    }
}
