//! The faster one of CPU and GPU, as measured once and remembered.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use efficientad::benchmark::{inspection, training_step};
use efficientad::engine::Share;
use efficientad::{EngineId, Error, PdnSize, Precision, Recipe, TrainingEngine};
use efficientad_files::{cache_folder, read_limited, write_atomically};
use serde::{Deserialize, Serialize};

use super::{Purpose, gpu, on_cpu};
use crate::args::CpuArgs;
use crate::output;

/// Rounds of a measurement, after one that warms up.
const ROUNDS: usize = 3;
/// Most bytes that are read of what is remembered.
const MOST: u64 = 1 << 20;

/// What one piece of work takes.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Times {
    cpu_ms: f64,
    gpu_ms: f64,
}

/// Opens the faster one and says which.
pub(super) fn fastest(
    cpu: &CpuArgs,
    purpose: Purpose,
    precision: Option<Precision>,
) -> Result<Arc<dyn TrainingEngine>> {
    // A precision that the CPU does not have leaves no choice.
    if precision.is_some_and(|precision| precision != Precision::F32) {
        return gpu::on_gpu(None, cpu, purpose, precision);
    }
    let on_cpu = on_cpu(cpu, None)?;
    if gpu::first().is_none() {
        output::note(format_args!("--device auto: the CPU, as there is no GPU"));
        return Ok(on_cpu);
    }
    let on_gpu = gpu::on_gpu(None, cpu, purpose, None)?;
    let times = remembered_or_measured(&*on_cpu, &*on_gpu, purpose)?;
    let (chosen, engine): (&str, Arc<dyn TrainingEngine>) =
        if times.gpu_ms < times.cpu_ms { ("the GPU", on_gpu) } else { ("the CPU", on_cpu) };
    output::note(format_args!(
        "--device auto: {chosen}; {} takes {:.1} ms on the CPU, {:.1} ms on the GPU",
        purpose.work(),
        times.cpu_ms,
        times.gpu_ms
    ));
    Ok(engine)
}

impl Purpose {
    fn work(self) -> &'static str {
        match self {
            Self::Inspection => "an inspection",
            Self::Training => "a training step",
        }
    }
}

fn remembered_or_measured(
    cpu: &dyn TrainingEngine,
    gpu: &dyn TrainingEngine,
    purpose: Purpose,
) -> Result<Times> {
    let file = cache_folder().map(|folder| folder.join("devices.json"));
    let mut all = file.as_deref().map(remembered).unwrap_or_default();
    let key = key(&cpu.id(), cpu.threads().count(), &gpu.id(), purpose);
    if let Some(&times) = all.get(&key) {
        return Ok(times);
    }
    output::note(format_args!("--device auto: measuring {} on CPU and GPU", purpose.work()));
    let times = Times { cpu_ms: measured(cpu, purpose)?, gpu_ms: measured(gpu, purpose)? };
    all.insert(key, times);
    if let Some(file) = file {
        remember(&file, &all)?;
    }
    Ok(times)
}

/// What a measurement is of: another program, CPU, number of threads, GPU or driver is another one.
fn key(cpu: &EngineId, threads: usize, gpu: &EngineId, purpose: Purpose) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!("efficientad {version}, {}, {cpu} {threads} threads, {gpu}", purpose.work())
}

/// What is remembered; nothing if the file can't be read, which a new measurement replaces.
fn remembered(file: &Path) -> BTreeMap<String, Times> {
    let bytes = read_limited(file, MOST).ok();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn remember(file: &Path, all: &BTreeMap<String, Times>) -> Result<()> {
    let write = || -> io::Result<()> {
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        write_atomically(file, |out| Ok(serde_json::to_writer_pretty(out, all)?))
    };
    write().with_context(|| format!("{}: cannot remember which device is faster", file.display()))
}

/// The shortest of some rounds, in milliseconds.
fn measured(engine: &dyn TrainingEngine, purpose: Purpose) -> Result<f64, Error> {
    let mut work: Box<dyn FnMut() -> Result<(), Error>> = match purpose {
        Purpose::Inspection => Box::new(inspection(PdnSize::Small, engine, 1, Share::Whole)?),
        Purpose::Training => Box::new(training_step(Recipe::default(), engine, true)?),
    };
    work()?;
    let mut shortest = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        work()?;
        shortest = shortest.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(shortest)
}
