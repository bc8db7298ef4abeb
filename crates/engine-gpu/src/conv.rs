//! Convolutions as products of matrices: the windows of maps, one a row, and the weights.

use burn_tensor::{DType, Tensor, s};
use efficientad_engine::ConvSpec;
use std::ops::Range;

/// Bytes that the windows of one product may take: what the smallest devices bind as one buffer.
const WINDOW_BYTES: usize = 128 << 20;
/// Windows that one sum goes over, about: of more the parts are summed up on their own, as single
/// precision forgets what is added to a sum of very many.
const SUMMED_WINDOWS: usize = 1 << 14;

/// Convolves maps (images × rows × columns × channels) with weights (kernel row, kernel column and
/// input channel × output channel).
pub(crate) fn forward(
    spec: &ConvSpec,
    input: Tensor<4>,
    weight: Tensor<2>,
    bias: Tensor<1>,
) -> Tensor<4> {
    let [images, height, width, _] = input.dims();
    let (rows, columns) = spec.conv_size(height, width);
    let channels = weight.dims()[1];
    let input = padded(input, spec.padding);
    let parts = parts(rows_that_fit(spec.kernel, spec.in_channels, columns), images, rows);
    let product = |part: &Part| windows_of(spec, &input, part).matmul(weight.clone());
    let outputs = joined(parts.iter().map(product).collect());
    (outputs + bias.unsqueeze()).reshape([images, rows, columns, channels])
}

/// The gradients of weights and bias, in single precision, from that of the output.
pub(crate) fn weight_gradient(
    spec: &ConvSpec,
    input: Tensor<4>,
    output_gradient: Tensor<4>,
) -> (Tensor<2>, Tensor<1>) {
    let [images, rows, columns, channels] = output_gradient.dims();
    let input = padded(input, spec.padding);
    let bias = output_gradient
        .clone()
        .cast(DType::F32)
        .sum_dim(2)
        .sum_dim(1)
        .sum_dim(0)
        .reshape([channels]);
    let gradient = output_gradient.reshape([images * rows * columns, channels]);
    let rows_at_once = rows_that_fit(spec.kernel, spec.in_channels, columns);
    let rows_at_once = rows_at_once.min((SUMMED_WINDOWS / columns).max(1));
    let mut start = 0;
    let product = |part: Part| {
        let end = start + part.images.len() * part.rows.len() * columns;
        let gradient = gradient.clone().slice(s![start..end, ..]);
        start = end;
        windows_of(spec, &input, &part).transpose().matmul(gradient).cast(DType::F32)
    };
    let products = parts(rows_at_once, images, rows).into_iter().map(product);
    (products.reduce(|sum, product| sum + product).expect("a convolution has outputs"), bias)
}

/// The gradient of the input, of `height` × `width`, from that of the output.
pub(crate) fn input_gradient(
    spec: &ConvSpec,
    output_gradient: Tensor<4>,
    weight: Tensor<2>,
    [height, width]: [usize; 2],
) -> Tensor<4> {
    let channels = weight.dims()[1];
    let ConvSpec { in_channels, kernel, stride, padding, .. } = *spec;
    if kernel == 1 {
        let [images, rows, columns, _] = output_gradient.dims();
        let gradient = output_gradient.reshape([images * rows * columns, channels]);
        return gradient.matmul(weight.transpose()).reshape([images, rows, columns, in_channels]);
    }
    let mirrored = weight
        .reshape([kernel, kernel, in_channels, channels])
        .flip([0, 1])
        .permute([0, 1, 3, 2])
        .reshape([kernel * kernel * channels, in_channels]);
    let spread = spread(
        output_gradient,
        stride,
        kernel - 1 - padding,
        [height + kernel - 1, width + kernel - 1],
    );
    let images = spread.dims()[0];
    let plain = ConvSpec::plain(channels, in_channels, kernel);
    let parts = parts(rows_that_fit(kernel, channels, width), images, height);
    let product = |part: &Part| windows_of(&plain, &spread, part).matmul(mirrored.clone());
    joined(parts.iter().map(product).collect()).reshape([images, height, width, in_channels])
}

/// Zeros around maps.
fn padded(maps: Tensor<4>, padding: usize) -> Tensor<4> {
    let [_, height, width, _] = maps.dims();
    match padding {
        0 => maps,
        _ => spread(maps, 1, padding, [height + 2 * padding, width + 2 * padding]),
    }
}

/// Maps among zeros, of `height` × `width` in all: the first value after `before` rows and columns,
/// the others `step` apart.
pub(crate) fn spread(
    maps: Tensor<4>,
    step: usize,
    before: usize,
    [height, width]: [usize; 2],
) -> Tensor<4> {
    let [images, rows, columns, channels] = maps.dims();
    let places = |count: usize| before..before + (count - 1) * step + 1;
    let options = (&maps.device(), maps.dtype());
    let zeros = Tensor::zeros([images, height, width, channels], options);
    let (rows, columns) = (places(rows), places(columns));
    match step {
        1 => zeros.slice_assign(s![.., rows, columns, ..], maps),
        2 => zeros.slice_assign(s![.., rows;2, columns;2, ..], maps),
        _ => unreachable!("the networks have strides 1 and 2"),
    }
}

/// Outputs that one product computes.
struct Part {
    images: Range<usize>,
    rows: Range<usize>,
}

/// Rows of outputs whose windows fit [`WINDOW_BYTES`].
fn rows_that_fit(kernel: usize, channels: usize, columns: usize) -> usize {
    let row_bytes = columns * kernel * kernel * channels * size_of::<f32>();
    (WINDOW_BYTES / row_bytes).max(1)
}

/// Divides the rows of outputs of images into parts of so many rows: of several images, or, where not
/// all rows of one are taken at once, of one.
fn parts(rows_at_once: usize, images: usize, rows: usize) -> Vec<Part> {
    if rows_at_once < rows {
        let of_image = |image: usize| {
            (0..rows).step_by(rows_at_once).map(move |row| Part {
                images: image..image + 1,
                rows: row..rows.min(row + rows_at_once),
            })
        };
        return (0..images).flat_map(of_image).collect();
    }
    let at_once = rows_at_once / rows;
    let of_images =
        |image: usize| Part { images: image..images.min(image + at_once), rows: 0..rows };
    (0..images).step_by(at_once).map(of_images).collect()
}

/// The windows that some outputs are computed from, one a row: kernel row, kernel column, channel.
fn windows_of(spec: &ConvSpec, padded: &Tensor<4>, part: &Part) -> Tensor<2> {
    let ConvSpec { kernel, stride, .. } = *spec;
    let Part { images, rows } = part;
    let [_, _, _, channels] = padded.dims();
    let read = rows.start * stride..(rows.end - 1) * stride + kernel;
    let maps = padded.clone().slice(s![images.clone(), read, .., ..]);
    let windows: Tensor<6> = maps.unfold::<5, _>(1, kernel, stride).unfold(2, kernel, stride);
    let columns = windows.dims()[2];
    windows
        .permute([0, 1, 2, 4, 5, 3])
        .reshape([images.len() * rows.len() * columns, kernel * kernel * channels])
}

fn joined(mut parts: Vec<Tensor<2>>) -> Tensor<2> {
    match parts.len() {
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 0),
    }
}
