//! `efficientad import`.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Result;
use efficientad::Model;
use efficientad_jobs::{Event, ImportOutcome, ImportPlan, import};

use crate::args::ImportArgs;
use crate::machine;
use crate::output::{self, Status};
use crate::progress::{Progress, Style};
use crate::remarks::{self, remark};
use crate::taking::Taking;

/// Turns foreign weights into a file of this program.
pub fn run(args: ImportArgs) -> Result<Status> {
    let plan = ImportPlan {
        files: args.files,
        out: args.out,
        good: args.good,
        reading: args.decode.reading(),
        engine: machine::cpu(&args.cpu)?,
    };
    let taking = Taking { dry_run: false, json: false, quiet: false };
    let mut progress = Progress::new(Style::choose(false, false));
    let outcome = import(&plan, &mut |event| {
        match event {
            Event::Taking { layout, taken } => taking.show(layout, taken)?,
            Event::Progress { stage, done, total } => progress.count(stage, done, total),
            _ => remark(&event).iter().for_each(|line| progress.note(line)),
        }
        ControlFlow::Continue(())
    })?;
    drop(progress);
    print_outcome(&outcome, &plan.out)
}

fn print_outcome(outcome: &ImportOutcome, out: &Path) -> Result<Status> {
    match outcome {
        ImportOutcome::Teacher(teacher) => {
            let (size, out) = (teacher.size(), out.display());
            output::print(format_args!(
                "{out}: {size} teacher, for efficientad train --teacher {out}"
            ))?;
            Ok(Status::Done)
        }
        ImportOutcome::Uncalibrated(model) => {
            print_model(model, out)?;
            output::note(
                "it scales maps as the other program did and has no threshold; give --good DIR to \
                 take both from photos of good parts that it was not trained on",
            );
            Ok(Status::Done)
        }
        ImportOutcome::Calibrated { model, skipped } => {
            remarks::recognised(&model.info().photo_samples()).iter().for_each(output::note);
            print_model(model, out)?;
            Ok(Status::from_failures(*skipped))
        }
    }
}

fn print_model(model: &Model, out: &Path) -> Result<()> {
    output::print(format_args!("{}: {} model", out.display(), model.info().size))?;
    model
        .info()
        .threshold
        .iter()
        .try_for_each(|threshold| output::print(format_args!("threshold {threshold}")))
}
