use efficientad_onnx_format::{AttributeProto, OperatorSetIdProto, data_type};

use super::*;

const INPUT: [usize; 4] = [1, 3, 512, 512];

fn floats(name: &str, dims: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: dims.to_vec(),
        data_type: data_type::FLOAT,
        float_data: (0..dims.iter().product()).map(|i: i64| 1.0 + i as f32).collect(),
        ..Default::default()
    }
}

fn ints(name: &str, numbers: &[i64]) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: vec![numbers.len() as i64],
        data_type: data_type::INT64,
        int64_data: numbers.to_vec(),
        ..Default::default()
    }
}

fn int(name: &str, number: i64) -> TensorProto {
    TensorProto { dims: Vec::new(), ..ints(name, &[number]) }
}

/// An operation that makes `out`, or what else is named.
fn node(operator: &str, inputs: &str, outputs: &str, attributes: &[AttributeProto]) -> NodeProto {
    let names = |list: &str| -> Vec<String> {
        list.split_whitespace().map(|name| name.trim_matches('-').to_owned()).collect()
    };
    NodeProto {
        op_type: operator.to_owned(),
        name: format!("{operator}.node"),
        input: names(inputs),
        output: names(outputs),
        attribute: attributes.to_vec(),
        ..Default::default()
    }
}

fn extents(opset: i64, nodes: Vec<NodeProto>, constants: Vec<TensorProto>) -> Extents {
    let set = OperatorSetIdProto { version: opset, ..Default::default() };
    let file = ModelProto { ir_version: 8, opset_import: vec![set], ..Default::default() };
    let graph = GraphProto { node: nodes, initializer: constants, ..Default::default() };
    Extents::of(&file, &graph, ("image", &INPUT), |_| true)
}

/// Expects the shape of `out`, which the runtime is asked for, too.
#[track_caller]
fn makes(opset: i64, node: NodeProto, constants: Vec<TensorProto>, shape: &[u64]) {
    let text = format!("{node:?}");
    let outputs = node.output.clone();
    let extents = extents(opset, vec![node], constants);
    assert_eq!(extents.refusal, None, "{text}");
    assert_eq!(extents.tensors["out"].shape, shape, "{text}");
    // It was computed, and had the shape that it should have.
    assert!(outputs.iter().all(|name| extents.tensors[name].value.is_some()), "{text}");
}

#[test]
fn the_runtime_makes_what_the_rules_say() {
    let two = || vec![floats("a", &[2, 3]), floats("b", &[4, 1, 3])];
    for operator in ["Add", "Sub", "Mul", "Div", "Max", "Min", "Mean", "Sum", "Pow"] {
        makes(17, node(operator, "a b", "out", &[]), two(), &[4, 2, 3]);
    }
    for operator in ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"] {
        makes(17, node(operator, "a b", "out", &[]), two(), &[4, 2, 3]);
    }
    let map = || vec![floats("x", &[1, 4, 6, 5])];
    for operator in ["Relu", "Sigmoid", "Erf", "Sqrt", "Softmax", "HardSwish", "Identity", "Floor"]
    {
        makes(17, node(operator, "x", "out", &[]), map(), &[1, 4, 6, 5]);
    }
    for (keep, shape) in [(1, vec![1, 4, 1, 1]), (0, vec![1, 4])] {
        let attributes =
            [AttributeProto::ints("axes", &[2, -1]), AttributeProto::int("keepdims", keep)];
        makes(13, node("ReduceMean", "x", "out", &attributes), map(), &shape);
        let constants = [map(), vec![ints("axes", &[2, 3])]].concat();
        makes(18, node("ReduceMax", "x axes", "out", &attributes[1..]), constants, &shape);
    }
    makes(17, node("GlobalAveragePool", "x", "out", &[]), map(), &[1, 4, 1, 1]);
    makes(17, node("Flatten", "x", "out", &[AttributeProto::int("axis", 2)]), map(), &[4, 30]);
    makes(17, node("Flatten", "x", "out", &[AttributeProto::int("axis", -1)]), map(), &[24, 5]);
    let noop = AttributeProto::int("noop_with_empty_axes", 1);
    makes(18, node("ReduceSum", "x", "out", &[noop]), map(), &[1, 4, 6, 5]);
    makes(18, node("ReduceSum", "x", "out", &[]), map(), &[1, 1, 1, 1]);
    let slope = vec![floats("x", &[2, 3]), floats("slope", &[3])];
    makes(17, node("PRelu", "x slope", "out", &[]), slope, &[2, 3]);
    let order = AttributeProto::ints("perm", &[0, 2, 3, 1]);
    makes(17, node("Transpose", "x", "out", &[order]), map(), &[1, 6, 5, 4]);
    makes(17, node("Transpose", "x", "out", &[]), map(), &[5, 6, 4, 1]);
    let block = AttributeProto::int("blocksize", 2);
    makes(17, node("DepthToSpace", "x", "out", &[block]), map(), &[1, 1, 12, 10]);
    makes(17, node("Shape", "x", "out", &[]), map(), &[4]);
    let part = [AttributeProto::int("start", -3), AttributeProto::int("end", -1)];
    makes(17, node("Shape", "x", "out", &part), map(), &[2]);
    makes(17, node("Size", "x", "out", &[]), map(), &[]);
}

#[test]
fn windows_lie_where_the_runtime_has_them() {
    let constants = || vec![floats("x", &[1, 4, 9, 7]), floats("w", &[6, 2, 3, 2])];
    let group = || AttributeProto::int("group", 2);
    let cases: [(&[AttributeProto], [u64; 2]); 5] = [
        (&[], [7, 6]),
        (&[AttributeProto::ints("strides", &[2, 3])], [4, 2]),
        (&[AttributeProto::ints("pads", &[1, 0, 2, 1])], [10, 7]),
        (&[AttributeProto::ints("dilations", &[2, 1])], [5, 6]),
        (
            &[
                AttributeProto::text("auto_pad", "SAME_UPPER"),
                AttributeProto::ints("strides", &[2, 2]),
            ],
            [5, 4],
        ),
    ];
    for (attributes, [height, width]) in cases {
        let kernel = AttributeProto::ints("kernel_shape", &[3, 2]);
        let attributes = [attributes, &[group(), kernel]].concat();
        makes(17, node("Conv", "x w", "out", &attributes), constants(), &[1, 6, height, width]);
    }
    let pool = |operator: &str, length: i64, ceil: i64, shape: &[u64]| {
        let attributes = [
            AttributeProto::ints("kernel_shape", &[3, 3]),
            AttributeProto::ints("strides", &[2, 2]),
            AttributeProto::ints("pads", &[1, 1, 1, 1]),
            AttributeProto::int("ceil_mode", ceil),
        ];
        let x = floats("x", &[1, 2, length, length]);
        makes(17, node(operator, "x", "out", &attributes), vec![x], shape);
    };
    for (length, ceil, places) in
        [(8, 0, 4), (8, 1, 5), (9, 0, 5), (9, 1, 5), (10, 1, 6), (2, 1, 2)]
    {
        pool("MaxPool", length, ceil, &[1, 2, places, places]);
        pool("AveragePool", length, ceil, &[1, 2, places, places]);
    }
}

#[test]
fn matrices_are_multiplied() {
    let product = |left: &[i64], right: &[i64], shape: &[u64]| {
        let constants = vec![floats("a", left), floats("b", right)];
        makes(17, node("MatMul", "a b", "out", &[]), constants, shape);
    };
    product(&[2, 3], &[3, 4], &[2, 4]);
    product(&[5, 1, 2, 3], &[6, 3, 4], &[5, 6, 2, 4]);
    product(&[3], &[3, 4], &[4]);
    product(&[2, 3], &[3], &[2]);
    let constants = vec![floats("a", &[3, 2]), floats("b", &[4, 3]), floats("c", &[4])];
    let transposed = [AttributeProto::int("transA", 1), AttributeProto::int("transB", 1)];
    makes(17, node("Gemm", "a b c", "out", &transposed), constants, &[2, 4]);
}

#[test]
fn tensors_are_cut_and_put_together() {
    let x = || vec![floats("x", &[2, 6])];
    let with = |more: Vec<TensorProto>| [x(), more].concat();
    let axis = |axis: i64| AttributeProto::int("axis", axis);
    makes(17, node("Concat", "x x", "out", &[axis(-1)]), x(), &[2, 12]);
    makes(17, node("Split", "x", "out rest", &[axis(1)]), x(), &[2, 3]);
    makes(17, node("Split", "x", "out rest", &[axis(0)]), vec![floats("x", &[5, 2])], &[3, 2]);
    let sizes = with(vec![ints("sizes", &[4, 2])]);
    makes(17, node("Split", "x sizes", "out rest", &[axis(1)]), sizes, &[2, 4]);
    let sizes = AttributeProto::ints("split", &[1, 5]);
    makes(11, node("Split", "x", "out rest", &[axis(1), sizes]), x(), &[2, 1]);
    let slice = |start: i64, end: i64, step: i64, length: u64| {
        let constants = with(vec![
            ints("starts", &[start]),
            ints("ends", &[end]),
            ints("axes", &[1]),
            ints("steps", &[step]),
        ]);
        makes(17, node("Slice", "x starts ends axes steps", "out", &[]), constants, &[2, length]);
    };
    slice(1, i64::MAX, 2, 3);
    slice(-2, 100, 1, 2);
    slice(-1, i64::MIN, -1, 6);
    slice(4, 1, -2, 2);
    slice(4, 1, 1, 0);
    let indices = || TensorProto { dims: vec![1, 3], ..ints("i", &[0, 1, 1]) };
    makes(17, node("Gather", "x i", "out", &[axis(0)]), with(vec![indices()]), &[1, 3, 6]);
    makes(17, node("Gather", "x i", "out", &[axis(0)]), with(vec![int("i", 1)]), &[6]);
    for (shape, made) in [(&[0, 2, -1][..], &[2, 2, 3][..]), (&[-1], &[12]), (&[3, 4], &[3, 4])] {
        makes(17, node("Reshape", "x s", "out", &[]), with(vec![ints("s", shape)]), made);
    }
    makes(17, node("Expand", "x s", "out", &[]), with(vec![ints("s", &[3, 1, 1])]), &[3, 2, 6]);
    makes(17, node("Tile", "x s", "out", &[]), with(vec![ints("s", &[1, 2])]), &[2, 12]);
    let pads = with(vec![ints("s", &[0, 1, 3, 2])]);
    makes(17, node("Pad", "x s", "out", &[]), pads, &[5, 9]);
    makes(17, node("Unsqueeze", "x s", "out", &[]), with(vec![ints("s", &[0, -1])]), &[1, 2, 6, 1]);
    let one = || vec![floats("x", &[1, 6, 1]), ints("s", &[-1])];
    makes(17, node("Squeeze", "x s", "out", &[]), one(), &[1, 6]);
    makes(17, node("Squeeze", "x", "out", &[]), one(), &[6]);
    makes(17, node("ConstantOfShape", "s", "out", &[]), vec![ints("s", &[2, 5])], &[2, 5]);
    for (start, limit, delta, length) in [(1, 10, 3, 3), (5, -5, -4, 3), (3, 3, 1, 0)] {
        let constants = vec![int("a", start), int("b", limit), int("c", delta)];
        makes(17, node("Range", "a b c", "out", &[]), constants, &[length]);
    }
}

#[test]
fn maps_are_enlarged() {
    let x = || floats("x", &[1, 2, 5, 7]);
    let scales = || TensorProto { float_data: vec![1.0, 1.0, 2.0, 1.5], ..floats("scales", &[4]) };
    makes(17, node("Resize", "x - scales", "out", &[]), vec![x(), scales()], &[1, 2, 10, 10]);
    let sizes = vec![x(), ints("sizes", &[1, 2, 8, 3])];
    makes(17, node("Resize", "x - - sizes", "out", &[]), sizes, &[1, 2, 8, 3]);
    makes(9, node("Upsample", "x scales", "out", &[]), vec![x(), scales()], &[1, 2, 10, 10]);
}

/// As programs write the padding of a convolution: the pads are computed in the graph.
#[test]
fn shapes_may_be_computed_from_the_photos_size() {
    let nodes = vec![
        node("Shape", "image", "shape", &[]),
        node("Gather", "shape two", "height", &[AttributeProto::int("axis", 0)]),
        node("Div", "height four", "quarter", &[]),
        node("Unsqueeze", "quarter zero", "list", &[]),
        node("Concat", "one list minus", "sizes", &[AttributeProto::int("axis", 0)]),
        node("Reshape", "image sizes", "out", &[]),
    ];
    let constants = vec![
        int("two", 2),
        int("four", 4),
        ints("zero", &[0]),
        ints("one", &[1]),
        ints("minus", &[-1]),
    ];
    let extents = extents(17, nodes, constants);
    assert_eq!(extents.refusal, None);
    assert_eq!(extents.tensors["out"].shape, [1, 128, 6144]);
}

/// Expects that a network is refused, for this reason.
#[track_caller]
fn refused(nodes: Vec<NodeProto>, constants: Vec<TensorProto>, reason: &str) {
    let refusal = extents(17, nodes, constants).refusal.expect("refused");
    assert!(refusal.contains(reason), "{refusal}");
}

#[test]
fn what_asks_for_all_memory_is_refused_by_name() {
    let huge = 1 << 40;
    let one = |operator: &str, inputs: &str, constants: Vec<TensorProto>| {
        let nodes = vec![node(operator, inputs, "out", &[])];
        refused(nodes, constants, &format!("operation `{operator}.node` ({operator}) makes "));
    };
    one("ConstantOfShape", "s", vec![ints("s", &[huge])]);
    one("Expand", "image s", vec![ints("s", &[1 << 20, 1, 1, 1])]);
    one("Tile", "image s", vec![ints("s", &[1, 1, 1 << 10, 1 << 10])]);
    one("Pad", "image s", vec![ints("s", &[0, 0, 0, 0, 0, 0, huge, 0])]);
    one("Range", "a b c", vec![int("a", 0), int("b", i32::MAX.into()), int("c", 1)]);
    let scales = TensorProto { float_data: vec![1.0, 1.0, 1e9, 1e9], ..floats("s", &[4]) };
    one("Resize", "image - s", vec![scales]);
    // Small parts that multiply.
    let [column, row] =
        [("a", [1 << 17, 1]), ("b", [1, 1 << 17])].map(|(name, dims)| floats(name, &dims));
    one("Add", "a b", vec![column.clone(), row.clone()]);
    one("MatMul", "a b", vec![column, row]);
    let w = || vec![floats("w", &[1, 3, 1, 1])];
    let pads = AttributeProto::ints("pads", &[1 << 21, 0, 1 << 21, 0]);
    let valid = AttributeProto::text("auto_pad", "VALID");
    for attributes in [&[pads.clone()][..], &[pads, valid]] {
        let conv = vec![node("Conv", "image w", "out", attributes)];
        refused(conv, w(), "(Conv) makes 1×1×4194816×512 numbers");
    }
    let axis = AttributeProto::int("axis", 0);
    let name = |i: usize| if i == 0 { "image".to_owned() } else { format!("x{i}") };
    let doubled = |i: usize| {
        node("Concat", &format!("{0} {0}", name(i)), &name(i + 1), std::slice::from_ref(&axis))
    };
    refused((0..40).map(doubled).collect(), Vec::new(), "(Concat) makes ");
    let claims = TensorProto { dims: vec![huge], ..floats("s", &[]) };
    refused(Vec::new(), vec![claims], "its tensor `s` cannot have the shape [1099511627776]");
    let negative = TensorProto { dims: vec![-1], ..floats("s", &[0]) };
    refused(Vec::new(), vec![negative], "its tensor `s` cannot have the shape [-1]");
    // A dimension of length 0 hides none that is too long.
    let empty = vec![node("ConstantOfShape", "s", "out", &[])];
    refused(empty, vec![ints("s", &[0, huge])], "(ConstantOfShape) makes 0×1099511627776 numbers");
}

#[test]
fn what_takes_for_ever_is_refused_by_name() {
    let mut nodes = vec![node("Reshape", "image s", "a", &[]), node("Transpose", "a", "b", &[])];
    nodes.extend((0..2000).map(|i| node("MatMul", "a b", &format!("x{i}"), &[])));
    let reason = "(MatMul) it takes more than the limit of 1099511627776 multiplications a photo";
    refused(nodes, vec![ints("s", &[768, 1024])], reason);
}

#[test]
fn what_is_not_known_beforehand_is_refused_by_name() {
    for operator in ["Loop", "If", "Scan", "NonZero", "Guess"] {
        let nodes = vec![node(operator, "image", "out", &[])];
        refused(nodes, Vec::new(), &format!("operation `{operator}.node` ({operator}) is none of"));
    }
    let of_another =
        NodeProto { domain: "com.example".to_owned(), ..node("Relu", "image", "out", &[]) };
    refused(vec![of_another], Vec::new(), "(Relu) is none of");
    let largest = node("ReduceMax", "image", "largest", &[AttributeProto::int("keepdims", 0)]);
    let nodes = vec![
        largest,
        node("Cast", "largest", "whole", &[AttributeProto::int("to", 7)]),
        node("Reshape", "whole one", "list", &[]),
        node("ConstantOfShape", "list", "out", &[]),
    ];
    refused(
        nodes,
        vec![ints("one", &[1])],
        "(ConstantOfShape) makes is not known before it is run",
    );
    refused(vec![node("Relu", "none", "out", &[])], Vec::new(), "reads `none`, which no operation");
    let twice = || node("Relu", "image", "out", &[]);
    refused(vec![twice(), twice()], Vec::new(), "it has two tensors of the name `out`");
    let pads = [1, 2].map(|pad| AttributeProto::ints("pads", &[pad; 4]));
    let conv = vec![node("Conv", "image w", "out", &pads)];
    refused(conv, vec![floats("w", &[1, 3, 1, 1])], "(Conv) does not fit its inputs");
}

#[test]
fn the_documentation_lists_the_operators() {
    let text = include_str!("../../../../docs/pretraining.md");
    let list = text.split("refused by name:").nth(1).unwrap().split("Besides").next().unwrap();
    let listed: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    assert!(listed.len() > 80);
    for operator in &listed {
        let refusal = extents(17, vec![node(operator, "", "out", &[])], Vec::new()).refusal;
        assert!(refusal.is_none_or(|refusal| !refusal.contains("is none of")), "{operator}");
    }
    for operator in [rules::OF_ONE, rules::OF_SEVERAL, rules::OF_REDUCED].join(" ").split(' ') {
        assert!(listed.contains(&operator), "{operator}");
    }
}
