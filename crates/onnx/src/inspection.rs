//! The graph of an inspection: the three networks, their differences, one map, one score.

use crate::graph::{Graph, Maps};
use crate::{InputKind, OPSET};
use efficientad::{
    INPUT_MEAN, INPUT_STD, InputSize, MAP_BORDER, MapQuantiles, Model, PositionWeights,
};
use efficientad_onnx_format::{
    AttributeProto, Dimension, DimensionProto, GraphProto, ModelProto, OperatorSetIdProto,
    StringStringEntryProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
    data_type,
};

/// Version of the file format that belongs to operators of version 13.
const IR_VERSION: i64 = 7;
/// Share of each of the two maps in the combined one.
const SHARE: f32 = 0.5;
/// The open length of all inputs and outputs: the number of images.
const IMAGES: &str = "N";

const IMAGE: &str = "image";
const MAP: &str = "map";
const SCORE: &str = "score";

/// The whole file.
pub(crate) fn model_proto(
    model: &Model,
    input: InputKind,
) -> Result<ModelProto, serde_json::Error> {
    Ok(ModelProto {
        ir_version: IR_VERSION,
        producer_name: "efficientad".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "EfficientAD: finds defects in photos of parts".to_owned(),
        graph: Some(graph(model, input)),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata(model)?,
    })
}

fn metadata(model: &Model) -> Result<Vec<StringStringEntryProto>, serde_json::Error> {
    let entry = |key: &str, value| StringStringEntryProto { key: key.to_owned(), value };
    let info = model.info();
    let mut entries = vec![
        entry("document", serde_json::to_string(info)?),
        entry("view", serde_json::to_string(&info.view())?),
    ];
    if let Some(threshold) = &info.threshold {
        entries.push(entry("threshold", threshold.value.to_string()));
    }
    Ok(entries)
}

fn graph(model: &Model, input: InputKind) -> GraphProto {
    let size = model.info().input;
    let mut graph = Graph::default();
    let image = normalized_image(&mut graph, input, size);
    let map = anomaly_map(&mut graph, model, &image);
    let resized = graph.resize(&map, (size.height(), size.width()), format!("{MAP}.resized"));
    let over_map =
        vec![AttributeProto::ints("axes", &[1, 2, 3]), AttributeProto::int("keepdims", 0)];
    graph.node("ReduceMax", &[&resized.name], &[SCORE], over_map);
    let outputs = vec![
        value(
            MAP,
            data_type::FLOAT,
            &[1, map.height, map.width],
            "combined, normalised anomaly map",
        ),
        value(SCORE, data_type::FLOAT, &[], "largest value of the map resized to the image's size"),
    ];
    graph.finish("efficientad", image_input(input, size), outputs)
}

fn image_input(input: InputKind, size: InputSize) -> ValueInfoProto {
    let (elements, meaning) = match input {
        InputKind::Normalized => {
            (data_type::FLOAT, "RGB in [0, 1], less ImageNet's mean, divided by its deviation")
        }
        InputKind::U8 => (data_type::UINT8, "RGB from 0 to 255"),
    };
    value(IMAGE, elements, &[3, size.height(), size.width()], meaning)
}

/// An input or output whose first length is the number of images.
fn value(name: &str, elem_type: i32, lengths: &[usize], meaning: &str) -> ValueInfoProto {
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

/// What the networks read.
fn normalized_image(graph: &mut Graph, input: InputKind, size: InputSize) -> Maps {
    let name = match input {
        InputKind::Normalized => IMAGE,
        InputKind::U8 => normalize_bytes(graph),
    };
    Maps { name: name.to_owned(), height: size.height(), width: size.width() }
}

/// (byte / 255 − mean) / deviation as one product and one sum.
fn normalize_bytes(graph: &mut Graph) -> &'static str {
    let factors = INPUT_STD.map(|std| 1.0 / (255.0 * std));
    let offsets: [f32; 3] = std::array::from_fn(|i| -INPUT_MEAN[i] / INPUT_STD[i]);
    let per_channel = [1, 3, 1, 1];
    let factors = graph.floats("normalize.factors".to_owned(), &per_channel, &factors);
    let offsets = graph.floats("normalize.offsets".to_owned(), &per_channel, &offsets);
    let to_float = vec![AttributeProto::int("to", data_type::FLOAT.into())];
    graph.node("Cast", &[IMAGE], &["image.float"], to_float);
    graph.node("Mul", &["image.float", &factors], &["image.scaled"], Vec::new());
    graph.node("Add", &["image.scaled", &offsets], &["image.normalized"], Vec::new());
    "image.normalized"
}

/// Runs the networks and combines their differences; zeros stand where they have no features.
fn anomaly_map(graph: &mut Graph, model: &Model, image: &Maps) -> Maps {
    let networks = model.networks();
    let teacher = graph.network("teacher", &networks.teacher, image);
    let student = graph.network("student", &networks.student, image);
    let autoencoder = graph.network("autoencoder", &networks.autoencoder, image);
    let [of_teacher, of_autoencoder] = ["student.of_teacher", "student.of_autoencoder"];
    let channels = vec![AttributeProto::int("axis", 1)];
    graph.node("Split", &[&student.name], &[of_teacher, of_autoencoder], channels);
    let quantiles = model.quantiles();
    let local = difference(graph, &teacher.name, of_teacher);
    let local = normalized(graph, of_teacher, &local, &quantiles.student_teacher);
    let mut global = difference(graph, &autoencoder.name, of_autoencoder);
    if let Some(weights) = model.position_weights() {
        global = weighed(graph, of_autoencoder, &global, weights);
    }
    let global = normalized(graph, of_autoencoder, &global, &quantiles.student_autoencoder);
    graph.node("Add", &[&local, &global], &["map.features"], Vec::new());
    let border = MAP_BORDER as i64;
    let pads = [0, 0, border, border, 0, 0, border, border];
    let pads = graph.integers("map.pads".to_owned(), &pads);
    graph.node(
        "Pad",
        &["map.features", &pads],
        &[MAP],
        vec![AttributeProto::text("mode", "constant")],
    );
    let (height, width) = (teacher.height + 2 * MAP_BORDER, teacher.width + 2 * MAP_BORDER);
    Maps { name: MAP.to_owned(), height, width }
}

/// The mean of squared differences over channels.
fn difference(graph: &mut Graph, target: &str, student: &str) -> String {
    let [difference, square, mean] =
        ["difference", "square", "mean"].map(|step| format!("{student}.{step}"));
    graph.node("Sub", &[target, student], &[&difference], Vec::new());
    graph.node("Mul", &[&difference, &difference], &[&square], Vec::new());
    let over_channels =
        vec![AttributeProto::ints("axes", &[1]), AttributeProto::int("keepdims", 1)];
    graph.node("ReduceMean", &[&square], &[&mean], over_channels);
    mean
}

/// The map of a half of the student times its position weights.
fn weighed(graph: &mut Graph, half: &str, map: &str, weights: &PositionWeights) -> String {
    let weighed = format!("{half}.weighed");
    let (height, width) = weights.size();
    let weights = graph.floats(format!("{half}.weights"), &[1, 1, height, width], weights.values());
    graph.node("Mul", &[map, &weights], &[&weighed], Vec::new());
    weighed
}

/// The map of a half of the student normalised by its quantiles, times its share in the combined map.
fn normalized(graph: &mut Graph, half: &str, map: &str, quantiles: &MapQuantiles) -> String {
    let [shifted, scaled] = ["shifted", "scaled"].map(|step| format!("{half}.{step}"));
    let lower = graph.floats(format!("{half}.lower"), &[1, 1, 1, 1], &[quantiles.lower]);
    let scale = graph.floats(format!("{half}.scale"), &[1, 1, 1, 1], &[SHARE * quantiles.scale()]);
    graph.node("Sub", &[map, &lower], &[&shifted], Vec::new());
    graph.node("Mul", &[&shifted, &scale], &[&scaled], Vec::new());
    scaled
}
