//! Files written, read again, and compared with the tensors that the model was made of.

use crate::{ExportError, InputKind, networks_to_bytes, save, teacher_to_bytes, to_bytes};
use efficientad::{Model, ModelInfo, Threshold};
use efficientad_engine::{
    ConvWeights, InputSize, Layer, Networks, PdnSize, STUDENT_CHANNELS, TEACHER_CHANNELS, Weights,
    autoencoder_layers, pdn_layers,
};
use efficientad_onnx_format::{
    Dimension, GraphProto, Message, ModelProto, TensorProto, ValueInfoProto, data_type,
};
use efficientad_weights::{Tensor, Tensors};
use std::collections::HashSet;

/// Output channels, input channels and kernel of each convolution, as `docs/model-file.md` has them.
type Shapes = &'static [[usize; 3]];

const SMALL_TEACHER: Shapes = &[[128, 3, 4], [256, 128, 4], [256, 256, 3], [384, 256, 4]];
const SMALL_STUDENT: Shapes = &[[128, 3, 4], [256, 128, 4], [256, 256, 3], [768, 256, 4]];
const MEDIUM_TEACHER: Shapes =
    &[[256, 3, 4], [512, 256, 4], [512, 512, 1], [512, 512, 3], [384, 512, 4], [384, 384, 1]];
const MEDIUM_STUDENT: Shapes =
    &[[256, 3, 4], [512, 256, 4], [512, 512, 1], [512, 512, 3], [768, 512, 4], [768, 768, 1]];
const ENCODER: Shapes =
    &[[32, 3, 4], [32, 32, 4], [64, 32, 4], [64, 64, 4], [64, 64, 4], [64, 64, 8]];
const DECODER: Shapes = &[
    [64, 64, 4],
    [64, 64, 4],
    [64, 64, 4],
    [64, 64, 4],
    [64, 64, 4],
    [64, 64, 4],
    [64, 64, 3],
    [384, 64, 3],
];

/// A model, and the tensors in its file.
struct Fixture {
    model: Model,
    tensors: Tensors,
}

impl Fixture {
    fn new(size: PdnSize, (height, width): (usize, usize), threshold: Option<f32>) -> Self {
        let tensors = tensors(size);
        let threshold = threshold.map(|value| Threshold::given(value, None));
        let info = ModelInfo {
            size,
            input: InputSize::new(height, width).unwrap(),
            recipe: None,
            data: None,
            continuations: Vec::new(),
            calibration: None,
            threshold,
            engine: None,
            samples: None,
            program_version: "0.0.1".to_owned(),
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model");
        efficientad_weights::save(&path, "efficientad-model", &info, &tensors).unwrap();
        Self { model: Model::open(&path).unwrap(), tensors }
    }

    fn small() -> Self {
        Self::new(PdnSize::Small, (256, 256), Some(0.25))
    }

    fn export(&self, input: InputKind) -> ModelProto {
        ModelProto::decode(&*to_bytes(&self.model, input).unwrap()).unwrap()
    }

    fn graph(&self, input: InputKind) -> GraphProto {
        self.export(input).graph.unwrap()
    }

    fn numbers(&self, name: &str) -> &[f32] {
        self.tensors.get(name).unwrap().data()
    }
}

fn tensors(size: PdnSize) -> Tensors {
    let (teacher, student) = match size {
        PdnSize::Small => (SMALL_TEACHER, SMALL_STUDENT),
        PdnSize::Medium => (MEDIUM_TEACHER, MEDIUM_STUDENT),
    };
    let mut tensors = Tensors::new();
    insert_layers(&mut tensors, "teacher", teacher);
    insert_layers(&mut tensors, "student", student);
    insert_layers(&mut tensors, "autoencoder.encoder", ENCODER);
    insert_layers(&mut tensors, "autoencoder.decoder", DECODER);
    let each_channel = |offset: f32| (0..384).map(|i| offset + i as f32 / 384.0).collect();
    tensors.insert("teacher.mean", Tensor::new([384], each_channel(-0.5)).unwrap());
    tensors.insert("teacher.std", Tensor::new([384], each_channel(0.5)).unwrap());
    for (name, value) in [("st_a", 1.0), ("st_b", 3.0), ("ae_a", 2.0), ("ae_b", 2.5)] {
        tensors.insert(format!("quantiles.{name}"), Tensor::new([1], vec![value]).unwrap());
    }
    tensors
}

/// Layers of numbers that all differ within a tensor.
fn insert_layers(tensors: &mut Tensors, prefix: &str, shapes: Shapes) {
    for (i, &[o, c, k]) in shapes.iter().enumerate() {
        let name = |part| format!("{prefix}.conv{}.{part}", i + 1);
        let numbers = |count: usize| (0..count).map(|j| (j + i) as f32 / count as f32).collect();
        let weight = Tensor::new([o, c, k, k], numbers(o * c * k * k)).unwrap();
        tensors.insert(name("weight"), weight);
        tensors.insert(name("bias"), Tensor::new([o], numbers(o)).unwrap());
    }
}

fn constant<'a>(graph: &'a GraphProto, name: &str) -> &'a TensorProto {
    graph.initializer.iter().find(|tensor| tensor.name == name).unwrap()
}

fn floats(tensor: &TensorProto) -> Vec<f32> {
    assert_eq!(tensor.data_type, data_type::FLOAT);
    let numbers = tensor.raw_data.as_chunks::<4>().0;
    numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Name, element type and shape, an open length by its name.
fn signature(value: &ValueInfoProto) -> (&str, i32, Vec<String>) {
    let tensor = value.r#type.as_ref().unwrap().tensor_type.as_ref().unwrap();
    let dimensions = &tensor.shape.as_ref().unwrap().dim;
    let lengths = dimensions.iter().map(|dimension| match dimension.value.as_ref().unwrap() {
        Dimension::Fixed(length) => length.to_string(),
        Dimension::Named(name) => name.clone(),
    });
    (&value.name, tensor.elem_type, lengths.collect())
}

fn signatures(values: &[ValueInfoProto]) -> Vec<(&str, i32, String)> {
    let signatures = values.iter().map(signature);
    signatures.map(|(name, elements, shape)| (name, elements, shape.join("×"))).collect()
}

#[test]
fn inputs_and_outputs_are_as_documented() {
    let fixture = Fixture::new(PdnSize::Small, (256, 320), None);
    for (input, elements) in
        [(InputKind::Normalized, data_type::FLOAT), (InputKind::U8, data_type::UINT8)]
    {
        let graph = fixture.graph(input);
        assert_eq!(signatures(&graph.input), [("image", elements, "N×3×256×320".to_owned())]);
        let map = ("map", data_type::FLOAT, "N×1×64×80".to_owned());
        assert_eq!(signatures(&graph.output), [map, ("score", data_type::FLOAT, "N".to_owned())]);
    }
}

#[test]
fn the_file_says_what_it_is() {
    let file = Fixture::small().export(InputKind::U8);
    assert_eq!(file.producer_name, "efficientad");
    assert_eq!(file.producer_version, env!("CARGO_PKG_VERSION"));
    assert_eq!((file.ir_version, file.opset_import[0].version), (7, 13));
    let entries: Vec<(&str, &str)> =
        file.metadata_props.iter().map(|e| (e.key.as_str(), e.value.as_str())).collect();
    let [("document", document), ("view", "\"stretch\""), ("threshold", "0.25")] = entries[..]
    else {
        panic!("{entries:?}")
    };
    assert!(document.contains(r#""size":"small""#) && document.contains(r#""value":0.25"#));
    let bare = Fixture::new(PdnSize::Small, (256, 256), None).export(InputKind::U8);
    let keys: Vec<&str> = bare.metadata_props.iter().map(|entry| entry.key.as_str()).collect();
    assert_eq!(keys, ["document", "view"]);
}

#[test]
fn weights_are_the_models() {
    for size in [PdnSize::Small, PdnSize::Medium] {
        let fixture = Fixture::new(size, (256, 256), None);
        let graph = fixture.graph(InputKind::Normalized);
        let last = if size == PdnSize::Small { "teacher.conv4" } else { "teacher.conv6" };
        let of_layers = fixture
            .tensors
            .iter()
            .filter(|(name, _)| name.contains("conv") && !name.starts_with(last));
        for (name, tensor) in of_layers {
            let exported = constant(&graph, name);
            assert!(exported.dims.iter().map(|&d| d as usize).eq(tensor.shape().iter().copied()));
            assert!(floats(exported) == tensor.data(), "{name}");
        }
    }
}

#[test]
fn the_teachers_last_layer_normalises() {
    let fixture = Fixture::small();
    let graph = fixture.graph(InputKind::Normalized);
    let [mean, std] = ["teacher.mean", "teacher.std"].map(|name| fixture.numbers(name));
    let original = fixture.numbers("teacher.conv4.weight");
    let per_channel = original.len() / 384;
    for (i, weight) in floats(constant(&graph, "teacher.conv4.weight")).iter().enumerate() {
        assert!((weight * std[i / per_channel] - original[i]).abs() < 1e-6, "{i}");
    }
    let original = fixture.numbers("teacher.conv4.bias");
    for (i, bias) in floats(constant(&graph, "teacher.conv4.bias")).iter().enumerate() {
        assert!((bias * std[i] + mean[i] - original[i]).abs() < 1e-6, "{i}");
    }
}

#[test]
fn the_quantiles_scale_the_maps() {
    let graph = Fixture::small().graph(InputKind::Normalized);
    let number = |name| floats(constant(&graph, name))[0];
    assert_eq!(number("student.of_teacher.lower"), 1.0);
    assert_eq!(number("student.of_teacher.scale"), 0.025);
    assert_eq!(number("student.of_autoencoder.lower"), 2.0);
    assert_eq!(number("student.of_autoencoder.scale"), 0.1);
}

#[test]
fn maps_are_resized_to_the_documented_sizes() {
    let graph = Fixture::new(PdnSize::Small, (256, 320), None).graph(InputKind::Normalized);
    let resizes = graph.node.iter().filter(|node| node.op_type == "Resize");
    let scales = resizes.map(|node| floats(constant(&graph, &node.input[2])));
    // A decoder's convolutions with 4×4 kernels add a row and a column to what they read.
    let rows = [(1, 3), (4, 8), (9, 15), (16, 32), (33, 63), (64, 127), (128, 56), (64, 256)];
    let columns = [(3, 4), (5, 10), (11, 19), (20, 40), (41, 79), (80, 159), (160, 72), (80, 320)];
    let scales: Vec<Vec<f32>> = scales.collect();
    assert_eq!(scales.len(), rows.len());
    for (scales, (row, column)) in scales.iter().zip(rows.into_iter().zip(columns)) {
        let ratio = |(from, to): (i32, i32)| to as f32 / from as f32;
        for (scale, expected) in scales.iter().zip([1.0, 1.0, ratio(row), ratio(column)]) {
            assert!((scale / expected - 1.0).abs() < 1e-6, "{scales:?}, {row:?}, {column:?}");
        }
    }
}

#[test]
fn a_single_value_is_repeated() {
    let graph = Fixture::small().graph(InputKind::Normalized);
    let expands: Vec<_> = graph.node.iter().filter(|node| node.op_type == "Expand").collect();
    assert_eq!(expands.len(), 1);
    let shape = constant(&graph, &expands[0].input[1]);
    assert_eq!((shape.data_type, &shape.dims[..]), (data_type::INT64, &[4][..]));
    let lengths = shape.raw_data.as_chunks::<8>().0.iter().map(|&bytes| i64::from_le_bytes(bytes));
    assert_eq!(lengths.collect::<Vec<_>>(), [1, 1, 3, 3]);
    let resizes = graph.node.iter().filter(|node| node.op_type == "Resize").count();
    assert_eq!(resizes, 7);
}

#[test]
fn networks_alone_give_their_difference_maps() {
    let networks = networks(InputSize::new(256, 320).unwrap());
    let file = ModelProto::decode(&*networks_to_bytes(&networks)).unwrap();
    assert_eq!((file.ir_version, file.opset_import[0].version), (7, 13));
    let graph = file.graph.unwrap();
    let image = ("image", data_type::FLOAT, "N×3×256×320".to_owned());
    assert_eq!(signatures(&graph.input), std::slice::from_ref(&image));
    let map = |name| (name, data_type::FLOAT, "N×1×56×72".to_owned());
    assert_eq!(signatures(&graph.output), [map("student_teacher"), map("student_autoencoder")]);

    let file = teacher_to_bytes(networks.size, &networks.teacher, (256, 320));
    let graph = ModelProto::decode(&*file).unwrap().graph.unwrap();
    assert_eq!(signatures(&graph.input), [image]);
    let features = ("features", data_type::FLOAT, "N×384×56×72".to_owned());
    assert_eq!(signatures(&graph.output), [features]);
}

/// Networks of ones.
fn networks(input: InputSize) -> Networks {
    let ones = |layers: Vec<Layer>| {
        let weights = layers.iter().map(|Layer { conv, .. }| ConvWeights {
            weight: vec![1.0; conv.kernel * conv.kernel * conv.in_channels * conv.out_channels],
            bias: vec![1.0; conv.out_channels],
        });
        Weights(weights.collect())
    };
    Networks {
        size: PdnSize::Small,
        input,
        teacher: ones(pdn_layers(PdnSize::Small, TEACHER_CHANNELS)),
        student: ones(pdn_layers(PdnSize::Small, STUDENT_CHANNELS)),
        autoencoder: ones(autoencoder_layers()),
    }
}

#[test]
fn operations_read_what_is_there_already() {
    let graph = Fixture::small().graph(InputKind::U8);
    let mut known: HashSet<&str> = graph.initializer.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(known.len(), graph.initializer.len());
    known.extend(["", "image"]);
    for node in &graph.node {
        for input in &node.input {
            assert!(known.contains(input.as_str()), "{} reads {input:?}", node.name);
        }
        for output in &node.output {
            assert!(known.insert(output), "{output} is there twice");
        }
    }
    assert!(known.contains("map") && known.contains("score"));
}

#[test]
fn a_file_that_cannot_be_written_is_told() {
    let fixture = Fixture::small();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none").join("part.onnx");
    let error = save(&fixture.model, InputKind::U8, &path).unwrap_err();
    assert!(matches!(error, ExportError::Write { .. }));
    let message = error.to_string();
    assert!(
        message.contains("part.onnx: cannot be written (") && message.contains("check its folder")
    );
    let path = folder.path().join("part.onnx");
    for earlier in ["not ONNX", "\x08 neither", "\x08"] {
        std::fs::write(&path, earlier).unwrap();
        let error = save(&fixture.model, InputKind::U8, &path).unwrap_err();
        assert!(matches!(&error, ExportError::OtherFile(there) if *there == path), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), earlier);
    }
    std::fs::write(&path, "").unwrap();
    save(&fixture.model, InputKind::U8, &path).unwrap();
    save(&fixture.model, InputKind::U8, &path).unwrap();
    assert!(std::fs::read(&path).unwrap() == to_bytes(&fixture.model, InputKind::U8).unwrap());
}
