//! Tensors in memory: a shape and its values, by name.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::Cause;

/// Values in row-major order (the last dimension is contiguous) with their shape.
///
/// A convolution's weight is OIHW (output channels, input channels, height, width), as in PyTorch.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Tensor {
    /// A tensor of this shape; the empty shape is a scalar.
    ///
    /// # Errors
    /// [`Cause::ValueCount`] unless `data` has as many values as the product of `shape`.
    pub fn new(shape: impl Into<Vec<usize>>, data: Vec<f32>) -> Result<Self, Cause> {
        let shape = shape.into();
        if element_count(&shape) == Some(data.len()) {
            Ok(Self { shape, data })
        } else {
            Err(Cause::ValueCount { shape, found: data.len() })
        }
    }

    /// The length of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// The values, row-major, without copying.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// Position and value of the first number that `change` makes NaN or an infinity.
    fn first_not_finite(&self, change: impl Fn(f32) -> f32) -> Option<(usize, f32)> {
        self.data.iter().copied().enumerate().find(|&(_, value)| !change(value).is_finite())
    }

    /// The same values in one dimension.
    pub(crate) fn flattened(self) -> Self {
        Self { shape: vec![self.data.len()], data: self.data }
    }
}

/// The product of `shape`; `None` when it overflows.
pub(crate) fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |product, &length| product.checked_mul(length))
}

/// Tensors by name, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, Tensor>);

impl Tensors {
    /// No tensors.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor; returns the one that had this name before.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) -> Option<Tensor> {
        self.0.insert(name.into(), tensor)
    }

    /// The tensor of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.get(name)
    }

    /// The tensor of this name, which must have this shape.
    ///
    /// # Errors
    /// [`Cause::MissingTensor`], [`Cause::Shape`]; [`Cause::in_file`] adds the file's name.
    pub fn expect(&self, name: &str, shape: &[usize]) -> Result<&Tensor, Cause> {
        let tensor = self.get(name).ok_or_else(|| Cause::MissingTensor(name.to_owned()))?;
        if tensor.shape() == shape {
            Ok(tensor)
        } else {
            Err(Cause::Shape {
                name: name.to_owned(),
                found: tensor.shape.clone(),
                expected: shape.to_vec(),
            })
        }
    }

    /// The number of tensors.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Names and tensors, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// # Errors
    /// [`Cause::NotFinite`] for the first tensor that holds NaN or an infinity.
    pub(crate) fn check_finite(&self) -> Result<(), Cause> {
        self.check_finite_after(|value| value)
    }

    /// As [`Tensors::check_finite`] of what `change` makes of the values.
    pub(crate) fn check_finite_after(&self, change: impl Fn(f32) -> f32) -> Result<(), Cause> {
        for (name, tensor) in self.iter() {
            if let Some((index, value)) = tensor.first_not_finite(&change) {
                return Err(Cause::NotFinite { tensor: name.to_owned(), index, value });
            }
        }
        Ok(())
    }
}

impl IntoIterator for Tensors {
    type Item = (String, Tensor);
    type IntoIter = btree_map::IntoIter<String, Tensor>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(String, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_must_match_its_values() {
        assert!(Tensor::new([2, 3], vec![0.0; 6]).is_ok());
        assert!(Tensor::new([], vec![1.0]).is_ok());
        assert!(matches!(
            Tensor::new([2, 3], vec![0.0; 5]),
            Err(Cause::ValueCount { found: 5, .. })
        ));
        assert!(matches!(Tensor::new([usize::MAX, 2], vec![]), Err(Cause::ValueCount { .. })));
    }

    #[test]
    fn expect_tells_missing_from_misshapen() {
        let mut tensors = Tensors::new();
        tensors.insert("a", Tensor::new([2], vec![1.0, 2.0]).unwrap());
        assert_eq!(tensors.expect("a", &[2]).unwrap().data(), [1.0, 2.0]);
        assert!(
            matches!(tensors.expect("b", &[2]), Err(Cause::MissingTensor(name)) if name == "b")
        );
        let error = tensors.expect("a", &[1, 2]).unwrap_err().in_file("m.safetensors").to_string();
        assert!(
            error.starts_with("m.safetensors: tensor `a` has shape [2] where [1, 2] is needed"),
            "{error}"
        );
    }
}
