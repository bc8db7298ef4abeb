//! Which files are images, and opening only files.

use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;

use efficientad_files::{NotRegular, open_regular};

use crate::error::ImageError;

/// Extensions of the files that [`load`](crate::load) reads, in lower case. The content tells the
/// format, the extension only whether to look.
pub const IMAGE_EXTENSIONS: [&str; 20] = [
    "png", "apng", "jpg", "jpeg", "jpe", "jif", "jfif", "jfi", "bmp", "dib", "tif", "tiff", "btf",
    "tf8", "bigtiff", "webp", "pbm", "pgm", "ppm", "pnm",
];

/// Whether a file's name ends in one of the [`IMAGE_EXTENSIONS`], in upper or lower case.
///
/// ```
/// use std::path::Path;
///
/// use efficientad_images::is_image_extension;
///
/// assert!(is_image_extension(Path::new("line 3/part.JFIF")));
/// assert!(!is_image_extension(Path::new("notes.txt")));
/// ```
pub fn is_image_extension(path: &Path) -> bool {
    has_extension(path, &IMAGE_EXTENSIONS)
}

/// Extensions of pictures that are not read, in lower case: what a folder of photos may hold of them
/// is left out, and that is worth a word.
pub const UNREAD_IMAGE_EXTENSIONS: [&str; 31] = [
    "arw", "avif", "bay", "cr2", "cr3", "dcm", "dng", "exr", "fit", "fits", "gif", "hdr", "heic",
    "heif", "ico", "j2k", "jp2", "jpf", "jpx", "jxl", "jxr", "nef", "orf", "pam", "pcx", "psd",
    "raf", "raw", "rw2", "svg", "tga",
];

/// Whether a file's name ends in one of the [`UNREAD_IMAGE_EXTENSIONS`], in upper or lower case.
pub fn is_unread_image_extension(path: &Path) -> bool {
    has_extension(path, &UNREAD_IMAGE_EXTENSIONS)
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
}

/// Opens a file to be read, and nothing else: a pipe would wait for somebody to write to it.
pub(crate) fn open(path: &Path, name: &str) -> Result<File, ImageError> {
    open_regular(path).map_err(|source| {
        let name = name.to_owned();
        match NotRegular::of(&source) {
            Some(NotRegular::Folder) => ImageError::IsFolder { name },
            Some(_) => ImageError::NotAFile { name },
            None => ImageError::Read { name, source },
        }
    })
}
