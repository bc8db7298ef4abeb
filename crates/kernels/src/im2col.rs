//! Convolutions of any kernel and stride as one matrix product per group of output rows.
//!
//! The patches under a group of output rows become the rows of a matrix (`im2col`), which is
//! multiplied by the weights; bias, ReLU and pool follow while the products are in cache.

use crate::activation::Activation;
use crate::conv2d::{BackwardPass, ConvSpec, ForwardPass};
use crate::cpu::{Cpu, Disjoint};
use crate::gemm::{LeftLayout, PANEL, PanelProduct, Prefetch};
use crate::simd::{Kernel, Simd};
use crate::tensor::{Buffer, Shape, keep_positive, store_signs};
use crate::winograd::WeightGradient;
use std::cell::RefCell;
use std::ops::Range;

/// Output locations that a task aims at.
const LOCATIONS_PER_TASK: usize = 256;
/// Partial sums of the weights' gradient: more than one lets threads work side by side, and their
/// fixed number keeps results independent of the number of threads.
const PARTIAL_SUMS: usize = 8;

thread_local! {
    /// Patches and products of the task that the thread runs.
    static TASK_MEMORY: RefCell<(Buffer, Buffer)> = RefCell::default();
}

/// A convolution by matrix products.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Im2col {
    spec: ConvSpec,
    activation: Activation,
}

/// Rows of one image's output before pooling, done together.
#[derive(Clone, Copy)]
struct Group {
    image: usize,
    row: usize,
    rows: usize,
}

/// How an output is cut into groups.
#[derive(Clone, Copy)]
struct Groups {
    /// Output maps before pooling.
    output: Shape,
    rows: usize,
    per_image: usize,
}

impl Groups {
    fn new(output: Shape, activation: Activation) -> Self {
        let pooled = activation == Activation::ReluAvgPool;
        let (rows, used) = if pooled {
            (2, output.height / 2 * 2)
        } else {
            ((LOCATIONS_PER_TASK / output.width.max(1)).max(1), output.height)
        };
        let per_image = if output.width == 0 { 0 } else { used.div_ceil(rows) };
        Self { output, rows, per_image }
    }

    fn len(&self) -> usize {
        self.output.images * self.per_image
    }

    fn get(&self, index: usize) -> Group {
        let row = index % self.per_image * self.rows;
        let rows = self.rows.min(self.output.height - row);
        Group { image: index / self.per_image, row, rows }
    }

    /// The group that holds an output row, and the row's number in it.
    fn of_row(&self, image: usize, row: usize) -> Option<(usize, usize)> {
        let group = row / self.rows;
        (group < self.per_image).then_some((image * self.per_image + group, row % self.rows))
    }

    /// Locations of a group, and before it.
    fn locations(&self, index: usize) -> Range<usize> {
        let group = self.get(index);
        let start = (group.image * self.output.height + group.row) * self.output.width;
        start..start + group.rows * self.output.width
    }
}

impl Im2col {
    /// The method for `spec`.
    pub(crate) fn new(spec: ConvSpec, activation: Activation) -> Self {
        Self { spec, activation }
    }

    /// Numbers in a patch.
    fn patch_len(&self) -> usize {
        self.spec.kernel * self.spec.kernel * self.spec.in_channels
    }

    /// Floats of the weights in panels.
    pub(crate) fn packed_len(&self) -> usize {
        self.patch_len() * self.spec.out_channels
    }

    /// Plain weights (patch × output channel) into panels of output channels.
    pub(crate) fn pack_weights(&self, cpu: &Cpu, weights: &[f32], packed: &mut [f32]) {
        let outputs = self.spec.out_channels;
        cpu.for_each_chunk(packed, self.patch_len() * PANEL, |panel, packed| {
            for (row, target) in packed.chunks_exact_mut(PANEL).enumerate() {
                target.copy_from_slice(&weights[row * outputs + panel * PANEL..][..PANEL]);
            }
        });
    }

    /// Whether the input's gradient can be computed: patches must fill whole panels.
    pub(crate) fn has_input_gradient(&self) -> bool {
        self.patch_len().is_multiple_of(PANEL) && self.spec.in_channels.is_multiple_of(PANEL)
    }

    /// Plain weights transposed (output channel × patch), in panels of the patch.
    pub(crate) fn pack_transposed(&self, cpu: &Cpu, weights: &[f32], packed: &mut [f32]) {
        let outputs = self.spec.out_channels;
        cpu.for_each_chunk(packed, outputs * PANEL, |panel, packed| {
            for (output, target) in packed.chunks_exact_mut(PANEL).enumerate() {
                for (lane, value) in target.iter_mut().enumerate() {
                    *value = weights[(panel * PANEL + lane) * outputs + output];
                }
            }
        });
    }

    /// The gradient of plain weights from that in panels.
    pub(crate) fn weight_gradient(&self, cpu: &Cpu, packed: &[f32], gradient: &mut [f32]) {
        let (patch, outputs) = (self.patch_len(), self.spec.out_channels);
        cpu.for_each_chunk(gradient, outputs, |row, gradient| {
            for (panel, target) in gradient.chunks_exact_mut(PANEL).enumerate() {
                target.copy_from_slice(&packed[(panel * patch + row) * PANEL..][..PANEL]);
            }
        });
    }

    fn conv_output(&self, input: Shape) -> Shape {
        let (height, width) = self.spec.conv_size(input.height, input.width);
        Shape { images: input.images, height, width, channels: self.spec.out_channels }
    }

    /// The patches of a group, row by row: borrowed where they already lie so in the input.
    fn patches<'a>(
        &self,
        input: &'a [f32],
        shape: Shape,
        group: Group,
        memory: &'a mut Buffer,
    ) -> &'a [f32] {
        let Shape { height, width, channels, .. } = shape;
        let (_, out_width) = self.spec.conv_size(height, width);
        let ConvSpec { kernel, stride, padding, .. } = self.spec;
        let image = &input[group.image * shape.image_len()..][..shape.image_len()];
        if kernel == 1 && stride == 1 && padding == 0 {
            return &image[group.row * width * channels..][..group.rows * width * channels];
        }
        let patch = self.patch_len();
        memory.grow(group.rows * out_width * patch);
        for (location, target) in
            memory[..group.rows * out_width * patch].chunks_exact_mut(patch).enumerate()
        {
            let top = (group.row + location / out_width) * stride;
            let left = location % out_width * stride;
            for (dy, target) in target.chunks_exact_mut(kernel * channels).enumerate() {
                let Some(y) = (top + dy).checked_sub(padding).filter(|&y| y < height) else {
                    target.fill(0.0);
                    continue;
                };
                let start = left.saturating_sub(padding).min(width);
                let end = (left + kernel).saturating_sub(padding).min(width).max(start);
                let skipped = (padding.saturating_sub(left)).min(kernel) * channels;
                let len = (end - start) * channels;
                target[..skipped].fill(0.0);
                target[skipped..skipped + len]
                    .copy_from_slice(&image[(y * width + start) * channels..][..len]);
                target[skipped + len..].fill(0.0);
            }
        }
        &memory[..group.rows * out_width * patch]
    }

    /// Runs the convolution for some output channels.
    pub(crate) fn forward(&self, cpu: &Cpu, packed: &[f32], bias: &[f32], pass: ForwardPass<'_>) {
        let conv = Shape { channels: pass.channels.len(), ..self.conv_output(pass.input.shape) };
        let groups = Groups::new(conv, self.activation);
        let patch = self.patch_len();
        let output_shape = pass.output.shape;
        let output = Disjoint::new(pass.output.data);
        let signs = pass.signs.map(|signs| Disjoint::new(signs.bytes_mut()));
        let first_panel = pass.channels.start / PANEL;
        cpu.for_each(groups.len(), |index| {
            TASK_MEMORY.with_borrow_mut(|(patches, products)| {
                let group = groups.get(index);
                let locations = group.rows * conv.width;
                let left = self.patches(pass.input.data, pass.input.shape, group, patches);
                products.grow(locations * conv.channels);
                for (panel, result) in products[..locations * conv.channels]
                    .chunks_exact_mut(locations * PANEL)
                    .enumerate()
                {
                    cpu.simd().run(PanelProduct {
                        left,
                        layout: LeftLayout::rows(patch),
                        rows: locations,
                        k: patch,
                        right: &packed[(first_panel + panel) * patch * PANEL..],
                        result,
                        accumulate: false,
                        prefetch: Prefetch::default(),
                    });
                }
                cpu.simd().run(Epilogue {
                    products,
                    bias: &bias[pass.channels.clone()],
                    conv,
                    group,
                    activation: self.activation,
                    output_shape,
                    output: &output,
                    signs: signs.as_ref(),
                });
            });
        });
    }

    /// Backpropagates the gradient of some output channels, as [`crate::winograd`] does.
    pub(crate) fn backward(
        &self,
        cpu: &Cpu,
        input_gradient_memory: &mut Buffer,
        transposed: &[f32],
        pass: BackwardPass<'_>,
        gradient: WeightGradient<'_>,
    ) {
        let conv = Shape { channels: pass.channels.len(), ..self.conv_output(pass.input.shape) };
        let groups = Groups::new(conv, self.activation);
        let patch = self.patch_len();
        let channels = pass.channels.clone();
        let wants_input = pass.input_gradient.is_some();
        if wants_input {
            input_gradient_memory.grow(conv.locations() * patch);
        }
        let patch_gradient = Disjoint::new(input_gradient_memory);
        let parts = PARTIAL_SUMS.min(groups.len());
        let part_len = (patch + 1) * conv.channels;
        let mut partial_sums = Buffer::zeros(parts * part_len);
        let per_part = groups.len().div_ceil(parts.max(1));
        cpu.for_each_chunk(&mut partial_sums, part_len, |part, sums| {
            let (weights, bias) = sums.split_at_mut(patch * conv.channels);
            TASK_MEMORY.with_borrow_mut(|(patches, products)| {
                for index in part * per_part..groups.len().min((part + 1) * per_part) {
                    let group = groups.get(index);
                    let locations = group.rows * conv.width;
                    products.grow(locations * conv.channels);
                    let nonzero = cpu.simd().run(EpilogueAdjoint {
                        pass: &pass,
                        activation: self.activation,
                        conv,
                        group,
                        products,
                        bias,
                    });
                    if nonzero {
                        let left = self.patches(pass.input.data, pass.input.shape, group, patches);
                        self.add_weight_gradient(cpu, left, locations, products, weights);
                    }
                    if wants_input {
                        let range = groups.locations(index);
                        // SAFETY: a group's locations are its own, and one task has the group.
                        let target = unsafe {
                            patch_gradient.slice(range.start * patch, range.len() * patch)
                        };
                        if nonzero {
                            let start = channels.start;
                            self.patch_gradient(
                                cpu,
                                products,
                                conv.channels,
                                transposed,
                                start,
                                target,
                            );
                        } else {
                            target.fill(0.0);
                        }
                    }
                }
            });
        });
        let sums = PartialSums { sums: &partial_sums, part_len };
        let panels = channels.start * patch..channels.end * patch;
        sums.add_up(cpu, 0, &mut gradient.transformed[panels]);
        sums.add_up(cpu, patch * conv.channels, &mut gradient.bias[channels]);
        if let Some(target) = pass.input_gradient {
            self.gather(cpu, &groups, input_gradient_memory, target.shape, target.data);
        }
    }

    /// `dW += patchesᵀ dy`.
    fn add_weight_gradient(
        &self,
        cpu: &Cpu,
        patches: &[f32],
        locations: usize,
        products: &[f32],
        weights: &mut [f32],
    ) {
        let patch = self.patch_len();
        for (panel, result) in weights.chunks_exact_mut(patch * PANEL).enumerate() {
            cpu.simd().run(PanelProduct {
                left: patches,
                layout: LeftLayout::transposed_rows(patch, locations),
                rows: patch,
                k: locations,
                right: &products[panel * locations * PANEL..],
                result,
                accumulate: true,
                prefetch: Prefetch::default(),
            });
        }
    }

    /// `dpatches = dy Wᵀ`, in panels of the patch.
    fn patch_gradient(
        &self,
        cpu: &Cpu,
        products: &[f32],
        channels: usize,
        transposed: &[f32],
        first_channel: usize,
        target: &mut [f32],
    ) {
        let locations = target.len() / self.patch_len();
        for (panel, result) in target.chunks_exact_mut(locations * PANEL).enumerate() {
            let row = panel * self.spec.out_channels + first_channel;
            cpu.simd().run(PanelProduct {
                left: products,
                layout: LeftLayout::panels(locations, PANEL),
                rows: locations,
                k: channels,
                right: &transposed[row * PANEL..],
                result,
                accumulate: false,
                prefetch: Prefetch::default(),
            });
        }
    }

    /// Sums the patches' gradients over the patches that each input location is part of.
    fn gather(
        &self,
        cpu: &Cpu,
        groups: &Groups,
        patches: &[f32],
        shape: Shape,
        target: &mut [f32],
    ) {
        let ConvSpec { kernel, stride, padding, .. } = self.spec;
        let (patch, channels) = (self.patch_len(), shape.channels);
        // Output index and tap that an input index has a part in.
        let uses = |at: usize, outputs: usize| {
            (0..kernel).filter_map(move |tap| {
                let offset = (at + padding).checked_sub(tap)?;
                let fits = offset.is_multiple_of(stride) && offset / stride < outputs;
                fits.then_some((offset / stride, tap))
            })
        };
        cpu.for_each_chunk(target, shape.width * channels, |row, target| {
            target.fill(0.0);
            let (image, y) = (row / shape.height, row % shape.height);
            for (out_y, tap_y) in uses(y, groups.output.height) {
                let Some((index, row)) = groups.of_row(image, out_y) else { continue };
                let range = groups.locations(index);
                let group = &patches[range.start * patch..range.end * patch];
                for (x, target) in target.chunks_exact_mut(channels).enumerate() {
                    for (out_x, tap_x) in uses(x, groups.output.width) {
                        let location = row * groups.output.width + out_x;
                        let first = (tap_y * kernel + tap_x) * channels / PANEL;
                        for (panel, target) in target.chunks_exact_mut(PANEL).enumerate() {
                            let offset = ((first + panel) * range.len() + location) * PANEL;
                            let values = &group[offset..offset + PANEL];
                            target.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                        }
                    }
                }
            }
        });
    }
}

/// Partial sums of a gradient, one after the other.
struct PartialSums<'a> {
    sums: &'a [f32],
    part_len: usize,
}

impl PartialSums<'_> {
    /// Adds up, in order, what lies at `offset` of each part.
    fn add_up(&self, cpu: &Cpu, offset: usize, target: &mut [f32]) {
        const CHUNK: usize = 4096;
        cpu.for_each_chunk(target, CHUNK, |chunk, target| {
            target.fill(0.0);
            for part in self.sums.chunks_exact(self.part_len) {
                let values = &part[offset + chunk * CHUNK..][..target.len()];
                target.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        });
    }
}

/// Number of a value before pooling among all of the batch.
#[inline(always)]
fn value_number(conv: Shape, group: Group, location: usize, channel: usize) -> usize {
    let start = (group.image * conv.height + group.row) * conv.width;
    (start + location) * conv.channels + channel
}

/// Bias, ReLU and pool of a group's products.
struct Epilogue<'a> {
    /// `[channels / PANEL][location][PANEL]`.
    products: &'a [f32],
    bias: &'a [f32],
    /// Output maps before pooling.
    conv: Shape,
    group: Group,
    activation: Activation,
    output_shape: Shape,
    output: &'a Disjoint<'a, f32>,
    signs: Option<&'a Disjoint<'a, u8>>,
}

impl Epilogue<'_> {
    /// A vector of values before ReLU.
    #[inline(always)]
    fn value<S: Simd>(&self, simd: S, location: usize, channel: usize) -> S::Vector {
        let locations = self.group.rows * self.conv.width;
        let offset = (channel / PANEL * locations + location) * PANEL + channel % PANEL;
        let products = &self.products[offset..offset + S::LANES];
        let bias = &self.bias[channel..channel + S::LANES];
        // SAFETY: both slices have `LANES` floats.
        let value = unsafe { simd.add(simd.load(products.as_ptr()), simd.load(bias.as_ptr())) };
        if let Some(signs) = self.signs {
            let number = value_number(self.conv, self.group, location, channel);
            // SAFETY: no other task has this group, whose values these are.
            unsafe { store_signs(simd, signs, number, value) }
        }
        value
    }

    #[inline(always)]
    fn store<S: Simd>(&self, simd: S, [y, x]: [usize; 2], channel: usize, value: S::Vector) {
        let Shape { height, width, channels, .. } = self.output_shape;
        let offset = ((self.group.image * height + y) * width + x) * channels + channel;
        // SAFETY: `pointer` has checked that `LANES` floats lie there; no other task has this group.
        unsafe { simd.store(self.output.pointer(offset, S::LANES), value) }
    }
}

impl Kernel for Epilogue<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.conv.width;
        if self.activation == Activation::ReluAvgPool {
            let quarter = simd.splat(0.25);
            for x in 0..self.output_shape.width {
                for channel in (0..self.conv.channels).step_by(S::LANES) {
                    let relu = |location| simd.relu(self.value(simd, location, channel));
                    let upper = simd.add(relu(2 * x), relu(2 * x + 1));
                    let lower = simd.add(relu(width + 2 * x), relu(width + 2 * x + 1));
                    let mean = simd.mul(simd.add(upper, lower), quarter);
                    self.store(simd, [self.group.row / 2, x], channel, mean);
                }
            }
            return;
        }
        for location in 0..self.group.rows * width {
            for channel in (0..self.conv.channels).step_by(S::LANES) {
                let value = self.value(simd, location, channel);
                let value = match self.activation {
                    Activation::Linear => value,
                    _ => simd.relu(value),
                };
                let place = [self.group.row + location / width, location % width];
                self.store(simd, place, channel, value);
            }
        }
    }
}

/// Backpropagates a group's gradient through pool and ReLU; returns whether the group's output has
/// a gradient other than zero.
struct EpilogueAdjoint<'a, 'b> {
    pass: &'a BackwardPass<'b>,
    activation: Activation,
    conv: Shape,
    group: Group,
    /// `[channels / PANEL][location][PANEL]`.
    products: &'a mut [f32],
    /// The sum over the locations is added to it.
    bias: &'a mut [f32],
}

impl Kernel for EpilogueAdjoint<'_, '_> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> bool {
        let Self { pass, activation, conv, group, products, bias } = self;
        let pooled = activation == Activation::ReluAvgPool;
        let shape = pass.output_gradient.shape;
        let first_row = if pooled { group.row / 2 } else { group.row };
        let rows = if pooled { 1 } else { group.rows };
        let line = shape.width * shape.channels;
        let start = (group.image * shape.height + first_row) * line;
        let source = &pass.output_gradient.data[start..start + rows * line];
        if source.iter().all(|&value| value == 0.0) {
            return false;
        }
        let locations = group.rows * conv.width;
        for location in 0..locations {
            let (y, x) = (location / conv.width, location % conv.width);
            let (y, x) = if pooled { (0, x / 2) } else { (y, x) };
            for channel in (0..conv.channels).step_by(S::LANES) {
                let offset = (channel / PANEL * locations + location) * PANEL + channel % PANEL;
                let target = &mut products[offset..offset + S::LANES];
                if x >= shape.width {
                    target.fill(0.0);
                    continue;
                }
                let source =
                    &source[(y * shape.width + x) * shape.channels + channel..][..S::LANES];
                let sum = &mut bias[channel..channel + S::LANES];
                // SAFETY: all three slices have `LANES` floats.
                unsafe {
                    let mut value = simd.load(source.as_ptr());
                    if let Some(signs) = pass.signs {
                        let number = value_number(conv, group, location, channel);
                        value = keep_positive(simd, signs.bytes(), number, value);
                    }
                    if pooled {
                        value = simd.mul(value, simd.splat(0.25));
                    }
                    simd.store(target.as_mut_ptr(), value);
                    simd.store(sum.as_mut_ptr(), simd.add(simd.load(sum.as_ptr()), value));
                }
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{config, noise};
    use proptest::prelude::*;

    fn im2col() -> impl Strategy<Value = Im2col> {
        let activation = prop_oneof![Just(Activation::Relu), Just(Activation::ReluAvgPool)];
        let geometry = (1..=8usize, 1..=3usize, 0..=9usize);
        (geometry, 1..=5usize, activation).prop_map(
            |((kernel, stride, padding), in_channels, activation)| {
                let spec = ConvSpec { in_channels, out_channels: PANEL, kernel, stride, padding };
                Im2col::new(spec, activation)
            },
        )
    }

    proptest! {
        #![proptest_config(config(400))]

        #[test]
        fn patches_are_what_lies_under_the_kernel(
            im2col in im2col(),
            images in 1..=2usize,
            height in 1..=20usize,
            width in 1..=300usize,
        ) {
            let ConvSpec { in_channels: channels, kernel, stride, padding, .. } = im2col.spec;
            let input = Shape { images, height, width, channels };
            let data = noise(input.len(), 1);
            let conv = im2col.conv_output(input);
            let groups = Groups::new(conv, im2col.activation);
            // What earlier patches leave in the memory must not be seen.
            let mut memory = Buffer::zeros(1000);
            memory.fill(f32::NAN);
            let mut locations = 0..0;
            for index in 0..groups.len() {
                let group = groups.get(index);
                let range = groups.locations(index);
                prop_assert_eq!(range.len(), group.rows * conv.width);
                prop_assert!(range.start >= locations.end, "groups overlap");
                locations = range.clone();
                let patches = im2col.patches(&data, input, group, &mut memory);
                let at = |place: usize| {
                    let location = range.start + place / im2col.patch_len();
                    let (tap, channel) =
                        (place % im2col.patch_len() / channels, place % channels);
                    let inside = |output: usize, tap: usize, size: usize| {
                        (output * stride + tap).checked_sub(padding).filter(|&at| at < size)
                    };
                    let y = inside(location / conv.width % conv.height, tap / kernel, height);
                    let x = inside(location % conv.width, tap % kernel, width);
                    let image = location / (conv.width * conv.height);
                    y.zip(x).map_or(0.0, |(y, x)| {
                        data[((image * height + y) * width + x) * channels + channel]
                    })
                };
                let expected: Vec<f32> = (0..range.len() * im2col.patch_len()).map(at).collect();
                prop_assert_eq!(patches, &expected[..]);
            }
            // All rows that the activation keeps are in a group.
            let pooled = im2col.activation == Activation::ReluAvgPool;
            let used = if pooled { conv.height / 2 * 2 } else { conv.height };
            for row in 0..used * usize::from(conv.width > 0) {
                let (index, row_of_group) = groups.of_row(images - 1, row).expect("a group");
                let start = groups.locations(index).start + row_of_group * conv.width;
                prop_assert_eq!(start, ((images - 1) * conv.height + row) * conv.width);
            }
        }
    }
}
