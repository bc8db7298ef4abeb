//! `efficientad pretrain --json`.

use std::path::Path;

use efficientad::{Distillation, RSquared};
use serde::Serialize;

use crate::output;

/// What happened, as one line of JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Line<'a> {
    /// Targets were computed.
    Targets { done: usize, total: usize, seconds_left: Option<f64> },
    /// The training begins.
    Training { samples: usize, steps: u64, steps_done: u64, cache: &'a Path },
    /// Steps were done; the loss is the mean since the last report.
    Step { step: u64, steps: u64, loss: f64, photos_per_second: f64, seconds_left: f64 },
    /// The teacher was measured on the photos held back.
    Validation { step: u64, r_squared: RSquared },
    /// The user stopped it.
    Stopped { step: u64, checkpoint: Option<&'a Path> },
    /// The teacher is saved.
    Done {
        teacher: &'a Path,
        distillation: &'a Distillation,
        skipped: usize,
        recomputed: usize,
        seconds: f64,
    },
}

/// JSON Lines about the pretraining. A reader who goes away does not stop it.
#[derive(Clone, Copy)]
pub struct Events {
    /// Whether they are wanted.
    pub json: bool,
}

impl Events {
    /// Prints a line.
    pub fn send(self, line: &Line<'_>) {
        if self.json {
            // Should the output be closed, the teacher still matters.
            let _ = output::print_json(line);
        }
    }
}
