//! ONNX files.

use efficientad_backbone::Rten;
use efficientad_onnx_format::{
    AttributeProto, Dimension, DimensionProto, GraphProto, Message, ModelProto, NodeProto,
    OperatorSetIdProto, StringStringEntryProto, TensorProto, TensorShapeProto, TensorTypeProto,
    TypeProto, ValueInfoProto,
};
use efficientad_pretraining::Backbone;

use super::MIB;
use crate::target::{Memory, Target, as_it_is};
use crate::{fixtures, scratch};

const FORMAT: Target = Target {
    name: "onnx",
    parses: "ONNX's format",
    run: |bytes| ModelProto::decode(bytes).is_ok_and(|model| model.encoded_len() > 0),
    seeds: || {
        let mut seeds = backbones();
        seeds.push(every_field().encode_to_vec());
        seeds
    },
    repair: as_it_is,
    tokens: &[
        b"\x3A\x02\x0A\0",
        b"\x0A\0",
        b"\x12\0",
        b"\x2A\0",
        b"\x2A\x02\x32\0",
        b"\x32\x02\x0A\0",
        b"\x4A\x04\0\0\x80\x3F",
        b"\xFF\xFF\xFF\xFF\x0F",
        b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F",
        b"Conv",
        b"Relu",
        b"Shape",
        b"Reshape",
        b"Concat",
        b"MaxPool",
        b"Add",
        b"coarse",
        b"fine",
    ],
    // An operation without a name takes two bytes in a file.
    memory: Memory { fixed: MIB, per_byte: 256 },
    tried_in_tests: 2000,
};

/// The parsers of ONNX files.
pub(super) const TARGETS: &[Target] = &[
    FORMAT,
    Target {
        name: "backbone",
        parses: "backbones, which are run",
        run: |bytes| {
            let layers = ["fine", "coarse"].map(str::to_owned);
            scratch::with_file("net.onnx", bytes, |path| {
                Backbone::open(&Rten, path, &layers).is_ok()
            })
        },
        seeds: backbones,
        // What operations take is not bounded (`SECURITY.md`).
        memory: Memory { fixed: usize::MAX, per_byte: 0 },
        tried_in_tests: 100,
        ..FORMAT
    },
];

fn backbones() -> Vec<Vec<u8>> {
    fixtures::read("backbone/tests/fixtures", &["onnx"])
}

/// A file that has every field, mostly with a number or a text that means nothing.
fn every_field() -> ModelProto {
    let text = || "a".to_owned();
    let tensor = || TensorProto {
        dims: vec![2, 1],
        data_type: 1,
        float_data: vec![0.5; 2],
        int32_data: vec![-1; 2],
        int64_data: vec![1 << 40; 2],
        name: text(),
        raw_data: vec![7; 8].into(),
        double_data: vec![0.25; 2],
        data_location: 0,
    };
    let dimensions = [Dimension::Fixed(2), Dimension::Named(text())];
    let shape =
        TensorShapeProto { dim: dimensions.map(|it| DimensionProto { value: Some(it) }).to_vec() };
    let value = ValueInfoProto {
        name: text(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto { elem_type: 1, shape: Some(shape) }),
        }),
        doc_string: text(),
    };
    let graph = |attribute| GraphProto {
        node: vec![NodeProto {
            input: vec![text()],
            output: vec![text()],
            name: text(),
            op_type: "Relu".to_owned(),
            attribute,
            domain: text(),
        }],
        name: text(),
        initializer: vec![tensor()],
        input: vec![value.clone()],
        output: vec![value.clone()],
    };
    let attribute = AttributeProto {
        f: Some(0.5),
        i: Some(-3),
        s: Some(b"a".to_vec()),
        t: Some(tensor()),
        g: Some(graph(vec![AttributeProto::ints("pads", &[1, 1])])),
        floats: vec![0.5; 3],
        ints: vec![1; 3],
        strings: vec![b"b".to_vec(); 2],
        ..AttributeProto::text("mode", "linear")
    };
    ModelProto {
        ir_version: 8,
        producer_name: text(),
        producer_version: text(),
        doc_string: text(),
        graph: Some(graph(vec![attribute])),
        opset_import: vec![OperatorSetIdProto { domain: text(), version: 17 }],
        metadata_props: vec![StringStringEntryProto { key: text(), value: text() }],
    }
}
