//! `efficientad train --json`.

use std::path::Path;

use efficientad::Threshold;
use efficientad_datasets::{Layout, Taken};
use efficientad_jobs::{Effect, StepReport};
use serde::Serialize;

use crate::output;

/// JSON Lines about the training. A reader who goes away does not stop it.
pub struct Events {
    /// Whether they are wanted.
    pub json: bool,
}

/// What happened, as one line of JSON.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Line<'a> {
    /// Which photos are taken, and for what.
    Data { layout: Option<Layout>, taken: &'a [Taken] },
    /// Steps were done.
    Step(&'a StepReport),
    /// The user stopped the training.
    Stopped { step: u64, checkpoint: Option<&'a Path> },
    /// The model is saved.
    Done {
        model: &'a Path,
        steps: u64,
        threshold: Option<&'a Threshold>,
        /// What it would be for other rates.
        other_thresholds: Vec<Threshold>,
        /// What a continuation changed for the photos held back; `None` if training began anew.
        held_back: Option<&'a Effect>,
        skipped: usize,
        seconds: f64,
    },
}

impl Events {
    /// Prints a line.
    pub fn send(&self, line: &Line<'_>) {
        if self.json {
            // Should the output be closed, the model still matters.
            let _ = output::print_json(line);
        }
    }
}
