//! Teachers that are given as files.

use std::path::Path;

use anyhow::{Result, bail};
use efficientad::{PdnSize, Teacher};

/// Reads a teacher, which must be of the size that is asked for, if one is.
///
/// # Errors
/// When it can't be read, or is of another size.
pub fn open(path: &Path, size: Option<PdnSize>) -> Result<Teacher> {
    let teacher = Teacher::open(path)?;
    match size {
        Some(size) if size != teacher.size() => bail!(
            "{}: this teacher is {}, not {size}; leave out --size, or give another teacher",
            path.display(),
            teacher.size()
        ),
        _ => Ok(teacher),
    }
}
