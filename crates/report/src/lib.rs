//! An evaluation as one HTML page that can be read, printed and signed.
//!
//! | module | what it does |
//! |---|---|
//! | `hardest` | the images whose verdict was wrong, or right by the least, with their pictures |
//! | `histogram`, `plot` | scores and curves as inline SVG |
//! | `promise` | how the threshold came about and what it promises, in words |
//! | `origin` | which program, model, settings and data the results come from |
//! | `document` | all that the page shows, in the order of the page |
//! | `text` | numbers as people read them |
//!
//! The page holds all it needs: no script, no other file, no request. The same inputs give the same
//! bytes: there is no date in it but the one that is written by hand. Its size is bounded by
//! [`MAX_PICTURES`] and [`MAX_LISTED`], whatever the number of images.

mod document;
mod error;
mod hardest;
mod histogram;
mod origin;
mod plot;
mod promise;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use efficientad_evaluation::{Report, Sample};
use efficientad_files::{check_writable, write_atomically};
use efficientad_images::PictureError;

use askama::Template;
use document::Document;
use hardest::Hardest;

pub use error::ReportError;
pub use hardest::MAX_PICTURES;
pub use origin::Subject;

/// Images in the page's list of images, and failures in its list of failures, at most.
pub const MAX_LISTED: usize = 500;

/// Name of the page in its folder.
const FILE_NAME: &str = "report.html";

/// A report under way.
#[derive(Debug)]
pub struct ReportWriter {
    path: PathBuf,
    hardest: Result<Hardest, PictureError>,
}

impl ReportWriter {
    /// Makes the folder, before there is anything to report. Heat in the pictures is coloured by
    /// the threshold of the verdicts.
    ///
    /// # Errors
    /// The folder can't be made, or the page not be written into it.
    pub fn create(folder: &Path, threshold: Option<f32>) -> Result<Self, ReportError> {
        let path = folder.join(FILE_NAME);
        fs::create_dir_all(folder).map_err(ReportError::write(folder))?;
        check_writable(&path).map_err(ReportError::write(&path))?;
        Ok(Self { path, hardest: Ok(Hardest::new(threshold)) })
    }

    /// Takes an image's pictures along if it is among the hardest so far. What goes wrong is told by
    /// [`ReportWriter::finish`].
    pub fn add(&mut self, sample: Sample<'_>) {
        let added = self.hardest.as_mut().map(|hardest| hardest.add(sample));
        if let Ok(Err(error)) = added {
            self.hardest = Err(error);
        }
    }

    /// Writes the page, whole or not at all; its path.
    ///
    /// # Errors
    /// A picture could not be made, the model or a test image can't be read again, or the page
    /// can't be written.
    pub fn finish(
        self,
        evaluation: &Report,
        subject: &Subject<'_>,
    ) -> Result<PathBuf, ReportError> {
        let hardest = self.hardest?;
        let document = Document::new(evaluation, subject, &hardest)?;
        write_atomically(&self.path, |writer| document.write_into(writer))
            .map_err(ReportError::write(&self.path))?;
        Ok(self.path)
    }
}
