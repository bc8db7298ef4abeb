//! Image files as the trainer takes them.

use std::ops::ControlFlow;
use std::path::PathBuf;

use efficientad::{ImageSource, RgbImage, SourceError};
use efficientad_images::{DecodeOptions, load, load_measured};
use efficientad_pretraining::{Unreadable, parallel};

/// Image files by number.
#[derive(Debug)]
pub struct Images {
    /// The files.
    pub files: Vec<PathBuf>,
    /// How they are decoded.
    pub decode: DecodeOptions,
}

impl ImageSource for Images {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn name(&self, index: usize) -> String {
        self.files[index].display().to_string()
    }

    fn load(&self, index: usize) -> Result<RgbImage, SourceError> {
        Ok(load(&self.files[index], &self.decode)?)
    }
}

/// What is found out about files by decoding them.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Those that can't be read, with the reason, in order.
    pub unreadable: Vec<Unreadable>,
    /// How many of 16 bits the samples of each of the others use; `None` for photos of 8 bits.
    pub used_bits: Vec<Option<u8>>,
}

/// Decodes every file once, on several threads: what can't be read is taken out of `files`. Breaks if
/// `progress` does; then `files` stays as it was.
pub(crate) fn take_unreadable(
    files: &mut Vec<PathBuf>,
    decode: &DecodeOptions,
    threads: usize,
    progress: &mut parallel::Progress<'_>,
) -> ControlFlow<(), Checked> {
    let mut cancelled = false;
    let mut remember = |done, total| {
        let flow = progress(done, total);
        cancelled |= flow.is_break();
        flow
    };
    let check = |number: usize| {
        let path = &files[number];
        let measured = load_measured(path, decode);
        measured.map(|(_, used_bits)| used_bits).map_err(|error| (path.clone(), error))
    };
    let checked = parallel::each(threads, files.len(), &mut remember, check);
    if cancelled {
        return ControlFlow::Break(());
    }
    let mut is_readable = checked.iter().map(Result::is_ok);
    files.retain(|_| is_readable.next().unwrap_or(true));
    let (mut unreadable, mut used_bits) = (Vec::new(), Vec::new());
    for result in checked {
        match result {
            Ok(bits) => used_bits.push(bits),
            Err((path, error)) => unreadable.push(Unreadable { path, error }),
        }
    }
    ControlFlow::Continue(Checked { unreadable, used_bits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_taken_out_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..20).map(|n| folder.path().join(format!("{n}.png"))).collect();
        for (n, path) in paths.iter().enumerate() {
            if n % 3 == 0 {
                std::fs::write(path, b"no image").unwrap();
            } else {
                RgbImage::new(8, 8).save(path).unwrap();
            }
        }
        let (mut files, mut last) = (paths.clone(), 0);
        let mut count = |done, total| {
            assert_eq!((done, total), (last + 1, 20));
            last = done;
            ControlFlow::Continue(())
        };
        let decode = DecodeOptions::default();
        let ControlFlow::Continue(checked) = take_unreadable(&mut files, &decode, 3, &mut count)
        else {
            panic!("nothing breaks");
        };
        let (broken, sound): (Vec<_>, Vec<_>) =
            paths.iter().cloned().enumerate().partition(|(n, _)| n % 3 == 0);
        let names = |numbered: Vec<(usize, PathBuf)>| -> Vec<PathBuf> {
            numbered.into_iter().map(|(_, path)| path).collect()
        };
        assert_eq!(checked.used_bits, [None; 13]);
        assert_eq!(
            checked.unreadable.into_iter().map(|it| it.path).collect::<Vec<_>>(),
            names(broken)
        );
        assert_eq!(files, names(sound));
    }

    #[test]
    fn a_break_leaves_the_files_as_they_are() {
        let mut files: Vec<PathBuf> = (0..50).map(|n| format!("missing{n}").into()).collect();
        let before = files.clone();
        let mut third =
            |done, _| if done >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let taken = take_unreadable(&mut files, &DecodeOptions::default(), 2, &mut third);
        assert!(taken.is_break());
        assert_eq!(files, before);
    }
}
