//! What is said of photos, masks and folders while a command works, in one form for all commands.

use efficientad::Samples;
use efficientad_datasets::LeftOut;
use efficientad_images::MaskKind;
use efficientad_jobs::Event;

use crate::output::printable;
use crate::wording::{in_words, with_options};

/// The line that tells of an event that several commands have; `None` for the others.
pub fn remark<L>(event: &Event<'_, L>) -> Option<String> {
    let line = match event {
        Event::DataOpened(data) => recognised(&data.samples),
        Event::Skipped { reason, .. } => Some(format!("skipped: {}", in_words(*reason))),
        Event::NotJudged(failure) => Some(format!("skipped: {}", with_options(&failure.reason))),
        Event::MaskNotUsed(failure) => Some(format!(
            "{}: counts for image metrics only: {}",
            failure.path.display(),
            with_options(&failure.reason)
        )),
        // What data sets usually have.
        Event::MaskKind { kind: MaskKind::WhiteOnBlack, .. } => None,
        Event::MaskKind { kind, image } => Some(format!(
            "{}: its mask is taken for {kind}; --mask-threshold or --invert-masks say otherwise",
            image.display()
        )),
        Event::ResumedOtherwise { begun, now } => Some(format!(
            "it was begun by {begun}, and {now} goes on: as good a result, but not the same bits as \
             without the interruption"
        )),
        Event::Depth(remark) => Some(with_options(&remark.to_string())),
        Event::LeftOut(files) => left_out(files),
        _ => None,
    };
    line.map(|line| printable(&line))
}

/// The line that tells how many bits photos were found to use.
pub fn recognised(samples: &Samples) -> Option<String> {
    samples.recognised.map(|_| format!("{samples}; --bits says otherwise"))
}

/// The line that tells what is not taken for photos.
pub fn left_out(files: &LeftOut) -> Option<String> {
    Some(match files.count() {
        0 if files.is_empty() => return None,
        0 => format!("left out: {files}"),
        1 => format!("1 file is no photo by name, and left out: {files}"),
        count => format!("{count} files are no photo by name, and left out: {files}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_left_out_are_told_by_kind() {
        let mut files = LeftOut::default();
        assert_eq!(left_out(&files), None);
        files.add("a.gif".as_ref());
        let told = left_out(&files).unwrap();
        assert_eq!(told, "1 file is no photo by name, and left out: 1 .gif");
        files.add("b.txt".as_ref());
        let told = left_out(&files).unwrap();
        assert_eq!(told, "2 files are no photo by name, and left out: 1 .gif, 1 .txt");
    }
}
