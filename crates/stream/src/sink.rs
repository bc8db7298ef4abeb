//! Where verdicts go, beside the log.

use std::io;

use efficientad_evaluation::{Judged, Verdict};

use crate::entry::PhotoFile;
use crate::source::Arrival;

/// Takes verdicts, each at least once whatever happens, and files photos by them.
///
/// A verdict is delivered after its line is in the log and on the disk. A line `filed` says that it
/// was delivered; one without it is delivered again as soon as the source gives the photo, also
/// after a restart.
pub trait Sink {
    /// Whether a verdict concerns this sink.
    fn wants(&self, verdict: &Verdict) -> bool;

    /// Delivers a verdict, or finds that it was delivered already; what the log is to say of the
    /// place. `judged` is what was judged, unless that was before a restart.
    ///
    /// # Errors
    /// It can't be delivered now; it is tried again.
    fn deliver(
        &mut self,
        arrival: &Arrival,
        verdict: &Verdict,
        judged: Option<&Judged>,
    ) -> io::Result<Receipt>;

    /// Where a photo is that the source holds no more: it was delivered, but the program was killed
    /// before the line could be written.
    fn find(&self, _photo: &PhotoFile) -> Option<Receipt> {
        None
    }
}

/// Where a photo or its verdict went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The place, for example a path in a folder of rejects.
    pub to: String,
    /// The bytes of a path that is no UTF-8, in hexadecimal digits.
    pub to_hex: Option<String>,
}
