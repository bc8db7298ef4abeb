//! Stored numbers of a PyTorch file, and tensors as views of them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::pickle::{Id, Node, Objects};
use crate::elements::ElementType;
use crate::files::MAX_FILE_SIZE;
use crate::tensor::element_count;
use crate::{Cause, Tensor};

/// The most numbers that all tensors of a file together may have: as many `f32` as the largest file holds.
const MAX_ELEMENTS: usize = (MAX_FILE_SIZE / 4) as usize;

/// The most dimensions of a tensor, PyTorch's own limit. Without one, going through a tensor would take as long as its values
/// times its dimensions, of which a small file may have millions.
const MAX_DIMENSIONS: usize = 64;

/// The storages of a file: where in its bytes the numbers of each lie.
pub(super) struct Storages<'a> {
    /// The whole file.
    pub(super) bytes: &'a [u8],
    /// Each storage's numbers by its key; the ranges lie within `bytes`.
    pub(super) ranges: BTreeMap<String, Range<usize>>,
}

/// What a pickle says of a storage.
pub(super) struct StorageRecord<'a> {
    /// The key in [`Storages`].
    pub(super) key: &'a str,
    /// PyTorch's class, such as `torch.FloatStorage`.
    pub(super) class: &'a str,
    /// How many numbers it has.
    pub(super) count: usize,
    /// Legacy files may cut storages out of others; this one is.
    pub(super) is_view: bool,
}

impl<'a> StorageRecord<'a> {
    /// The storage that an object kept outside the pickle is, if it is one:
    /// `("storage", class, key, device, count)`, in legacy files with the view as sixth.
    pub(super) fn of(objects: &'a Objects, node: &Node) -> Option<Self> {
        let Node::Persistent(description) = node else { return None };
        let [kind, class, key, _device, count, rest @ ..] = objects.tuple(*description)? else {
            return None;
        };
        if objects.text(*kind) != Some("storage") {
            return None;
        }
        Some(Self {
            key: objects.text(*key)?,
            class: objects.global(*class)?,
            count: objects.size(*count)?,
            is_view: rest.first().is_some_and(|&view| !matches!(objects.node(view), Node::None)),
        })
    }

    /// The type of its numbers, if it is one that is read.
    pub(super) fn element(&self) -> Option<ElementType> {
        match self.class {
            "torch.HalfStorage" => Some(ElementType::F16),
            "torch.BFloat16Storage" => Some(ElementType::BF16),
            "torch.FloatStorage" => Some(ElementType::F32),
            "torch.DoubleStorage" => Some(ElementType::F64),
            "torch.LongStorage" => Some(ElementType::I64),
            _ => None,
        }
    }
}

/// A tensor as the pickle records it: every stride-th number of a storage.
struct View<'a> {
    storage: StorageRecord<'a>,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// Reads tensors out of the storages, within the limit for all of them together.
pub(super) struct TensorReader<'a> {
    objects: &'a Objects,
    storages: &'a Storages<'a>,
    elements_left: usize,
}

impl<'a> TensorReader<'a> {
    /// A reader with the whole limit left.
    pub(super) fn new(objects: &'a Objects, storages: &'a Storages<'a>) -> Self {
        Self { objects, storages, elements_left: MAX_ELEMENTS }
    }

    /// The tensor at a place where [`is_tensor`] holds; `name` is for the error.
    ///
    /// # Errors
    /// [`Cause::TensorRecord`], [`Cause::ElementType`], [`Cause::EntryMissing`], [`Cause::TensorBeyondStorage`],
    /// [`Cause::Limit`].
    pub(super) fn read(&mut self, id: Id, name: &str) -> Result<Tensor, Cause> {
        let view = view(self.objects, id).map_err(|problem| Cause::TensorRecord {
            tensor: name.to_owned(),
            problem: problem.to_owned(),
        })?;
        let element = view.storage.element().ok_or_else(|| Cause::ElementType {
            tensor: name.to_owned(),
            found: view.storage.class.to_owned(),
        })?;
        let numbers = self.storage_bytes(&view.storage, element, name)?;
        let count = self.count(&view, name)?;
        let span = view.span(count).filter(|span| span.end <= view.storage.count);
        let span = span.ok_or_else(|| Cause::TensorBeyondStorage(name.to_owned()))?;
        let size = element.size();
        let values = element.decode(&numbers[span.start * size..span.end * size]);
        let data = if view.is_contiguous() {
            values
        } else {
            gather(&values, &view.shape, &view.strides, count)
        };
        Tensor::new(view.shape, data)
    }

    /// All bytes of a storage, as many as its record promises.
    fn storage_bytes(
        &self,
        storage: &StorageRecord,
        element: ElementType,
        name: &str,
    ) -> Result<&'a [u8], Cause> {
        let range = self
            .storages
            .ranges
            .get(storage.key)
            .ok_or_else(|| Cause::EntryMissing(format!("data/{}", storage.key)))?;
        let size = storage.count.checked_mul(element.size());
        let bytes = &self.storages.bytes[range.clone()];
        size.and_then(|size| bytes.get(..size))
            .ok_or_else(|| Cause::TensorBeyondStorage(name.to_owned()))
    }

    /// The tensor's number of values, taken off the limit.
    fn count(&mut self, view: &View, name: &str) -> Result<usize, Cause> {
        let too_many = Cause::Limit { what: "numbers", limit: MAX_ELEMENTS };
        let count = element_count(&view.shape)
            .ok_or_else(|| Cause::TensorBeyondStorage(name.to_owned()))?;
        if count > view.storage.count {
            let problem = "more values than are stored (an expanded tensor)".to_owned();
            return Err(Cause::TensorRecord { tensor: name.to_owned(), problem });
        }
        self.elements_left = self.elements_left.checked_sub(count).ok_or(too_many)?;
        Ok(count)
    }
}

impl View<'_> {
    /// From the first to behind the last number that is used; `None` when that overflows.
    fn span(&self, count: usize) -> Option<Range<usize>> {
        if count == 0 {
            return Some(0..0);
        }
        let reach = self
            .shape
            .iter()
            .zip(&self.strides)
            .try_fold(self.offset, |reach, (&length, &stride)| {
                reach.checked_add((length - 1).checked_mul(stride)?)
            })?;
        Some(self.offset..reach.checked_add(1)?)
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1_usize;
        for (&length, &stride) in self.shape.iter().zip(&self.strides).rev() {
            if length != 1 && stride != expected {
                return false;
            }
            expected = expected.saturating_mul(length);
        }
        true
    }
}

/// The values in row-major order; the strides stay within `values`.
fn gather(values: &[f32], shape: &[usize], strides: &[usize], count: usize) -> Vec<f32> {
    let mut index = vec![0; shape.len()];
    let mut position = 0;
    let mut gathered = Vec::with_capacity(count);
    for _ in 0..count {
        gathered.push(values[position]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            position += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            position -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    gathered
}

/// Whether the object at this place is a tensor or parameter, in whatever way it was recorded.
pub(super) fn is_tensor(objects: &Objects, id: Id) -> bool {
    matches!(objects.node(id), Node::Call { function, .. }
        if objects.global(*function).is_some_and(|name| name.starts_with("torch._utils._rebuild_")))
}

/// What the pickle records of the tensor or parameter at this place, or what is wrong with the record.
fn view(objects: &Objects, id: Id) -> Result<View<'_>, &str> {
    const INVALID: &str = "invalid arguments";
    let (name, arguments) = call(objects, id).ok_or(INVALID)?;
    match (name, arguments) {
        ("torch._utils._rebuild_parameter", [data, ..]) => match call(objects, *data) {
            Some((name, arguments)) if name != "torch._utils._rebuild_parameter" => {
                plain_view(objects, name, arguments)
            }
            _ => Err(INVALID),
        },
        _ => plain_view(objects, name, arguments),
    }
}

fn call(objects: &Objects, id: Id) -> Option<(&str, &[Id])> {
    let Node::Call { function, arguments, .. } = objects.node(id) else { return None };
    Some((objects.global(*function)?, objects.tuple(*arguments)?))
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks[, metadata])`.
fn plain_view<'a>(
    objects: &'a Objects,
    name: &'a str,
    arguments: &[Id],
) -> Result<View<'a>, &'a str> {
    const INVALID: &str = "invalid arguments";
    if name != "torch._utils._rebuild_tensor_v2" {
        return Err(name);
    }
    let [storage, offset, shape, strides, _requires_grad, _hooks, metadata @ ..] = arguments else {
        return Err(INVALID);
    };
    let plain = metadata.iter().all(|&id| match objects.node(id) {
        Node::None => true,
        Node::Dict(items) => items.is_empty(),
        _ => false,
    });
    if !plain {
        return Err("conjugate or negative bits");
    }
    let storage = StorageRecord::of(objects, objects.node(*storage)).ok_or(INVALID)?;
    if storage.is_view {
        return Err("a storage that is part of another");
    }
    let offset = objects.size(*offset).ok_or(INVALID)?;
    let (shape, strides) =
        (sizes(objects, *shape).ok_or(INVALID)?, sizes(objects, *strides).ok_or(INVALID)?);
    if shape.len() != strides.len() {
        return Err(INVALID);
    }
    Ok(View { storage, offset, shape, strides })
}

/// The numbers of a shape, or of strides.
fn sizes(objects: &Objects, id: Id) -> Option<Vec<usize>> {
    let sizes = objects.tuple(id).filter(|sizes| sizes.len() <= MAX_DIMENSIONS)?;
    sizes.iter().map(|&id| objects.size(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreign::bytes::Bytes;
    use crate::foreign::pickle::unpickle;

    #[test]
    fn a_tensor_has_as_many_dimensions_as_pytorch_allows() {
        let sizes_of = |dimensions: usize| {
            let pickle = [&b"("[..], &b"K\x01".repeat(dimensions), b"t."].concat();
            let (objects, root) = unpickle(&mut Bytes::new(&pickle)).unwrap();
            sizes(&objects, root)
        };
        assert_eq!(sizes_of(64), Some(vec![1; 64]));
        assert_eq!(sizes_of(65), None);
    }
}
