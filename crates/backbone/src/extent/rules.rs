//! The shapes that operators make of other shapes, and how many multiplications that takes, after the
//! ONNX project's `Operators.md`.

use super::operation::{Operation, Refusal};
use super::{count, values};

type Shape = Vec<u64>;

/// Operators whose results have the shape of their first input.
pub(super) const OF_ONE: &str = "\
    Abs BatchNormalization Cast CastLike Ceil Clip Cos CumSum Elu Erf Exp Floor Gelu HardSigmoid \
    HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Log LogSoftmax \
    LpNormalization Neg Not RMSNormalization Reciprocal Relu Round Sigmoid Sign Sin Softmax Softplus \
    Softsign Sqrt Swish Tan Tanh Trilu";
/// Operators of inputs that are stretched to a common shape.
pub(super) const OF_SEVERAL: &str = "\
    Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or PRelu Pow Sub Sum \
    Where";
/// Operators that take dimensions together.
pub(super) const OF_REDUCED: &str = "\
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum \
    ReduceSumSquare";

/// The shapes of an operation's results, and the multiplications that it takes.
pub(super) fn shapes(operation: &Operation) -> Result<(Vec<Shape>, u64), Refusal> {
    let operator = operation.node.op_type.as_str();
    let is_among = |names: &str| names.split(' ').any(|name| name == operator);
    let mut per_number = 1;
    let shapes = match operator {
        "AveragePool" | "MaxPool" => {
            let (shape, window) = pool(operation)?;
            per_number = window;
            vec![shape]
        }
        "Concat" => vec![concat(operation)?],
        "Constant" => vec![constant(operation)?],
        "ConstantOfShape" => vec![lengths(&known(operation.known(0)?)?)?],
        "Conv" => {
            let (shape, window) = conv(operation)?;
            per_number = window;
            vec![shape]
        }
        "DepthToSpace" => vec![depth_to_space(operation)?],
        "Expand" => {
            vec![stretched(&[operation.shape(0)?, &lengths(&known(operation.known(1)?)?)?])?]
        }
        "Flatten" => vec![flatten(operation)?],
        "Gather" => vec![gather(operation)?],
        "Gemm" => {
            let (shape, inner) = gemm(operation)?;
            per_number = inner;
            vec![shape]
        }
        "GlobalAveragePool" | "GlobalMaxPool" => {
            let shape = operation.shape(0)?;
            let channels = shape.get(..2).ok_or(Refusal::Unfit)?;
            vec![[channels, &vec![1; shape.len() - 2]].concat()]
        }
        "MatMul" => {
            let (shape, inner) = matmul(operation)?;
            per_number = inner;
            vec![shape]
        }
        "Pad" => vec![pad(operation)?],
        "Range" => vec![range(operation)?],
        "Reshape" => vec![reshape(operation)?],
        "Resize" => vec![resize(operation)?],
        "Shape" => vec![vec![shape_slice(operation)?.len() as u64]],
        "Size" => vec![Vec::new()],
        "Slice" => vec![slice(operation)?],
        "Split" => split(operation)?,
        "Squeeze" => vec![squeeze(operation)?],
        "Tile" => vec![tile(operation)?],
        "Transpose" => vec![transpose(operation)?],
        "Unsqueeze" => vec![unsqueeze(operation)?],
        "Upsample" => vec![upsample(operation)?],
        // What was dropped may be a second result.
        "Dropout" => vec![operation.shape(0)?.to_vec(); operation.node.output.len().min(2)],
        _ if is_among(OF_ONE) => vec![operation.shape(0)?.to_vec()],
        _ if is_among(OF_SEVERAL) => vec![of_several(operation)?],
        _ if is_among(OF_REDUCED) => vec![reduced(operation)?],
        _ => return Err(Refusal::Unknown),
    };
    if shapes.len() < operation.node.output.len() {
        return Err(Refusal::Unfit);
    }
    let read: u64 = operation.inputs.iter().flatten().map(|input| count(&input.shape)).sum();
    let made = shapes.iter().fold(0_u64, |sum, shape| sum.saturating_add(count(shape)));
    Ok((shapes, made.saturating_mul(per_number).saturating_add(read)))
}

/// What must be given.
fn known<T>(given: Option<T>) -> Result<T, Refusal> {
    given.ok_or(Refusal::Unfit)
}

/// Numbers as lengths of dimensions.
fn lengths(numbers: &[i64]) -> Result<Shape, Refusal> {
    numbers.iter().map(|&length| u64::try_from(length).map_err(|_| Refusal::Unfit)).collect()
}

/// A dimension's number, counted from the last one if it is negative.
fn axis(axis: i64, dimensions: usize) -> Result<usize, Refusal> {
    let from_start = if axis < 0 { axis.checked_add(dimensions as i64) } else { Some(axis) };
    let index = from_start.and_then(|axis| usize::try_from(axis).ok());
    index.filter(|&axis| axis < dimensions).ok_or(Refusal::Unfit)
}

/// Different dimensions.
fn axes(given: &[i64], dimensions: usize) -> Result<Vec<usize>, Refusal> {
    if given.len() > dimensions {
        return Err(Refusal::Unfit);
    }
    let axes: Vec<usize> =
        given.iter().map(|&given| axis(given, dimensions)).collect::<Result<_, _>>()?;
    let repeats = axes.iter().enumerate().any(|(i, axis)| axes[..i].contains(axis));
    if repeats { Err(Refusal::Unfit) } else { Ok(axes) }
}

/// The common shape of several, by ONNX's rules of broadcasting.
fn stretched(shapes: &[&[u64]]) -> Result<Shape, Refusal> {
    let dimensions = shapes.iter().map(|shape| shape.len()).max().unwrap_or_default();
    let mut common = vec![1; dimensions];
    for shape in shapes {
        for (common, &length) in common.iter_mut().rev().zip(shape.iter().rev()) {
            match (*common, length) {
                (a, b) if a == b || b == 1 => {}
                (1, length) => *common = length,
                _ => return Err(Refusal::Unfit),
            }
        }
    }
    Ok(common)
}

fn of_several(operation: &Operation) -> Result<Shape, Refusal> {
    let shapes: Option<Vec<&[u64]>> =
        operation.inputs.iter().map(|input| Some(input.as_ref()?.shape.as_slice())).collect();
    let shapes = known(shapes)?;
    let shape = stretched(&shapes)?;
    // A slope is stretched to the numbers, and not they to it.
    let fits = operation.node.op_type != "PRelu" || shapes.first() == Some(&shape.as_slice());
    if fits { Ok(shape) } else { Err(Refusal::Unfit) }
}

fn reduced(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let axes = match operation.ints_or_known("axes", 1)? {
        // Whether that means all or none differs between versions.
        Some(given) if given.is_empty() => return Err(Refusal::Unfit),
        Some(given) => axes(&given, shape.len())?,
        None if operation.int("noop_with_empty_axes", 0) != 0 => Vec::new(),
        None => (0..shape.len()).collect(),
    };
    let keep = operation.int("keepdims", 1) != 0;
    let lengths = shape.iter().enumerate().filter_map(|(i, &length)| match axes.contains(&i) {
        false => Some(length),
        true => keep.then_some(1),
    });
    Ok(lengths.collect())
}

/// How a window is moved over one dimension.
struct Window {
    length: u64,
    stride: u64,
    /// At the start, and at the end.
    pads: [u64; 2],
    dilation: u64,
}

impl Window {
    /// The windows of an operation over `spatial` dimensions.
    fn all(operation: &Operation, kernel: &[u64]) -> Result<Vec<Self>, Refusal> {
        let spatial = kernel.len();
        let ones = vec![1; spatial];
        let strides = lengths(operation.ints("strides").unwrap_or(&ones))?;
        let dilations = lengths(operation.ints("dilations").unwrap_or(&ones))?;
        let zeros = vec![0; 2 * spatial];
        let pads = lengths(operation.ints("pads").unwrap_or(&zeros))?;
        let is_sound = |lengths: &[u64]| lengths.len() == spatial && !lengths.contains(&0);
        if !is_sound(&strides)
            || !is_sound(&dilations)
            || !is_sound(kernel)
            || pads.len() != 2 * spatial
        {
            return Err(Refusal::Unfit);
        }
        let window = |i: usize| Self {
            length: kernel[i],
            stride: strides[i],
            pads: [pads[i], pads[spatial + i]],
            dilation: dilations[i],
        };
        Ok((0..spatial).map(window).collect())
    }

    /// At how many places it lies on a dimension of `length`.
    fn places(&self, length: u64, operation: &Operation) -> Result<u64, Refusal> {
        if let Some(b"SAME_UPPER" | b"SAME_LOWER") = operation.text("auto_pad") {
            return Ok(length.div_ceil(self.stride));
        }
        let [start, end] = self.pads.map(i128::from);
        let (length, stride) = (i128::from(length), i128::from(self.stride));
        let window = i128::from(self.dilation) * i128::from(self.length - 1) + 1;
        let room = length + start + end - window;
        if room < 0 {
            return Err(Refusal::Unfit);
        }
        let mut places = room / stride + 1;
        if operation.int("ceil_mode", 0) != 0 && room % stride != 0 {
            // The last window must begin before the padding at the end.
            places += i128::from(places * stride < length + start);
        }
        u64::try_from(places).map_err(|_| Refusal::Unfit)
    }
}

/// The lengths of all dimensions that windows are moved over.
fn windowed(operation: &Operation, kernel: &[u64]) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let spatial = shape.get(2..).filter(|spatial| spatial.len() == kernel.len());
    let spatial = known(spatial)?.iter().zip(Window::all(operation, kernel)?);
    spatial.map(|(&length, window)| window.places(length, operation)).collect()
}

fn pool(operation: &Operation) -> Result<(Shape, u64), Refusal> {
    let kernel = lengths(known(operation.ints("kernel_shape"))?)?;
    let places = windowed(operation, &kernel)?;
    Ok(([&operation.shape(0)?[..2], &places].concat(), count(&kernel)))
}

fn conv(operation: &Operation) -> Result<(Shape, u64), Refusal> {
    let (shape, weight) = (operation.shape(0)?, operation.shape(1)?);
    let (Some(&images), Some(&[outputs, inputs])) = (shape.first(), weight.first_chunk()) else {
        return Err(Refusal::Unfit);
    };
    let places = windowed(operation, &weight[2..])?;
    let per_number = inputs.saturating_mul(count(&weight[2..]));
    Ok(([&[images, outputs][..], &places].concat(), per_number))
}

fn matmul(operation: &Operation) -> Result<(Shape, u64), Refusal> {
    let (left, right) = (operation.shape(0)?, operation.shape(1)?);
    // A vector is a row on the left and a column on the right, which the result has not.
    let row = if left.len() == 1 { [&[1][..], left].concat() } else { left.to_vec() };
    let column = if right.len() == 1 { [right, &[1]].concat() } else { right.to_vec() };
    let (Some((outer_left, &[rows, inner])), Some((outer_right, &[same, columns]))) =
        (row.split_last_chunk(), column.split_last_chunk())
    else {
        return Err(Refusal::Unfit);
    };
    if inner != same {
        return Err(Refusal::Unfit);
    }
    let mut shape = stretched(&[outer_left, outer_right])?;
    shape.extend((left.len() > 1).then_some(rows));
    shape.extend((right.len() > 1).then_some(columns));
    Ok((shape, inner))
}

fn gemm(operation: &Operation) -> Result<(Shape, u64), Refusal> {
    let matrix = |index: usize, transposed: &str| match *operation.shape(index)? {
        [rows, columns] if operation.int(transposed, 0) == 0 => Ok([rows, columns]),
        [rows, columns] => Ok([columns, rows]),
        _ => Err(Refusal::Unfit),
    };
    let ([rows, inner], [same, columns]) = (matrix(0, "transA")?, matrix(1, "transB")?);
    if inner == same { Ok((vec![rows, columns], inner)) } else { Err(Refusal::Unfit) }
}

fn concat(operation: &Operation) -> Result<Shape, Refusal> {
    let mut shape = operation.shape(0)?.to_vec();
    let axis = axis(operation.int("axis", 1), shape.len())?;
    for index in 1..operation.inputs.len() {
        let other = operation.shape(index)?;
        let fits = |(i, (a, b)): (usize, (&u64, &u64))| i == axis || a == b;
        if other.len() != shape.len() || !shape.iter().zip(other).enumerate().all(fits) {
            return Err(Refusal::Unfit);
        }
        shape[axis] += other[axis];
    }
    Ok(shape)
}

fn constant(operation: &Operation) -> Result<Shape, Refusal> {
    let constant = known(values::constant(operation))?;
    known(values::tensor(&constant)).map(|tensor| tensor.shape)
}

fn depth_to_space(operation: &Operation) -> Result<Shape, Refusal> {
    let block = u64::try_from(operation.int("blocksize", 0)).unwrap_or_default();
    let square = block.checked_mul(block).filter(|&square| square > 0);
    match (operation.shape(0)?, square) {
        (&[images, channels, height, width], Some(square)) if channels % square == 0 => {
            let [height, width] = [height, width].map(|length| length.saturating_mul(block));
            Ok(vec![images, channels / square, height, width])
        }
        _ => Err(Refusal::Unfit),
    }
}

fn flatten(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    // It may be the number of dimensions, too.
    let at = match operation.int("axis", 1) {
        at if at == shape.len() as i64 => shape.len(),
        at => axis(at, shape.len())?,
    };
    Ok(vec![count(&shape[..at]), count(&shape[at..])])
}

fn gather(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let axis = axis(operation.int("axis", 0), shape.len())?;
    Ok([&shape[..axis], operation.shape(1)?, &shape[axis + 1..]].concat())
}

fn pad(operation: &Operation) -> Result<Shape, Refusal> {
    let mut shape = operation.shape(0)?.to_vec();
    let pads = known(operation.ints_or_known("pads", 1)?)?;
    let dimensions = shape.len();
    // The runtime pads all dimensions, and knows of no choice of some.
    if pads.len() != 2 * dimensions || operation.input(3).is_some() {
        return Err(Refusal::Unfit);
    }
    for (i, length) in shape.iter_mut().enumerate() {
        let padded = i128::from(*length) + i128::from(pads[i]) + i128::from(pads[dimensions + i]);
        *length = u64::try_from(padded).map_err(|_| Refusal::Unfit)?;
    }
    Ok(shape)
}

fn range(operation: &Operation) -> Result<Shape, Refusal> {
    let number = |index: usize| match known(operation.known(index)?)?.as_slice() {
        &[number] if i32::try_from(number).is_ok() => Ok(i128::from(number)),
        _ => Err(Refusal::Unfit),
    };
    let (start, limit, delta) = (number(0)?, number(1)?, number(2)?);
    if delta == 0 {
        return Err(Refusal::Unfit);
    }
    let (distance, step) = ((limit - start) * delta.signum(), delta.abs());
    let steps = (distance.max(0) + step - 1) / step;
    Ok(vec![u64::try_from(steps).map_err(|_| Refusal::Unfit)?])
}

fn reshape(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let wanted = known(operation.ints_or_known("shape", 1)?)?;
    let copies_zeros = operation.int("allowzero", 0) == 0;
    let mut reshaped = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (i, &length) in wanted.iter().enumerate() {
        reshaped.push(match length {
            -1 if open.replace(i).is_none() => 1,
            0 if copies_zeros => *known(shape.get(i))?,
            length => u64::try_from(length).map_err(|_| Refusal::Unfit)?,
        });
    }
    if let Some(open) = open {
        reshaped[open] = count(shape).checked_div(count(&reshaped)).unwrap_or_default();
    }
    if count(&reshaped) == count(shape) { Ok(reshaped) } else { Err(Refusal::Unfit) }
}

fn resize(operation: &Operation) -> Result<Shape, Refusal> {
    if operation.attribute("axes").is_some() {
        return Err(Refusal::Unknown);
    }
    let given = |scales: &Vec<f32>| !scales.is_empty();
    match (operation.known_floats(2)?.filter(given), operation.known(3)?) {
        (Some(scales), None) => scaled(operation.shape(0)?, &scales),
        (None, Some(sizes)) if sizes.len() == operation.shape(0)?.len() => lengths(&sizes),
        _ => Err(Refusal::Unfit),
    }
}

fn upsample(operation: &Operation) -> Result<Shape, Refusal> {
    let attribute = operation.attribute("scales").map(|attribute| attribute.floats.clone());
    match (attribute, operation.known_floats(1)?) {
        (Some(scales), None) | (None, Some(scales)) => scaled(operation.shape(0)?, &scales),
        _ => Err(Refusal::Unfit),
    }
}

fn scaled(shape: &[u64], scales: &[f32]) -> Result<Shape, Refusal> {
    let is_sound = scales.iter().all(|&scale| scale.is_finite() && scale > 0.0);
    if scales.len() != shape.len() || !is_sound {
        return Err(Refusal::Unfit);
    }
    // The runtime computes in single precision.
    let length = |(&length, &scale): (&u64, &f32)| (length as f32 * scale).floor() as u64;
    Ok(shape.iter().zip(scales).map(length).collect())
}

/// The lengths that `Shape` gives: all, or some in a row.
pub(super) fn shape_slice<'a>(operation: &Operation<'a>) -> Result<&'a [u64], Refusal> {
    let shape = operation.shape(0)?;
    let dimensions = shape.len() as i64;
    let place = |name: &str, default: i64| {
        let place = operation.int(name, default);
        let from_start = if place < 0 { place.saturating_add(dimensions) } else { place };
        from_start.clamp(0, dimensions) as usize
    };
    Ok(shape.get(place("start", 0)..place("end", dimensions)).unwrap_or_default())
}

fn slice(operation: &Operation) -> Result<Shape, Refusal> {
    let mut shape = operation.shape(0)?.to_vec();
    let starts = known(operation.ints_or_known("starts", 1)?)?;
    let ends = known(operation.ints_or_known("ends", 2)?)?;
    let axes = match operation.ints_or_known("axes", 3)? {
        Some(given) => axes(&given, shape.len())?,
        None => (0..starts.len().min(shape.len())).collect(),
    };
    let steps = operation.known(4)?.unwrap_or_else(|| vec![1; axes.len()]);
    if [starts.len(), ends.len(), steps.len()] != [axes.len(); 3] {
        return Err(Refusal::Unfit);
    }
    for (i, axis) in axes.into_iter().enumerate() {
        let length = i128::from(shape[axis]);
        let (start, end, step) = (i128::from(starts[i]), i128::from(ends[i]), i128::from(steps[i]));
        let from_start = |place: i128| if place < 0 { place + length } else { place };
        let (start, end) = match step {
            0 => return Err(Refusal::Unfit),
            1.. => (from_start(start).clamp(0, length), from_start(end).clamp(0, length)),
            _ => (from_start(start).clamp(-1, length - 1), from_start(end).clamp(-1, length - 1)),
        };
        let distance = ((end - start) * step.signum()).max(0);
        shape[axis] = ((distance + step.abs() - 1) / step.abs()) as u64;
    }
    Ok(shape)
}

fn split(operation: &Operation) -> Result<Vec<Shape>, Refusal> {
    let shape = operation.shape(0)?;
    let axis = axis(operation.int("axis", 0), shape.len())?;
    let parts = operation.node.output.len() as u64;
    if operation.int("num_outputs", parts as i64) != parts as i64 {
        return Err(Refusal::Unfit);
    }
    let sizes = match operation.ints_or_known("split", 1)? {
        Some(sizes) => lengths(&sizes)?,
        None => {
            let size = shape[axis].div_ceil(parts.max(1));
            let rest = |part: u64| shape[axis].saturating_sub(part.saturating_mul(size)).min(size);
            (0..parts).map(rest).collect()
        }
    };
    if sizes.len() as u64 != parts
        || sizes.iter().try_fold(0_u64, |a, &b| a.checked_add(b)) != Some(shape[axis])
    {
        return Err(Refusal::Unfit);
    }
    let part = |&size: &u64| [&shape[..axis], &[size], &shape[axis + 1..]].concat();
    Ok(sizes.iter().map(part).collect())
}

fn squeeze(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let axes = match operation.ints_or_known("axes", 1)? {
        Some(given) if given.is_empty() => return Err(Refusal::Unfit),
        Some(given) => Some(axes(&given, shape.len())?),
        None => None,
    };
    let goes = |(i, &length): (usize, &u64)| match &axes {
        Some(axes) => axes.contains(&i),
        None => length == 1,
    };
    let kept = shape.iter().enumerate().filter(|&dimension| !goes(dimension));
    let kept: Shape = kept.map(|(_, &length)| length).collect();
    // Only dimensions of length 1 can go.
    if count(&kept) == count(shape) { Ok(kept) } else { Err(Refusal::Unfit) }
}

fn unsqueeze(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let given = known(operation.ints_or_known("axes", 1)?)?;
    let dimensions = shape.len() + given.len();
    let new = axes(&given, dimensions)?;
    let mut lengths = shape.iter().copied();
    let unsqueezed: Shape = (0..dimensions)
        .filter_map(|i| if new.contains(&i) { Some(1) } else { lengths.next() })
        .collect();
    Ok(unsqueezed)
}

fn tile(operation: &Operation) -> Result<Shape, Refusal> {
    let (shape, repeats) = (operation.shape(0)?, lengths(&known(operation.known(1)?)?)?);
    if shape.len() != repeats.len() {
        return Err(Refusal::Unfit);
    }
    Ok(shape.iter().zip(repeats).map(|(&length, repeats)| length.saturating_mul(repeats)).collect())
}

fn transpose(operation: &Operation) -> Result<Shape, Refusal> {
    let shape = operation.shape(0)?;
    let Some(order) = operation.ints("perm") else {
        return Ok(shape.iter().rev().copied().collect());
    };
    let order = axes(order, shape.len())?;
    if order.len() != shape.len() {
        return Err(Refusal::Unfit);
    }
    Ok(order.into_iter().map(|axis| shape[axis]).collect())
}
