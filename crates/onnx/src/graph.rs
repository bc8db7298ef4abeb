//! A graph as it grows: constants, and operations on maps.

use crate::OPSET;
use crate::networks::IMAGES;
use efficientad_engine::{Activation, ExportedLayer};
use efficientad_onnx_format::{
    AttributeProto, Bytes, Dimension, DimensionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    data_type,
};

/// Version of the file format that belongs to operators of version 13.
const IR_VERSION: i64 = 7;

/// A value of the graph: images × channels × height × width.
#[derive(Clone, Debug)]
pub(crate) struct Maps {
    pub name: String,
    pub height: usize,
    pub width: usize,
}

/// Operations and constants; an operation has the name of its first output.
#[derive(Default)]
pub(crate) struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Graph {
    /// Adds constant numbers; returns their name.
    pub(crate) fn floats(&mut self, name: String, dims: &[usize], values: &[f32]) -> String {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::FLOAT, dims, raw_data)
    }

    /// Adds a list of constant whole numbers; returns its name.
    pub(crate) fn integers(&mut self, name: String, values: &[i64]) -> String {
        let raw_data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, data_type::INT64, &[values.len()], raw_data)
    }

    fn constant(
        &mut self,
        name: String,
        data_type: i32,
        dims: &[usize],
        raw_data: Bytes,
    ) -> String {
        let dims = dims.iter().map(|&length| length as i64).collect();
        self.constants.push(TensorProto {
            dims,
            data_type,
            name: name.clone(),
            raw_data,
            ..Default::default()
        });
        name
    }

    /// Adds an operation.
    pub(crate) fn node(
        &mut self,
        operation: &str,
        inputs: &[&str],
        outputs: &[&str],
        attributes: Vec<AttributeProto>,
    ) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        self.nodes.push(NodeProto {
            input: owned(inputs),
            output: owned(outputs),
            name: outputs[0].to_owned(),
            op_type: operation.to_owned(),
            attribute: attributes,
            ..Default::default()
        });
    }

    /// Resizes maps bilinearly with half-pixel centres.
    ///
    /// Sizes would have to name the number of images, which is open, so scales are given.
    pub(crate) fn resize(
        &mut self,
        input: &Maps,
        (height, width): (usize, usize),
        name: String,
    ) -> Maps {
        if (input.height, input.width) == (1, 1) {
            return self.repeat(input, (height, width), name);
        }
        let scales = [1.0, 1.0, scale(input.height, height), scale(input.width, width)];
        let scales = self.floats(format!("{name}.scales"), &[4], &scales);
        let attributes = vec![
            AttributeProto::text("mode", "linear"),
            AttributeProto::text("coordinate_transformation_mode", "half_pixel"),
        ];
        self.node("Resize", &[&input.name, "", &scales], &[&name], attributes);
        Maps { name, height, width }
    }

    /// Repeats the one value of each map: what resizing gives, too, but in OpenCV 5.0, whose resize
    /// of one value reads memory that it has not set.
    fn repeat(&mut self, input: &Maps, (height, width): (usize, usize), name: String) -> Maps {
        let shape = [1, 1, height as i64, width as i64];
        let shape = self.integers(format!("{name}.shape"), &shape);
        self.node("Expand", &[&input.name, &shape], &[&name], Vec::new());
        Maps { name, height, width }
    }

    /// Adds the layers of a network; returns its features.
    pub(crate) fn network(&mut self, name: &str, layers: &[ExportedLayer], image: &Maps) -> Maps {
        layers.iter().fold(image.clone(), |input, layer| {
            let name = format!("{name}.{}", layer.name);
            let input = match layer.resize_to {
                Some(size) => self.resize(&input, size, format!("{name}.resized")),
                None => input,
            };
            let maps = self.convolve(&name, layer, &input);
            self.activate(layer.activation, maps)
        })
    }

    fn convolve(&mut self, name: &str, layer: &ExportedLayer, input: &Maps) -> Maps {
        let conv = layer.conv;
        let dims = [conv.out_channels, conv.in_channels, conv.kernel, conv.kernel];
        let weight = self.floats(format!("{name}.weight"), &dims, &layer.weight);
        let bias = self.floats(format!("{name}.bias"), &[conv.out_channels], &layer.bias);
        let [kernel, stride, padding] =
            [conv.kernel, conv.stride, conv.padding].map(|number| number as i64);
        let attributes = vec![
            AttributeProto::ints("kernel_shape", &[kernel; 2]),
            AttributeProto::ints("strides", &[stride; 2]),
            AttributeProto::ints("pads", &[padding; 4]),
        ];
        self.node("Conv", &[&input.name, &weight, &bias], &[name], attributes);
        let (height, width) = conv.conv_size(input.height, input.width);
        Maps { name: name.to_owned(), height, width }
    }

    fn activate(&mut self, activation: Activation, input: Maps) -> Maps {
        let (height, width) = activation.output_size(input.height, input.width);
        let name = match activation {
            Activation::Linear => input.name,
            Activation::Relu => self.relu(&input.name),
            Activation::ReluAvgPool => {
                let relu = self.relu(&input.name);
                self.average_pool(&relu, format!("{}.pooled", input.name))
            }
        };
        Maps { name, height, width }
    }

    fn relu(&mut self, input: &str) -> String {
        let name = format!("{input}.relu");
        self.node("Relu", &[input], &[&name], Vec::new());
        name
    }

    fn average_pool(&mut self, input: &str, name: String) -> String {
        let window = |attribute| AttributeProto::ints(attribute, &[2, 2]);
        let attributes = vec![window("kernel_shape"), window("strides")];
        self.node("AveragePool", &[input], &[&name], attributes);
        name
    }

    /// The finished graph.
    pub(crate) fn finish(
        self,
        name: &str,
        input: ValueInfoProto,
        outputs: Vec<ValueInfoProto>,
    ) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.constants,
            input: vec![input],
            output: outputs,
        }
    }
}

/// The file of a graph.
pub(crate) fn file(graph: GraphProto) -> ModelProto {
    ModelProto {
        ir_version: IR_VERSION,
        producer_name: "efficientad".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: String::new(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: Vec::new(),
    }
}

/// An input or output whose first length is the number of images.
pub(crate) fn value(
    name: &str,
    elem_type: i32,
    lengths: &[usize],
    meaning: &str,
) -> ValueInfoProto {
    let dimension = |value| DimensionProto { value: Some(value) };
    let mut dim = vec![dimension(Dimension::Named(IMAGES.to_owned()))];
    dim.extend(lengths.iter().map(|&length| dimension(Dimension::Fixed(length as i64))));
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(TensorShapeProto { dim }) });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type }),
        doc_string: meaning.to_owned(),
    }
}

/// Scale from one length to another. A runtime rounds length × scale down, in single or double
/// precision, so it must not be below the exact ratio.
fn scale(from: usize, to: usize) -> f32 {
    let nearest = to as f32 / from as f32;
    if f64::from(nearest) * (from as f64) < to as f64 { nearest.next_up() } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_give_the_sizes_in_either_precision() {
        for from in 1..=512 {
            for to in 1..=512 {
                let scale = scale(from, to);
                assert_eq!((from as f32 * scale).floor(), to as f32, "{from} to {to}");
                assert_eq!((from as f64 * f64::from(scale)).floor(), to as f64, "{from} to {to}");
                let exact = to as f64 / from as f64;
                assert!((f64::from(scale) / exact - 1.0).abs() < 2e-7, "{from} to {to}");
            }
        }
    }
}
