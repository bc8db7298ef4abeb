//! ONNX's file format, as much of it as is written and read here, with the field numbers of the
//! ONNX project's `onnx.proto3`.
//!
//! What is missing in these messages is passed over when a file is read: names and comments for
//! people, training, functions, quantisation, sparse tensors, sequences, weights in other files.
//! Single fields of an attribute are optional here, so that a zero is written and not left out.
//! Lists of whole numbers and floats are written one by one, as most programs do, and read either
//! way. Messages in messages are read up to a depth of 100.
#![forbid(unsafe_code)]

mod weight;

pub use prost::Message;
pub use prost::bytes::Bytes;
pub use weight::Weight;

/// `TensorProto.DataType` and `TypeProto.Tensor.elem_type`.
pub mod data_type {
    /// 32-bit floats.
    pub const FLOAT: i32 = 1;
    /// Bytes.
    pub const UINT8: i32 = 2;
    /// Signed 32-bit whole numbers.
    pub const INT32: i32 = 6;
    /// Signed 64-bit whole numbers.
    pub const INT64: i32 = 7;
}

/// `TensorProto.DataLocation`.
pub mod data_location {
    /// The numbers are in another file.
    pub const EXTERNAL: i32 = 1;
}

/// `AttributeProto.AttributeType`.
mod attribute_type {
    pub(super) const INT: i32 = 2;
    pub(super) const STRING: i32 = 3;
    pub(super) const INTS: i32 = 7;
}

/// A whole file.
#[derive(Clone, PartialEq, Message)]
pub struct ModelProto {
    /// Version of the format.
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    /// Program that wrote it.
    #[prost(string, tag = "2")]
    pub producer_name: String,
    /// Version of that program.
    #[prost(string, tag = "3")]
    pub producer_version: String,
    /// A text for people.
    #[prost(string, tag = "6")]
    pub doc_string: String,
    /// What is computed.
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    /// The operators used.
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
    /// Texts under keys.
    #[prost(message, repeated, tag = "14")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// Which version of which operators a model uses.
#[derive(Clone, PartialEq, Message)]
pub struct OperatorSetIdProto {
    /// Whose operators; empty for ONNX's own.
    #[prost(string, tag = "1")]
    pub domain: String,
    /// Their version.
    #[prost(int64, tag = "2")]
    pub version: i64,
}

/// A text under a key.
#[derive(Clone, PartialEq, Message)]
pub struct StringStringEntryProto {
    /// The key.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The text.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// Operations, their constants, inputs and outputs.
#[derive(Clone, PartialEq, Message)]
pub struct GraphProto {
    /// The operations, in an order in which they can run.
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    /// The graph's name.
    #[prost(string, tag = "2")]
    pub name: String,
    /// The constants.
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    /// The inputs; in old files the constants, too.
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    /// The outputs.
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
}

/// One operation.
#[derive(Clone, PartialEq, Message)]
pub struct NodeProto {
    /// Names of the values it reads; empty for one left out.
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    /// Names of the values it computes; empty for one not wanted.
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    /// Its own name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// The operator.
    #[prost(string, tag = "4")]
    pub op_type: String,
    /// Its fixed parameters.
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    /// Whose operator; empty for ONNX's own.
    #[prost(string, tag = "7")]
    pub domain: String,
}

/// A fixed parameter of an operation.
#[derive(Clone, PartialEq, Message)]
pub struct AttributeProto {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// A number.
    #[prost(float, optional, tag = "2")]
    pub f: Option<f32>,
    /// A whole number.
    #[prost(int64, optional, tag = "3")]
    pub i: Option<i64>,
    /// A text.
    #[prost(bytes = "vec", optional, tag = "4")]
    pub s: Option<Vec<u8>>,
    /// A tensor.
    #[prost(message, optional, tag = "5")]
    pub t: Option<TensorProto>,
    /// A graph that the operation runs.
    #[prost(message, optional, tag = "6")]
    pub g: Option<GraphProto>,
    /// Numbers.
    #[prost(float, repeated, packed = "false", tag = "7")]
    pub floats: Vec<f32>,
    /// Whole numbers.
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    /// Texts.
    #[prost(bytes = "vec", repeated, tag = "9")]
    pub strings: Vec<Vec<u8>>,
    /// Which of these it is.
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

impl AttributeProto {
    /// One whole number.
    pub fn int(name: &str, value: i64) -> Self {
        let (name, r#type) = (name.to_owned(), attribute_type::INT);
        Self { name, i: Some(value), r#type, ..Self::default() }
    }

    /// Several whole numbers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        let (name, r#type) = (name.to_owned(), attribute_type::INTS);
        Self { name, ints: values.to_vec(), r#type, ..Self::default() }
    }

    /// A text.
    pub fn text(name: &str, value: &str) -> Self {
        let (name, r#type) = (name.to_owned(), attribute_type::STRING);
        Self { name, s: Some(value.as_bytes().to_vec()), r#type, ..Self::default() }
    }
}

/// Constant numbers, row-major, in `raw_data` or in the list for their type.
#[derive(Clone, PartialEq, Message)]
pub struct TensorProto {
    /// The shape.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// The numbers' type, one of [`data_type`] and more.
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// 32-bit floats.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Whole numbers of up to 32 bits, booleans, and the bits of 16-bit floats.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// 64-bit whole numbers.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// The tensor's name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// The numbers, little-endian.
    #[prost(bytes = "bytes", tag = "9")]
    pub raw_data: Bytes,
    /// 64-bit floats.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Where the numbers are, here or as [`data_location`] says.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

/// Name, type and meaning of an input or output.
#[derive(Clone, PartialEq, Message)]
pub struct ValueInfoProto {
    /// The name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// The type.
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
    /// A text for people.
    #[prost(string, tag = "3")]
    pub doc_string: String,
}

/// The type of a value; only tensors occur.
#[derive(Clone, PartialEq, Message)]
pub struct TypeProto {
    /// A tensor's.
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

/// `TypeProto.Tensor`.
#[derive(Clone, PartialEq, Message)]
pub struct TensorTypeProto {
    /// The numbers' type, one of [`data_type`] and more.
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    /// The shape, as far as it is known.
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

/// The lengths of a tensor's dimensions.
#[derive(Clone, PartialEq, Message)]
pub struct TensorShapeProto {
    /// The lengths.
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// `TensorShapeProto.Dimension`.
#[derive(Clone, PartialEq, Message)]
pub struct DimensionProto {
    /// The length, if it is known.
    #[prost(oneof = "Dimension", tags = "1, 2")]
    pub value: Option<Dimension>,
}

/// A length that is fixed, or one that has a name and is found when the graph runs.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Dimension {
    /// The length.
    #[prost(int64, tag = "1")]
    Fixed(i64),
    /// The name.
    #[prost(string, tag = "2")]
    Named(String),
}
