//! Training, pretraining, calibration, evaluation and import as calls with events and cancellation: what a
//! command line, a server and a binding to another language have in common.
//!
//! | call | what it does |
//! |---|---|
//! | [`train()`], [`TrainJob`] | from photos of good parts to a model's file: anew, from a finished model, or from a checkpoint |
//! | [`pretrain()`] | from a backbone and photos to a teacher's file |
//! | [`calibrate()`] | takes a finished model's threshold from other photos |
//! | [`evaluate()`] | judges a data set's test images and measures how well that works |
//! | [`evaluate_shard()`], [`evaluate_merged()`] | the same by several processes, each a part of the images |
//! | [`import()`] | turns weights of other programs into a teacher or model |
//! | [`Data::open`] | lists, decodes, splits and describes the images of a training |
//!
//! Each takes a plan, a struct of named fields, and an [`Observer`], a closure that is told every
//! [`Event`] and answers whether to go on. When it breaks, a training writes a checkpoint and
//! returns [`TrainOutcome::Stopped`]; the same plan with [`Start::resume`] goes on from there, and
//! the model is the same, bit for bit. Nothing is printed, and no signal is caught.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::sync::Arc;
//!
//! use efficientad::{CpuEngine, InstructionSet, Recipe};
//! use efficientad_jobs::{DataPaths, Event, Start, TrainOutcome, TrainPlan, train};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cpu = Arc::new(CpuEngine::new(4, InstructionSet::best())?);
//! let data = DataPaths::new("photos-of-good-parts");
//! let plan = TrainPlan::new(data, "part.model", Start::new(Recipe::default())?, cpu);
//! let outcome = train(plan, &mut |event| {
//!     if let Event::Step(report) = event {
//!         println!("step {} of {}: {}", report.step, report.steps, report.losses);
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! match outcome {
//!     TrainOutcome::Done(trained) => println!("{}", trained.path.display()),
//!     TrainOutcome::Stopped(stopped) => println!("stopped after step {}", stopped.step),
//! }
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod backup;
mod calibrate;
mod data;
mod error;
mod evaluate;
mod event;
mod files;
mod good_parts;
mod images;
mod import;
mod interval;
mod meter;
mod penalty_photos;
mod pretrain;
mod readable;
mod reading;
mod steps;
mod train;

pub use calibrate::{CalibratePlan, Calibrated, calibrate};
pub use data::{Data, DataPaths, OldPaths};
pub use error::JobError;
pub use evaluate::{EvaluatePlan, Evaluated, evaluate, evaluate_merged, evaluate_shard};
pub use event::{Event, Observer, Stage};
pub use files::{LONGEST_PART_NAME, beside, check_writable, checkpoint_of, is_part_name};
pub use images::Images;
pub use import::{ImportOutcome, ImportPlan, import};
pub use interval::Interval;
pub use meter::{MeanLoss, MeanLosses, StepReport};
pub use penalty_photos::{NoReadablePhoto, PenaltyPhotos, PhotosFrom};
pub use pretrain::{
    InitialWeights, PretrainOutcome, PretrainPlan, PretrainStart, Pretrained, TimeLimit, pretrain,
};
pub use reading::Reading;
pub use steps::Stopped;
pub use train::{
    BeforeAfter, Effect, Parent, RegionFiles, Resume, ScoreSummary, Start, TrainJob, TrainOutcome,
    TrainPlan, Trained, train,
};
