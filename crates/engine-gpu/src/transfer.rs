//! Numbers to the device and back.

use crate::NAME;
use burn_tensor::{Device, Tensor, TensorData};
use efficientad_engine::{EngineError, TensorView};
use std::fmt::Display;

/// Maps as the device has them: images × rows × columns × channels.
pub(crate) fn maps(device: &Device, maps: TensorView<'_>) -> Tensor<4> {
    let shape = maps.shape;
    let lengths = [shape.images, shape.height, shape.width, shape.channels];
    Tensor::from_data(TensorData::new(maps.data.to_vec(), lengths), device)
}

/// Numbers as the device has them.
pub(crate) fn numbers(device: &Device, numbers: Vec<f32>) -> Tensor<1> {
    let len = numbers.len();
    Tensor::from_data(TensorData::new(numbers, [len]), device)
}

/// Waits for numbers, in the order of their places.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, EngineError> {
    let data = tensor.try_into_data().map_err(|error| failed(&error))?;
    data.try_into_vec().map_err(|error| failed(&error))
}

fn failed(error: &dyn Display) -> EngineError {
    let said = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let reason = format!("the device failed; if it was lost, start the program again: {said}");
    EngineError::new(NAME, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::devices;

    #[test]
    fn memory_that_the_device_does_not_have_is_an_error() {
        let Some(found) = devices().first() else {
            efficientad_testing::skipped("no device was found");
            return;
        };
        let Ok(device) = found.open() else { panic!("{found} can't be opened") };
        // 4 TiB.
        let error = read(Tensor::<1>::zeros([1_usize << 40], &device)).unwrap_err();
        assert!(error.to_string().contains("the device failed"), "{error}");
    }
}
