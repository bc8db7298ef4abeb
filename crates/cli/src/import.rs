//! `efficientad import`.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, bail};
use efficientad::{Imported, ImportedNetworks, Model, Teacher, import};
use efficientad_datasets::{DEFAULT_FRACTION, Dataset};

use crate::args::ImportArgs;
use crate::machine;
use crate::output::{self, Status, check_writable};
use crate::progress::{Progress, Style};
use crate::sources::Images;
use crate::training_data::skip_unreadable;

/// Seed of the split of the good photos.
const SPLIT_SEED: u64 = 0;

/// Turns foreign weights into a file of this program.
pub fn run(args: ImportArgs) -> Result<Status> {
    check_writable(&args.out)?;
    match (import(&args.files)?, &args.good) {
        (Imported::Teacher(teacher), None) => save_teacher(&teacher, &args.out),
        (Imported::Teacher(_), Some(_)) => {
            bail!("a teacher alone needs no photos: leave out --good, and give it to train")
        }
        (Imported::Model(model), None) => save_uncalibrated(&model, &args.out),
        (Imported::Model(model), Some(good)) => recalibrate(&model, good, &args),
        (Imported::Networks(_), None) => bail!(
            "these files lack the statistics of the teacher and the scale of the maps; give \
             --good DIR with the photos of good parts that the networks were trained on"
        ),
        (Imported::Networks(networks), Some(good)) => complete(networks, good, &args),
    }
}

fn save_teacher(teacher: &Teacher, out: &Path) -> Result<Status> {
    teacher.save(out)?;
    let (size, out) = (teacher.size(), out.display());
    output::print(format_args!("{out}: {size} teacher, for efficientad train --teacher {out}"))?;
    Ok(Status::Done)
}

fn save_uncalibrated(model: &Model, out: &Path) -> Result<Status> {
    save(model, out)?;
    output::note(
        "it scales maps as the other program did and has no threshold; give --good DIR to take \
         both from photos of good parts that it was not trained on",
    );
    Ok(Status::Done)
}

fn recalibrate(model: &Model, good: &Path, args: &ImportArgs) -> Result<Status> {
    let mut photos = GoodPhotos::open(good, args)?;
    let dataset = photos.dataset;
    let held_back = if dataset.validation.is_empty() { dataset.train } else { dataset.validation };
    let images = Images { files: held_back, decode: args.decode.options() };
    let model = model.recalibrate(machine::cpu(&args.cpu)?, &images, &mut |at| {
        photos.progress.count(at.stage, at.done, at.total);
        ControlFlow::Continue(())
    })?;
    save(&model, &args.out)?;
    Ok(Status::from_failures(photos.skipped))
}

fn complete(networks: ImportedNetworks, good: &Path, args: &ImportArgs) -> Result<Status> {
    let mut photos = GoodPhotos::open(good, args)?;
    let split = photos.dataset.split(DEFAULT_FRACTION, SPLIT_SEED)?;
    let images = |files| Images { files, decode: args.decode.options() };
    let (train, validation) = (images(split.train), images(split.validation));
    let cpu = machine::cpu(&args.cpu)?;
    let model = networks.calibrate(cpu, &train, &validation, &mut |at| {
        photos.progress.count(at.stage, at.done, at.total);
        ControlFlow::Continue(())
    })?;
    save(&model, &args.out)?;
    Ok(Status::from_failures(photos.skipped))
}

fn save(model: &Model, out: &Path) -> Result<()> {
    model.save(out)?;
    output::print(format_args!("{}: {} model", out.display(), model.info().size))?;
    model
        .info()
        .threshold
        .iter()
        .try_for_each(|threshold| output::print(format_args!("threshold {threshold}")))
}

/// Photos of good parts that can be read.
struct GoodPhotos {
    dataset: Dataset,
    skipped: usize,
    progress: Progress,
}

impl GoodPhotos {
    fn open(folder: &Path, args: &ImportArgs) -> Result<Self> {
        let mut progress = Progress::new(Style::choose(false, false));
        let mut dataset = Dataset::open(folder)?;
        let (decode, threads) = (args.decode.options(), machine::threads(&args.cpu));
        let skipped = skip_unreadable(&mut dataset, &decode, threads, &mut progress)?;
        Ok(Self { dataset, skipped, progress })
    }
}
