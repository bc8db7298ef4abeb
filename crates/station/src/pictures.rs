//! Pictures of rejects.

use std::fs;
use std::io;
use std::path::PathBuf;

use efficientad_evaluation::{Judged, Verdict};
use efficientad_images::picture::save_png;
use efficientad_stream::entry::PhotoFile;
use efficientad_stream::{Arrival, Receipt, Sink};

/// A folder that rejects of a camera are written to as they were judged, each as a PNG file under the
/// name that the log gives its photo.
///
/// A picture is written after its line is in the log: a kill in between leaves a line without it. A kill
/// after the picture is made up for at the next start.
#[derive(Debug)]
pub(crate) struct Pictures {
    pub(crate) folder: PathBuf,
}

impl Sink for Pictures {
    fn wants(&self, verdict: &Verdict) -> bool {
        verdict.anomalous == Some(true)
    }

    fn deliver(
        &mut self,
        arrival: &Arrival,
        _verdict: &Verdict,
        judged: Option<&Judged>,
    ) -> io::Result<Receipt> {
        let Some(judged) = judged else {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the photo is not there any more"));
        };
        let name = name(&arrival.photo);
        let path = self.folder.join(&name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        save_png(&path, &judged.image).map_err(io::Error::other)?;
        Ok(Receipt { to: name, to_hex: None })
    }

    fn find(&self, photo: &PhotoFile) -> Option<Receipt> {
        let name = name(photo);
        let is_there = self.folder.join(&name).is_file();
        is_there.then_some(Receipt { to: name, to_hex: None })
    }
}

/// `CAMERA/2026-11-29T16:00:00.5Z-12` as a file that every system can have.
fn name(photo: &PhotoFile) -> String {
    let name: String = photo.path.chars().map(|it| if it == ':' { '.' } else { it }).collect();
    format!("{name}.png")
}
