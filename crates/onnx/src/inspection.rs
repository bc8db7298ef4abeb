//! The graph of a model's inspection: the three networks, their differences, one map, one score.

use crate::graph::{Graph, Maps, file, value};
use crate::networks::{Features, IMAGE, OF_AUTOENCODER, OF_TEACHER, difference};
use efficientad::{
    INPUT_MEAN, INPUT_STD, InputSize, MAP_BORDER, MapBorder, MapQuantiles, Model, PositionWeights,
    SMOOTHING_REACH, smoothing_weights,
};
use efficientad_files::open_regular;
use efficientad_onnx_format::{
    AttributeProto, GraphProto, Message, ModelProto, StringStringEntryProto, ValueInfoProto,
    data_type,
};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Share of each of the two maps in the combined one.
const SHARE: f32 = 0.5;

const MAP: &str = "map";
const SCORE: &str = "score";

/// What a graph's `image` holds, N×3×H×W: photos resized to the model's input size, channels red,
/// green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// float32, scaled to [0, 1], less [`efficientad::INPUT_MEAN`], divided by
    /// [`efficientad::INPUT_STD`].
    Normalized,
    /// uint8 from 0 to 255, as decoded and resized; the graph normalises it.
    U8,
}

/// Why a model could not be written as ONNX.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The model's document is no JSON.
    #[error("the model's document cannot be written as JSON ({0}); train or import it again")]
    Document(#[from] serde_json::Error),
    /// There is a file of another kind in its place.
    #[error(
        "{}: there is a file of another kind, which is left as it is; choose another path, or delete it", .0.display()
    )]
    OtherFile(PathBuf),
    /// The file could not be written; an earlier one of that name is untouched.
    #[error("{}: cannot be written ({source}); check its folder, or choose another path", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// The bytes of the ONNX file: the same for the same model and kind of input.
///
/// # Errors
/// [`ExportError::Document`].
pub fn to_bytes(model: &Model, input: InputKind) -> Result<Vec<u8>, ExportError> {
    Ok(model_proto(model, input)?.encode_to_vec())
}

/// Writes the ONNX file, whole or not at all.
///
/// # Errors
/// [`ExportError::Document`], and [`ExportError::OtherFile`] or [`ExportError::Write`] when the file can't be written.
pub fn save(model: &Model, input: InputKind, path: &Path) -> Result<(), ExportError> {
    let write_error = |source| ExportError::Write { path: path.to_owned(), source };
    if !may_replace(path).map_err(write_error)? {
        return Err(ExportError::OtherFile(path.to_owned()));
    }
    let bytes = to_bytes(model, input)?;
    efficientad_files::write_atomically(path, |file| file.write_all(&bytes)).map_err(write_error)
}

/// Whether there is nothing at this path, or an ONNX file: it begins with the version of its format, which is small.
fn may_replace(path: &Path) -> io::Result<bool> {
    const IR_VERSION_FIELD: u8 = 1 << 3;
    let mut start = Vec::new();
    match open_regular(path) {
        Ok(file) => file.take(2).read_to_end(&mut start)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    Ok(matches!(start[..], [] | [IR_VERSION_FIELD, 1..=0x1f]))
}

/// The whole file.
fn model_proto(model: &Model, input: InputKind) -> Result<ModelProto, serde_json::Error> {
    Ok(ModelProto {
        doc_string: "EfficientAD: finds defects in photos of parts".to_owned(),
        metadata_props: metadata(model)?,
        ..file(graph(model, input))
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

/// Runs the networks and combines their differences.
fn anomaly_map(graph: &mut Graph, model: &Model, image: &Maps) -> Maps {
    let features = Features::of(graph, &model.networks(), image);
    let quantiles = model.quantiles();
    let local = difference(graph, &features.teacher, OF_TEACHER);
    let local = normalized(graph, OF_TEACHER, &local, &quantiles.student_teacher);
    let mut global = difference(graph, &features.autoencoder, OF_AUTOENCODER);
    if let Some(weights) = model.position_weights() {
        global = weighed(graph, OF_AUTOENCODER, &global, weights);
    }
    if model.info().autoencoder_smoothing() {
        global = smoothed(graph, OF_AUTOENCODER, &global);
    }
    let global = normalized(graph, OF_AUTOENCODER, &global, &quantiles.student_autoencoder);
    graph.node("Add", &[&local, &global], &["map.features"], Vec::new());
    let border = MAP_BORDER as i64;
    let pads = [0, 0, border, border, 0, 0, border, border];
    let pads = graph.integers("map.pads".to_owned(), &pads);
    let (height, width) = (features.height + 2 * MAP_BORDER, features.width + 2 * MAP_BORDER);
    let map = Maps { name: MAP.to_owned(), height, width };
    let mut pad = |mode, padded| {
        let mode = vec![AttributeProto::text("mode", mode)];
        graph.node("Pad", &["map.features", &pads], &[padded], mode);
    };
    match model.info().map_border() {
        MapBorder::Zero => pad("constant", MAP),
        border @ MapBorder::Halfway => {
            pad("edge", "map.nearest");
            mix_border(graph, border, &map);
        }
    }
    map
}

/// Of the map whose border shows what is nearest the one whose border is as it should be.
fn mix_border(graph: &mut Graph, border: MapBorder, map: &Maps) {
    let offset = border.beyond(0.0);
    let weight = border.beyond(1.0) - offset;
    let of_cells = |within: f32, beyond: f32| -> Vec<f32> {
        let is_within = |at: usize, length: usize| (MAP_BORDER..length - MAP_BORDER).contains(&at);
        let cell = |row, column| is_within(row, map.height) && is_within(column, map.width);
        let cells = (0..map.height).flat_map(|row| (0..map.width).map(move |column| (row, column)));
        cells.map(|(row, column)| if cell(row, column) { within } else { beyond }).collect()
    };
    let shape = [1, 1, map.height, map.width];
    let weights = graph.floats("map.border.weights".to_owned(), &shape, &of_cells(1.0, weight));
    let offsets = graph.floats("map.border.offsets".to_owned(), &shape, &of_cells(0.0, offset));
    graph.node("Mul", &["map.nearest", &weights], &["map.weighed"], Vec::new());
    graph.node("Add", &["map.weighed", &offsets], &[MAP], Vec::new());
}

/// The map of a half of the student times its position weights.
fn weighed(graph: &mut Graph, half: &str, map: &str, weights: &PositionWeights) -> String {
    let weighed = format!("{half}.weighed");
    let (height, width) = weights.size();
    let weights = graph.floats(format!("{half}.weights"), &[1, 1, height, width], weights.values());
    graph.node("Mul", &[map, &weights], &[&weighed], Vec::new());
    weighed
}

/// The map of a half of the student smoothed; beyond its edges it goes on as it is there.
fn smoothed(graph: &mut Graph, half: &str, map: &str) -> String {
    let [reached, smoothed] = ["reached", "smoothed"].map(|step| format!("{half}.{step}"));
    let reach = SMOOTHING_REACH as i64;
    let pads = [0, 0, reach, reach, 0, 0, reach, reach];
    let pads = graph.integers(format!("{half}.reach"), &pads);
    graph.node("Pad", &[map, &pads], &[&reached], vec![AttributeProto::text("mode", "edge")]);
    let weights = smoothing_weights();
    let products: Vec<f32> =
        weights.iter().flat_map(|row| weights.iter().map(move |column| row * column)).collect();
    let dims = [1, 1, weights.len(), weights.len()];
    let kernel = graph.floats(format!("{half}.smoothing"), &dims, &products);
    let shape = vec![AttributeProto::ints("kernel_shape", &[weights.len() as i64; 2])];
    graph.node("Conv", &[&reached, &kernel], &[&smoothed], shape);
    smoothed
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
