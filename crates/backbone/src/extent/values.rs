//! Small constant tensors: shapes are computed from them.

use std::borrow::Cow;

use efficientad_onnx_format::{
    GraphProto, Message, ModelProto, OperatorSetIdProto, TensorProto, data_type,
};
use rten::{ModelOptions, Value};
use rten_tensor::{AsView, Layout};

use super::operation::{Operation, Refusal};
use super::{Tensor, count};
use crate::network::value;
use crate::rten::on_one_thread;

/// Numbers that a tensor may have for its values to be kept.
const MAX_KEPT: u64 = 4096;

/// A constant, with its values if they are few; `None` if its shape is none.
pub(super) fn tensor(constant: &TensorProto) -> Option<Tensor> {
    let shape = constant.dims.iter().map(|&length| u64::try_from(length));
    let shape: Vec<u64> = shape.collect::<Result<_, _>>().ok()?;
    let value = (count(&shape) <= MAX_KEPT).then(|| constant.clone());
    Some(Tensor { shape, value })
}

/// Its whole numbers.
pub(super) fn ints(value: &TensorProto) -> Option<Vec<i64>> {
    let raw = &value.raw_data;
    match value.data_type {
        data_type::INT64 if raw.is_empty() => Some(value.int64_data.clone()),
        data_type::INT64 => {
            Some(raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect())
        }
        data_type::INT32 if raw.is_empty() => {
            Some(value.int32_data.iter().copied().map(i64::from).collect())
        }
        data_type::INT32 => {
            let numbers = raw.as_chunks().0.iter().map(|&bytes| i32::from_le_bytes(bytes));
            Some(numbers.map(i64::from).collect())
        }
        _ => None,
    }
}

/// Its floats.
pub(super) fn floats(value: &TensorProto) -> Option<Vec<f32>> {
    let raw = &value.raw_data;
    match value.data_type {
        data_type::FLOAT if raw.is_empty() => Some(value.float_data.clone()),
        data_type::FLOAT => {
            Some(raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect())
        }
        _ => None,
    }
}

/// A list of whole numbers.
fn list(numbers: Vec<i64>) -> TensorProto {
    let dims = vec![numbers.len() as i64];
    TensorProto { dims, data_type: data_type::INT64, int64_data: numbers, ..Default::default() }
}

/// What a `Constant` is.
pub(super) fn constant<'a>(operation: &Operation<'a>) -> Option<Cow<'a, TensorProto>> {
    let [attribute] = operation.node.attribute.as_slice() else { return None };
    let float = |dims: Vec<i64>, numbers: Vec<f32>| TensorProto {
        dims,
        data_type: data_type::FLOAT,
        float_data: numbers,
        ..Default::default()
    };
    if attribute.name == "value" {
        return attribute.t.as_ref().map(Cow::Borrowed);
    }
    let constant = match attribute.name.as_str() {
        "value_ints" => list(attribute.ints.clone()),
        "value_int" => {
            TensorProto { dims: Vec::new(), ..list(vec![attribute.i.unwrap_or_default()]) }
        }
        "value_floats" => float(vec![attribute.floats.len() as i64], attribute.floats.clone()),
        "value_float" => float(Vec::new(), vec![attribute.f.unwrap_or_default()]),
        _ => return None,
    };
    Some(Cow::Owned(constant))
}

/// The values that an operation computes, as far as they are the same for all photos; of the shapes
/// that the results are known to have.
pub(super) fn of_outputs(
    file: &ModelProto,
    operation: &Operation,
    shapes: &[Vec<u64>],
) -> Result<Vec<Option<TensorProto>>, Refusal> {
    let unknown = vec![None; shapes.len()];
    if shapes.iter().any(|shape| count(shape) > MAX_KEPT) {
        return Ok(unknown);
    }
    match operation.node.op_type.as_str() {
        "Constant" => return Ok(vec![constant(operation).map(Cow::into_owned)]),
        "Shape" => {
            let lengths = super::rules::shape_slice(operation)?;
            return Ok(vec![Some(list(lengths.iter().map(|&length| length as i64).collect()))]);
        }
        _ => {}
    }
    let given = || operation.inputs.iter().flatten();
    if given().any(|input| input.value.is_none()) || operation.node.output.contains(&String::new())
    {
        return Ok(unknown);
    }
    let values = evaluate(file, operation).ok_or(Refusal::Unfit)?;
    let has_shape = |value: &TensorProto, shape: &[u64]| {
        value.dims.iter().map(|&length| length as u64).eq(shape.iter().copied())
    };
    let fits = values.len() == shapes.len()
        && values.iter().zip(shapes).all(|(value, shape)| has_shape(value, shape));
    if fits { Ok(values.into_iter().map(Some).collect()) } else { Err(Refusal::Unfit) }
}

/// Runs one operation on constants.
fn evaluate(file: &ModelProto, operation: &Operation) -> Option<Vec<TensorProto>> {
    let node = operation.node;
    let inputs = node.input.iter().zip(&operation.inputs);
    let mut initializer: Vec<TensorProto> = inputs
        .filter_map(|(name, input)| {
            Some(TensorProto { name: name.clone(), ..input.as_ref()?.value.clone()? })
        })
        .collect();
    initializer.sort_by(|a, b| a.name.cmp(&b.name));
    initializer.dedup_by(|a, b| a.name == b.name);
    let graph = GraphProto {
        node: vec![node.clone()],
        initializer,
        output: node.output.iter().map(|name| value(name)).collect(),
        ..Default::default()
    };
    let is_own = |set: &&OperatorSetIdProto| matches!(set.domain.as_str(), "" | "ai.onnx");
    let file = ModelProto {
        ir_version: file.ir_version,
        opset_import: file.opset_import.iter().find(is_own).cloned().into_iter().collect(),
        graph: Some(graph),
        ..Default::default()
    };
    let model =
        ModelOptions::with_all_ops().enable_optimization(false).load(file.encode_to_vec()).ok()?;
    let outputs = model.run(Vec::new(), model.output_ids(), Some(on_one_thread())).ok()?;
    outputs.into_iter().map(of_value).collect()
}

fn of_value(value: Value) -> Option<TensorProto> {
    let dims = value.shape().iter().map(|&length| length as i64).collect();
    match value {
        Value::Int32Tensor(numbers) => {
            let numbers = numbers.iter().map(|&number| i64::from(number)).collect();
            Some(TensorProto { dims, ..list(numbers) })
        }
        Value::FloatTensor(numbers) => Some(TensorProto {
            dims,
            data_type: data_type::FLOAT,
            float_data: numbers.iter().copied().collect(),
            ..Default::default()
        }),
        _ => None,
    }
}
