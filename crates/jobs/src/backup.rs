//! Keeping a file that is to be replaced.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use efficientad_files::write_atomically;

use crate::files::beside;

/// Copies a file to a free name beside it: `NAME.before-1`, `NAME.before-2`, and so on.
///
/// # Errors
/// It can't be read, or the copy not be written.
pub(crate) fn keep(file: &Path) -> io::Result<PathBuf> {
    let mut number = 1;
    while of(file, number).exists() {
        number += 1;
    }
    let copy = of(file, number);
    write_atomically(&copy, |writer| io::copy(&mut File::open(file)?, writer).map(drop))?;
    Ok(copy)
}

fn of(file: &Path, number: u32) -> PathBuf {
    beside(file, &format!(".before-{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn no_copy_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("part.model");
        for (number, content) in [(1, "first"), (2, "second")] {
            fs::write(&file, content).unwrap();
            let copy = keep(&file).unwrap();
            assert_eq!(copy, folder.path().join(format!("part.model.before-{number}")));
        }
        let read = |number| fs::read_to_string(of(&file, number)).unwrap();
        assert_eq!([read(1), read(2)], ["first", "second"]);
    }
}
