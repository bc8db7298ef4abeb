//! Which photos a command takes, and for what: said before it works.

use std::ops::ControlFlow;

use anyhow::Result;
use efficientad_datasets::{Layout, Taken};
use efficientad_jobs::JobError;
use serde::Serialize;

use crate::output::{self, printable};

/// Folders that are named before the rest is only counted.
const MOST_LINES: usize = 20;

/// Says what is taken; with `--dry-run` nothing else is done.
#[derive(Debug, Clone, Copy)]
pub struct Taking {
    /// Whether to end once it is said.
    pub dry_run: bool,
    /// Whether for machines: then it is said of a dry run alone.
    pub json: bool,
    /// Whether not at all.
    pub quiet: bool,
}

/// What `--dry-run --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    layout: Option<Layout>,
    taken: &'a [Taken],
}

impl Taking {
    /// Says it; breaks if that is all.
    pub fn show(self, layout: Option<Layout>, taken: &[Taken]) -> ControlFlow<()> {
        self.say(layout, taken);
        self.flow()
    }

    /// Says it.
    pub fn say(self, layout: Option<Layout>, taken: &[Taken]) {
        // A reader that has gone away changes nothing: the command ends, or has other things to do.
        if self.dry_run && self.json {
            let _ = output::print_json(&Document { layout, taken });
        } else if self.dry_run {
            let _ = lines(layout, taken).into_iter().try_for_each(output::print);
        } else if !self.quiet && !self.json {
            lines(layout, taken).into_iter().for_each(output::note);
        }
    }

    /// Breaks if all is said.
    pub fn flow(self) -> ControlFlow<()> {
        if self.dry_run { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// What a job returned; if a dry run ended it, that was the work.
    ///
    /// # Errors
    /// The job's own.
    pub fn end<T>(self, outcome: Result<T, JobError>) -> Result<Option<T>> {
        match outcome {
            Err(JobError::Cancelled) if self.dry_run => Ok(None),
            outcome => Ok(Some(outcome?)),
        }
    }
}

fn lines(layout: Option<Layout>, taken: &[Taken]) -> Vec<String> {
    let layout = layout.map_or_else(String::new, |layout| format!(" ({layout})"));
    let mut lines = vec![format!("taking{layout}:")];
    let line = |taken: &Taken| format!("  {}", printable(&taken.to_string()));
    lines.extend(taken.iter().take(MOST_LINES).map(line));
    if let Some(others @ [_, ..]) = taken.get(MOST_LINES..) {
        let files: usize = others.iter().map(|taken| taken.files).sum();
        lines.push(format!("  and {files} files of {} more folders", others.len()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_datasets::TakenAs;

    #[test]
    fn many_folders_are_counted() {
        let taken: Vec<Taken> = (0..23)
            .map(|day| Taken {
                folder: format!("day-{day}"),
                taken_as: TakenAs::Training,
                files: 2,
            })
            .collect();
        let all = lines(Some(Layout::Folder), &taken);
        assert_eq!((all.len(), all[0].as_str()), (22, "taking (folder of images):"));
        assert_eq!(all[1], "  day-0: 2 good, to train on");
        assert_eq!(all[21], "  and 6 files of 3 more folders");
    }
}
