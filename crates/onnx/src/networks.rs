//! Graphs of networks alone: to their two difference maps, or to the teacher's features.

use crate::graph::{Graph, Maps, file, value};
use efficientad_engine::{
    ExportedNetworks, InputSize, Networks, PdnSize, TEACHER_CHANNELS, Weights,
};
use efficientad_onnx_format::{AttributeProto, GraphProto, Message, ValueInfoProto, data_type};

/// The input of all graphs.
pub const IMAGE: &str = "image";
/// The name of all inputs' and outputs' first length, which is open: the number of images.
pub const IMAGES: &str = "N";
/// The output of [`networks_to_bytes`] for unusual patches.
pub const STUDENT_TEACHER: &str = "student_teacher";
/// The output of [`networks_to_bytes`] for unusual wholes.
pub const STUDENT_AUTOENCODER: &str = "student_autoencoder";
/// The output of [`teacher_to_bytes`].
pub const FEATURES: &str = "features";

/// The half of the student's features that predicts the teacher's.
pub(crate) const OF_TEACHER: &str = "student.of_teacher";
/// The half of the student's features that predicts the autoencoder's.
pub(crate) const OF_AUTOENCODER: &str = "student.of_autoencoder";

/// An ONNX file of networks, from normalised images to their difference maps. With H×W the networks'
/// input size, and h×w its [`InputSize::feature_size`], all in float32:
///
/// | value | shape | what |
/// |---|---|---|
/// | [`IMAGE`] | N×3×H×W | input: RGB in \[0, 1\], less ImageNet's mean, divided by its deviation |
/// | [`STUDENT_TEACHER`] | N×1×h×w | mean over channels of (teacher − first half of the student)² |
/// | [`STUDENT_AUTOENCODER`] | N×1×h×w | mean of (autoencoder − second half of the student)² |
pub fn networks_to_bytes(networks: &Networks) -> Vec<u8> {
    let mut graph = Graph::default();
    let size = (networks.input.height(), networks.input.width());
    let image = normalized(size);
    let features = Features::of(&mut graph, &ExportedNetworks::of(networks), &image);
    let lengths = [1, features.height, features.width];
    let mut output = |target: &str, half, name, meaning| {
        let map = difference(&mut graph, target, half);
        graph.node("Identity", &[&map], &[name], Vec::new());
        value(name, data_type::FLOAT, &lengths, meaning)
    };
    let outputs = vec![
        output(&features.teacher, OF_TEACHER, STUDENT_TEACHER, "unusual patches"),
        output(&features.autoencoder, OF_AUTOENCODER, STUDENT_AUTOENCODER, "unusual wholes"),
    ];
    encode(graph.finish("networks", image_value(size), outputs))
}

/// An ONNX file of a patch description network with 384 output channels, for images of some height and
/// width: from [`IMAGE`], as in [`networks_to_bytes`], to [`FEATURES`], N×384×h×w.
pub fn teacher_to_bytes(size: PdnSize, weights: &Weights, image: (usize, usize)) -> Vec<u8> {
    let none = || Weights(Vec::new());
    let (teacher, student, autoencoder) = (weights.clone(), none(), none());
    let input = InputSize::default();
    let networks = Networks { size, input, teacher, student, autoencoder };
    let mut graph = Graph::default();
    let layers = ExportedNetworks::of(&networks).teacher;
    let features = graph.network("teacher", &layers, &normalized(image));
    graph.node("Identity", &[&features.name], &[FEATURES], Vec::new());
    let lengths = [TEACHER_CHANNELS, features.height, features.width];
    let output = value(FEATURES, data_type::FLOAT, &lengths, "what the teacher says of patches");
    encode(graph.finish("teacher", image_value(image), vec![output]))
}

fn encode(graph: GraphProto) -> Vec<u8> {
    file(graph).encode_to_vec()
}

/// The input as the networks read it.
fn normalized((height, width): (usize, usize)) -> Maps {
    Maps { name: IMAGE.to_owned(), height, width }
}

fn image_value((height, width): (usize, usize)) -> ValueInfoProto {
    value(IMAGE, data_type::FLOAT, &[3, height, width], "normalised RGB")
}

/// Names of the networks' features, beside [`OF_TEACHER`] and [`OF_AUTOENCODER`], and their size.
pub(crate) struct Features {
    pub teacher: String,
    pub autoencoder: String,
    pub height: usize,
    pub width: usize,
}

impl Features {
    /// Adds the three networks.
    pub(crate) fn of(graph: &mut Graph, networks: &ExportedNetworks, image: &Maps) -> Self {
        let teacher = graph.network("teacher", &networks.teacher, image);
        let student = graph.network("student", &networks.student, image);
        let autoencoder = graph.network("autoencoder", &networks.autoencoder, image);
        let channels = vec![AttributeProto::int("axis", 1)];
        graph.node("Split", &[&student.name], &[OF_TEACHER, OF_AUTOENCODER], channels);
        Self {
            teacher: teacher.name,
            autoencoder: autoencoder.name,
            height: teacher.height,
            width: teacher.width,
        }
    }
}

/// The mean of squared differences over channels.
pub(crate) fn difference(graph: &mut Graph, target: &str, student: &str) -> String {
    let [difference, square, mean] =
        ["difference", "square", "mean"].map(|step| format!("{student}.{step}"));
    graph.node("Sub", &[target, student], &[&difference], Vec::new());
    graph.node("Mul", &[&difference, &difference], &[&square], Vec::new());
    let over_channels =
        vec![AttributeProto::ints("axes", &[1]), AttributeProto::int("keepdims", 1)];
    graph.node("ReduceMean", &[&square], &[&mean], over_channels);
    mean
}
