//! What Python calls a photo, as a [`Frame`]. Pixels are copied while Python's lock is held, so that no other
//! thread changes them meanwhile.

use std::borrow::Cow;
use std::path::PathBuf;

use efficientad_evaluation::{Frame, Pixels};
use efficientad_images::PixelFormat;
use numpy::{Element, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString};

use crate::errors::ImageError;

/// Modes of Pillow that become arrays as they are; the others become RGB by Pillow's own conversion.
const PLAIN_MODES: [&str; 5] = ["L", "RGB", "RGBA", "I;16", "I;16N"];
/// Modes of more bits than Pillow's conversion keeps.
const WIDE_MODES: [&str; 4] = ["I", "F", "I;16B", "I;16L"];

/// The photo that an object is: a path, the bytes of an image file, an array, a PIL image, or whatever
/// speaks DLPack.
pub(crate) fn frame(image: &Bound<'_, PyAny>) -> PyResult<Frame<'static>> {
    let py = image.py();
    if image.is_instance_of::<PyString>() || image.hasattr(intern!(py, "__fspath__"))? {
        return Ok(Frame::File(Cow::Owned(image.extract::<PathBuf>()?)));
    }
    if let Ok(bytes) = image.cast::<PyBytes>() {
        return Ok(encoded(bytes.as_bytes().to_vec()));
    }
    if let Ok(bytes) = image.cast::<PyByteArray>() {
        return Ok(encoded(bytes.to_vec()));
    }
    let name = image.get_type().name()?.to_string();
    let pixels = if image.cast::<PyUntypedArray>().is_ok() {
        array(image)
    } else if image.hasattr(intern!(py, "getbands"))? && image.hasattr(intern!(py, "mode"))? {
        array(&of_pillow(image)?)
    } else if image.hasattr(intern!(py, "__dlpack__"))? {
        array(&py.import("numpy")?.call_method1("from_dlpack", (image,))?)
    } else {
        return Err(PyTypeError::new_err(format!(
            "{name} is no photo: give a path, the bytes of an image file, a numpy array, a PIL image or \
             an array with DLPack"
        )));
    }?;
    Ok(Frame::Pixels { name: name.into(), pixels })
}

fn encoded(bytes: Vec<u8>) -> Frame<'static> {
    Frame::Bytes { name: "bytes".into(), bytes: bytes.into() }
}

/// A PIL image as an array.
fn of_pillow<'py>(image: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let mode: String = image.getattr("mode")?.extract()?;
    if WIDE_MODES.contains(&mode.as_str()) {
        return Err(refused(format!(
            "a PIL image of mode {mode} is not taken; give the file itself, or an array of uint8 or \
             uint16"
        )));
    }
    let numpy = image.py().import("numpy")?;
    if PLAIN_MODES.contains(&mode.as_str()) {
        return numpy.call_method1("asarray", (image,));
    }
    // Grey with alpha, for one: the colours under it are kept.
    let plain = if mode == "LA" || mode == "1" { "L" } else { "RGB" };
    numpy.call_method1("asarray", (image.call_method1("convert", (plain,))?,))
}

/// The pixels of a numpy array.
fn array(array: &Bound<'_, PyAny>) -> PyResult<Pixels<'static>> {
    if let Ok(bytes) = array.extract::<PyReadonlyArrayDyn<'_, u8>>() {
        let formats = [PixelFormat::Gray8, PixelFormat::Rgb8, PixelFormat::Rgba8].map(Some);
        return pixels(&bytes, formats, |samples| samples.to_vec());
    }
    if let Ok(words) = array.extract::<PyReadonlyArrayDyn<'_, u16>>() {
        let formats = [Some(PixelFormat::Gray16), Some(PixelFormat::Rgb16), None];
        let bytes = |samples: &[u16]| samples.iter().flat_map(|it| it.to_ne_bytes()).collect();
        return pixels(&words, formats, bytes);
    }
    let kind = array.getattr("dtype")?;
    Err(refused(format!("an array of {kind} is not taken: give uint8 or uint16")))
}

/// Samples in rows of whole pixels; formats are those of one, three and four channels.
fn pixels<T: Element + Copy>(
    array: &PyReadonlyArrayDyn<'_, T>,
    [grey, colour, with_alpha]: [Option<PixelFormat>; 3],
    bytes: impl Fn(&[T]) -> Vec<u8>,
) -> PyResult<Pixels<'static>> {
    let shape = array.shape();
    let format = match shape {
        [_, _] | [_, _, 1] => grey,
        [_, _, 3] => colour,
        [_, _, 4] => with_alpha,
        _ => None,
    };
    let (Some(format), [height, width, ..]) = (format, shape) else {
        return Err(refused(format!(
            "an array of shape {shape:?} is not taken: give height × width, or height × width × 3"
        )));
    };
    let data = match array.as_slice() {
        // Row by row, not column by column.
        Ok(samples) if array.is_c_contiguous() => bytes(samples),
        _ => bytes(&array.as_array().iter().copied().collect::<Vec<_>>()),
    };
    let side = |length: usize| {
        u32::try_from(length).map_err(|_| refused(format!("a side of {length} pixels is too long")))
    };
    let stride = width * format.bytes();
    let (width, height) = (side(*width)?, side(*height)?);
    Ok(Pixels { data: data.into(), width, height, stride, format })
}

/// An array that is no photo.
fn refused(reason: String) -> PyErr {
    Python::attach(|py| {
        let exception = ImageError::new_err(reason.clone());
        let value = exception.value(py);
        match value.setattr("path", py.None()).and_then(|()| value.setattr("reason", reason)) {
            Ok(()) => exception,
            Err(error) => error,
        }
    })
}
