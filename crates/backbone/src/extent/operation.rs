//! An operation with what is known of its inputs.

use std::collections::HashMap;

use efficientad_onnx_format::{AttributeProto, NodeProto, TensorProto};

use super::{MAX_NUMBERS, MAX_TENSOR, MAX_WORK, Tensor, by, repeats, values};

/// Why an operation can't be run.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    /// The operator is none of those whose need of memory is known.
    Unknown,
    /// An input is none that was computed before.
    NoInput(String),
    /// Inputs or parameters are none that the operator can have.
    Unfit,
    /// The shape of the result depends on what the photo shows.
    OfPhoto,
    /// The results of these shapes, with all before them, are too large.
    TooLarge(Vec<Vec<u64>>),
    /// It takes too many multiplications, with all operations before it.
    TooLong,
}

impl Refusal {
    /// The reason, for people.
    pub(super) fn tell(&self, node: &NodeProto) -> String {
        let operation = match (node.name.as_str(), node.output.first()) {
            ("", Some(output)) => format!("the operation of `{output}` ({})", node.op_type),
            (name, _) => format!("operation `{name}` ({})", node.op_type),
        };
        match self {
            Self::Unknown => format!(
                "{operation} is none of those that backbones are run with, whose need of memory is \
                 known; docs/pretraining.md lists them"
            ),
            Self::NoInput(name) => {
                format!("{operation} reads `{name}`, which no operation before it computes")
            }
            Self::Unfit => format!("{operation} does not fit its inputs"),
            Self::OfPhoto => {
                format!("the size of what {operation} makes is not known before it is run")
            }
            Self::TooLarge(shapes) => {
                let shapes: Vec<String> = shapes.iter().map(|shape| by(shape)).collect();
                format!(
                    "{operation} makes {} numbers; a tensor may have {MAX_TENSOR}, all together {MAX_NUMBERS}",
                    shapes.join(" and ")
                )
            }
            Self::TooLong => format!(
                "up to {operation} it takes more than the limit of {MAX_WORK} multiplications a photo"
            ),
        }
    }
}

/// An operation of ONNX's own domain.
pub(super) struct Operation<'a> {
    pub node: &'a NodeProto,
    /// None for one that is left out.
    pub inputs: Vec<Option<&'a Tensor>>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(
        node: &'a NodeProto,
        tensors: &'a HashMap<String, Tensor>,
    ) -> Result<Self, Refusal> {
        if !matches!(node.domain.as_str(), "" | "ai.onnx") {
            return Err(Refusal::Unknown);
        }
        // Which of two would count is not for sure.
        if repeats(node.attribute.iter().map(|attribute| &attribute.name)) {
            return Err(Refusal::Unfit);
        }
        let find = |name: &'a String| match tensors.get(name) {
            None if name.is_empty() => Ok(None),
            None => Err(Refusal::NoInput(name.clone())),
            found => Ok(found),
        };
        Ok(Self { node, inputs: node.input.iter().map(find).collect::<Result<_, _>>()? })
    }

    pub(super) fn input(&self, index: usize) -> Option<&'a Tensor> {
        self.inputs.get(index).copied().flatten()
    }

    pub(super) fn shape(&self, index: usize) -> Result<&'a [u64], Refusal> {
        self.input(index).map(|tensor| tensor.shape.as_slice()).ok_or(Refusal::Unfit)
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    /// A whole number among the parameters.
    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |attribute| attribute.i.unwrap_or_default())
    }

    /// Whole numbers among the parameters.
    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice())
    }

    /// A text among the parameters.
    pub(super) fn text(&self, name: &str) -> Option<&'a [u8]> {
        self.attribute(name).and_then(|attribute| attribute.s.as_deref())
    }

    /// The whole numbers that an input holds, if it is given.
    pub(super) fn known(&self, index: usize) -> Result<Option<Vec<i64>>, Refusal> {
        self.value(index)?.map(|value| values::ints(value).ok_or(Refusal::Unfit)).transpose()
    }

    /// The floats that an input holds, if it is given.
    pub(super) fn known_floats(&self, index: usize) -> Result<Option<Vec<f32>>, Refusal> {
        self.value(index)?.map(|value| values::floats(value).ok_or(Refusal::Unfit)).transpose()
    }

    fn value(&self, index: usize) -> Result<Option<&'a TensorProto>, Refusal> {
        self.input(index).map(|tensor| tensor.value.as_ref().ok_or(Refusal::OfPhoto)).transpose()
    }

    /// Whole numbers that are a parameter in old versions of an operator, and an input in new ones.
    pub(super) fn ints_or_known(
        &self,
        name: &str,
        index: usize,
    ) -> Result<Option<Vec<i64>>, Refusal> {
        match (self.ints(name), self.known(index)?) {
            (Some(_), Some(_)) => Err(Refusal::Unfit),
            (ints, known) => Ok(known.or_else(|| ints.map(<[i64]>::to_vec))),
        }
    }
}
