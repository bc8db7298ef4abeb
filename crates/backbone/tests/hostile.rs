//! Files that are no sound networks, or no usual ones: an error, never the end of the program.

use std::fs;
use std::path::Path;

use efficientad_backbone::Rten;
use efficientad_onnx_format::{
    AttributeProto, Dimension, DimensionProto, GraphProto, Message, ModelProto, NodeProto,
    TensorProto, data_location, data_type,
};
use efficientad_pretraining::Backbone;

/// Operations that a network may have at most.
const MAX_NODES: usize = 5000;

fn tiny() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny_backbone.onnx");
    fs::read(path).unwrap()
}

/// Channels of the layers, or the error, of a file with these bytes.
fn open(bytes: &[u8], layers: [&str; 2]) -> Result<[usize; 2], String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.onnx");
    fs::write(&path, bytes).unwrap();
    match Backbone::open(&Rten, &path, &layers.map(str::to_owned)) {
        Ok(backbone) => Ok(backbone.channels()),
        Err(error) => {
            let text = error.to_string();
            let start = format!("{}: ", path.display());
            Err(text.strip_prefix(&start).expect("the file is named").to_owned())
        }
    }
}

/// The same of the tiny backbone, after a change of its graph.
fn changed(layers: [&str; 2], change: impl FnOnce(&mut GraphProto)) -> Result<[usize; 2], String> {
    let mut file = ModelProto::decode(tiny().as_slice()).unwrap();
    change(file.graph.as_mut().unwrap());
    open(&file.encode_to_vec(), layers)
}

fn node(operator: &str, input: &str, output: &str) -> NodeProto {
    NodeProto {
        op_type: operator.to_owned(),
        name: format!("{output}.node"),
        input: vec![input.to_owned()],
        output: vec![output.to_owned()],
        ..Default::default()
    }
}

/// Inserts an operation before the one that makes `coarse` of `coarse.sum`.
fn before_coarse(graph: &mut GraphProto, operator: &str) {
    let last = graph.node.iter().position(|node| node.output == ["coarse"]).unwrap();
    graph.node[last].input = vec!["between".to_owned()];
    graph.node.insert(last, node(operator, "coarse.sum", "between"));
}

#[test]
fn damaged_networks_are_refused_or_run() {
    let whole = tiny();
    let layers = ["fine", "coarse"];
    assert_eq!(open(&whole, layers), Ok([16, 24]));
    // Bytes of the graph, which stand before and between the weights: wherever names are.
    let text = |at: usize| whole[at.saturating_sub(8)..(at + 8).min(whole.len())].iter();
    let structural: Vec<usize> = (0..whole.len())
        .filter(|&at| text(at).filter(|byte| byte.is_ascii_lowercase()).count() >= 5)
        .collect();
    assert!(structural.len() > 300);
    let (mut refused, mut taken) = (0, 0);
    for (i, at) in structural.into_iter().enumerate() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (i % 8);
        match open(&bytes, layers) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100 && taken > 10, "{refused} refused, {taken} taken");
}

#[test]
fn tensors_inside_are_layers() {
    assert_eq!(open(&tiny(), ["fine.sum", "coarse.sum"]), Ok([16, 24]));
    assert_eq!(open(&tiny(), ["fine", "coarse.sum"]), Ok([16, 24]));
    let error = open(&tiny(), ["fine", "pooled"]).unwrap_err();
    assert!(error.starts_with("layer `pooled` has shape 1×24 where "), "{error}");
    for none in ["image", "fine.weight", ""] {
        let error = open(&tiny(), [none, "coarse"]).unwrap_err();
        assert!(error.starts_with(&format!("there is no tensor `{none}` in this")), "{error}");
    }
    let error = open(&tiny(), ["fine", "fine"]).unwrap_err();
    assert!(error.contains("Outputs are not unique"), "{error}");
}

#[test]
fn what_comes_after_the_layers_does_not_matter() {
    let unknown = |graph: &mut GraphProto| graph.node.push(node("Guess", "pooled", "guessed"));
    assert_eq!(changed(["fine", "coarse"], unknown), Ok([16, 24]));
    let error = changed(["fine", "none"], unknown).unwrap_err();
    let names = "those of 64×64 are fine, fine.sum; those of 32×32 are coarse, coarse.sum";
    assert!(error.ends_with(names), "{error}");
    let of_another_size = |graph: &mut GraphProto| {
        let mut flatten = node("Reshape", "coarse", "flat");
        flatten.input.push("length".to_owned());
        graph.node.push(flatten);
        graph.initializer.push(TensorProto {
            name: "length".to_owned(),
            dims: vec![1],
            data_type: data_type::INT64,
            int64_data: vec![24 * 14 * 14],
            ..Default::default()
        });
    };
    assert_eq!(changed(["fine", "coarse"], of_another_size), Ok([16, 24]));
    let error = changed(["fine", "none"], of_another_size).unwrap_err();
    assert!(error.ends_with(names), "{error}");
    let needed = |graph: &mut GraphProto| before_coarse(graph, "Guess");
    let error = changed(["fine", "coarse"], needed).unwrap_err();
    assert!(error.contains("cannot be run: ") && error.contains("Guess"), "{error}");
    let error = changed(["fine", "none"], needed).unwrap_err();
    assert!(error.ends_with("fine, fine.sum; those of 32×32 are coarse.sum"), "{error}");
}

#[test]
fn a_declared_size_of_the_input_does_not_matter() {
    let opened = changed(["fine", "coarse"], |graph| {
        let declared = graph.input[0].r#type.as_mut().unwrap();
        let shape = declared.tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
        let fixed = |length| DimensionProto { value: Some(Dimension::Fixed(length)) };
        shape.dim = [8, 3, 224, 224].map(fixed).to_vec();
    });
    assert_eq!(opened, Ok([16, 24]));
}

#[test]
fn dropout_changes_nothing() {
    let dropout = |graph: &mut GraphProto| before_coarse(graph, "Dropout");
    assert_eq!(changed(["fine", "coarse"], dropout), Ok([16, 24]));
}

#[test]
fn one_input_and_all_weights_are_needed() {
    let cannot = |change: fn(&mut GraphProto), reason: &str| {
        let error = changed(["fine", "coarse"], change).unwrap_err();
        assert_eq!(error, format!("this ONNX network cannot be run: {reason}"));
    };
    let two = |graph: &mut GraphProto| {
        graph.input.push(graph.input[0].clone());
        graph.input[1].name.push('2');
    };
    cannot(two, "it has 2 inputs where 1 is needed");
    cannot(|graph| graph.input.clear(), "it has 0 inputs where 1 is needed");
    let elsewhere = |graph: &mut GraphProto| {
        let weight = &mut graph.initializer[0];
        weight.raw_data.clear();
        weight.data_location = data_location::EXTERNAL;
    };
    cannot(elsewhere, "its weights are in another file; save it as one file");
}

#[test]
fn endless_networks_are_refused() {
    let chain = |operations: usize| {
        changed(["fine", "end"], |graph| {
            graph.node.truncate(graph.node.len() - 2);
            let rest = operations - graph.node.len() - 1;
            let name = |i: usize| if i == 0 { "coarse".to_owned() } else { format!("r{i}") };
            graph.node.extend((0..rest).map(|i| node("Relu", &name(i), &name(i + 1))));
            graph.node.push(node("Relu", &name(rest), "end"));
        })
    };
    assert_eq!(chain(MAX_NODES), Ok([16, 24]));
    assert_eq!(
        chain(MAX_NODES + 1).unwrap_err(),
        "this ONNX network cannot be run: it has 5001 operations, more than the limit of 5000"
    );
    let inside = |graph: &mut GraphProto| {
        let node = (0..MAX_NODES).map(|i| node("Relu", "image", &format!("r{i}"))).collect();
        graph.node[0].attribute[0].g = Some(GraphProto { node, ..Default::default() });
    };
    assert!(changed(["fine", "coarse"], inside).unwrap_err().contains("it has 5006 operations"));
    let circle = |graph: &mut GraphProto| graph.node[0].input[0] = "coarse".to_owned();
    let error = changed(["fine", "coarse"], circle).unwrap_err();
    assert!(error.contains("reads `coarse`, which no operation before it computes"), "{error}");
    let deep = |depth: usize| {
        (0..depth).fold(GraphProto::default(), |inner, _| {
            let attribute = AttributeProto { g: Some(inner), ..Default::default() };
            let attribute = vec![attribute];
            let node = vec![NodeProto { attribute, ..Default::default() }];
            GraphProto { node, ..Default::default() }
        })
    };
    let nested = |graph: &mut GraphProto| graph.node[0].attribute[0].g = Some(deep(50));
    let error = changed(["fine", "coarse"], nested).unwrap_err();
    assert!(error.contains("recursion limit"), "{error}");
}

/// A file of a few hundred bytes would take all memory there is.
#[test]
fn bombs_are_refused_by_name_before_they_run() {
    let bomb = |operator: &'static str, shape: &'static [i64]| {
        changed(["fine", "coarse"], |graph| {
            let inputs = if operator == "Expand" { "coarse.sum" } else { "bomb.shape" };
            before_coarse(graph, operator);
            let bomb = graph.node.iter_mut().find(|node| node.op_type == operator).unwrap();
            bomb.input = vec![inputs.to_owned()];
            bomb.input.extend((operator == "Expand").then(|| "bomb.shape".to_owned()));
            graph.initializer.push(TensorProto {
                name: "bomb.shape".to_owned(),
                dims: vec![shape.len() as i64],
                data_type: data_type::INT64,
                int64_data: shape.to_vec(),
                ..Default::default()
            });
        })
    };
    let made = |operator: &str, shape: &str| {
        Err(format!(
            "this ONNX network cannot be run: operation `between.node` ({operator}) makes {shape} numbers; \
             a tensor may have 1073741824, all together 2147483648"
        ))
    };
    let found = bomb("ConstantOfShape", &[1 << 20, 1 << 20]);
    assert_eq!(found, made("ConstantOfShape", "1048576×1048576"));
    let found = bomb("Expand", &[1 << 30, 1, 1, 1]);
    assert_eq!(found, made("Expand", "1073741824×24×32×32"));
    let found = changed(["fine", "coarse"], |graph| before_coarse(graph, "Loop"));
    assert!(found.unwrap_err().contains("operation `between.node` (Loop) is none of those"));
}

/// Two bytes a message in the file would be hundreds in memory.
#[test]
fn files_of_many_empty_entries_are_refused_unread() {
    let entries = 2_000_000;
    let graph = [0x0a, 0].repeat(entries);
    let mut length = graph.len();
    let mut bytes = vec![0x3a];
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(graph);
    assert_eq!(
        open(&bytes, ["fine", "coarse"]).unwrap_err(),
        "this ONNX network cannot be run: without the numbers of its weights it has 2000001 entries of \
         0 bytes, more than the limits of 1048576 and 4194304"
    );
}
