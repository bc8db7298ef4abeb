//! Two-dimensional convolutions with bias, ReLU and average pool in one pass.

use crate::activation::Activation;
use crate::cpu::Cpu;
use crate::gemm::PANEL;
use crate::im2col::Im2col;
use crate::tensor::{Buffer, Shape, SignMask, TensorView, TensorViewMut};
use crate::winograd::{self, WeightGradient, Winograd};
use std::ops::Range;
use std::sync::Arc;

/// Channels of an output come in multiples of this.
pub const CHANNEL_MULTIPLE: usize = PANEL;

/// The numbers that define a convolution with a square kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvSpec {
    /// Channels of the input.
    pub in_channels: usize,
    /// Channels of the output, a multiple of [`CHANNEL_MULTIPLE`].
    pub out_channels: usize,
    /// Rows and columns of the kernel.
    pub kernel: usize,
    /// Step between outputs.
    pub stride: usize,
    /// Rows and columns of zeros around the input.
    pub padding: usize,
}

impl ConvSpec {
    /// Stride 1 and no padding.
    pub const fn plain(in_channels: usize, out_channels: usize, kernel: usize) -> Self {
        Self { in_channels, out_channels, kernel, stride: 1, padding: 0 }
    }

    /// Output rows and columns for an input of `height` × `width`; 0 where the kernel doesn't fit.
    pub fn conv_size(&self, height: usize, width: usize) -> (usize, usize) {
        let size = |size: usize| {
            (size + 2 * self.padding)
                .checked_sub(self.kernel)
                .map_or(0, |rest| rest / self.stride + 1)
        };
        (size(height), size(width))
    }

    /// Number of weights, the bias not among them.
    pub fn weight_len(&self) -> usize {
        self.kernel * self.kernel * self.in_channels * self.out_channels
    }

    /// Inputs of each output: the fan-in that initialisation goes by.
    pub fn fan_in(&self) -> usize {
        self.kernel * self.kernel * self.in_channels
    }
}

/// The CPU and the memory that every pass uses again.
pub struct Workspace {
    cpu: Arc<Cpu>,
    winograd: winograd::Scratch,
    patch_gradient: Buffer,
}

impl Workspace {
    /// A workspace on `cpu`; its memory grows with the largest pass.
    pub fn new(cpu: Arc<Cpu>) -> Self {
        Self { cpu, winograd: winograd::Scratch::default(), patch_gradient: Buffer::default() }
    }

    /// The CPU.
    pub fn cpu(&self) -> &Arc<Cpu> {
        &self.cpu
    }

    /// Computes on another CPU from now on, in the same memory.
    pub fn set_cpu(&mut self, cpu: &Arc<Cpu>) {
        self.cpu = Arc::clone(cpu);
    }
}

/// What a forward pass reads and writes.
pub struct ForwardPass<'a> {
    /// The input maps.
    pub input: TensorView<'a>,
    /// Which output channels to compute, in multiples of [`CHANNEL_MULTIPLE`].
    pub channels: Range<usize>,
    /// The output maps: `channels.len()` channels, sizes after the activation.
    pub output: TensorViewMut<'a>,
    /// Takes the signs before ReLU, which the backward pass needs: one bit for each value of the
    /// computed channels before pooling.
    pub signs: Option<&'a mut SignMask>,
}

/// What a backward pass reads and writes.
pub struct BackwardPass<'a> {
    /// The input maps of the forward pass.
    pub input: TensorView<'a>,
    /// The output channels that `output_gradient` belongs to.
    pub channels: Range<usize>,
    /// Gradient with respect to the output, after the activation.
    pub output_gradient: TensorView<'a>,
    /// Signs from the forward pass; not needed (and not looked at) if the activation is linear.
    pub signs: Option<&'a SignMask>,
    /// Takes the gradient with respect to the input, if wanted.
    pub input_gradient: Option<TensorViewMut<'a>>,
}

/// How a convolution is computed.
#[derive(Clone, Copy)]
enum Method {
    Winograd(Winograd),
    Im2col(Im2col),
}

impl Method {
    fn forward(spec: ConvSpec, activation: Activation) -> Self {
        let winograd = Winograd::for_spec(&spec, activation);
        winograd.map_or(Self::Im2col(Im2col::new(spec, activation)), Self::Winograd)
    }

    fn backward(spec: ConvSpec, activation: Activation) -> Self {
        if spec.in_channels.is_multiple_of(PANEL) {
            Self::forward(spec, activation)
        } else {
            Self::Im2col(Im2col::new(spec, activation))
        }
    }

    fn packed_len(&self) -> usize {
        match self {
            Self::Winograd(winograd) => winograd.transformed_len(),
            Self::Im2col(im2col) => im2col.packed_len(),
        }
    }

    fn pack(&self, cpu: &Cpu, weights: &[f32], packed: &mut Buffer) {
        match self {
            Self::Winograd(winograd) => winograd.transform_weights(cpu, weights, packed),
            Self::Im2col(im2col) => im2col.pack_weights(cpu, weights, packed),
        }
    }
}

/// A convolution and what follows it: its weights as the kernels want them, ready for the forward
/// pass.
pub struct Conv2d {
    spec: ConvSpec,
    activation: Activation,
    method: Method,
    packed: Buffer,
    bias: Vec<f32>,
}

impl Conv2d {
    /// Prepares a convolution that `activation` follows: weights (kernel row × kernel column ×
    /// input × output channel; see [`hwio_from_oihw`]) and a bias (output channel).
    ///
    /// # Panics
    /// When the output's channels are no multiple of [`CHANNEL_MULTIPLE`] or lengths don't fit.
    pub fn new(
        cpu: &Cpu,
        spec: ConvSpec,
        activation: Activation,
        weights: &[f32],
        bias: &[f32],
    ) -> Self {
        assert!(spec.out_channels.is_multiple_of(PANEL), "{} output channels", spec.out_channels);
        let method = Method::forward(spec, activation);
        let packed = Buffer::zeros(method.packed_len());
        let bias_len = spec.out_channels;
        let mut conv = Self { spec, activation, method, packed, bias: vec![0.0; bias_len] };
        conv.set_weights(cpu, weights, bias);
        conv
    }

    /// Takes other weights, as [`Conv2d::new`] does.
    ///
    /// # Panics
    /// When lengths don't fit.
    pub fn set_weights(&mut self, cpu: &Cpu, weights: &[f32], bias: &[f32]) {
        assert_eq!(weights.len(), self.spec.weight_len(), "weights of {:?}", self.spec);
        self.bias.copy_from_slice(bias);
        self.method.pack(cpu, weights, &mut self.packed);
    }

    /// What defines the convolution.
    pub fn spec(&self) -> ConvSpec {
        self.spec
    }

    /// Computes `activation(conv(input) + bias)`.
    ///
    /// # Panics
    /// When shapes don't fit each other.
    pub fn forward(&self, workspace: &mut Workspace, pass: ForwardPass<'_>) {
        self.check_shapes(pass.input.shape, pass.output.shape, &pass.channels);
        let Workspace { cpu, winograd: scratch, .. } = workspace;
        match &self.method {
            Method::Winograd(winograd) => {
                winograd.forward(cpu, scratch, &self.packed, &self.bias, pass);
            }
            Method::Im2col(im2col) => im2col.forward(cpu, &self.packed, &self.bias, pass),
        }
    }

    fn check_shapes(&self, input: Shape, output: Shape, channels: &Range<usize>) {
        let aligned = channels.start.is_multiple_of(PANEL) && channels.end.is_multiple_of(PANEL);
        assert!(aligned && channels.end <= self.spec.out_channels, "channels {channels:?}");
        assert_eq!(input.channels, self.spec.in_channels, "input of {:?}", self.spec);
        let (height, width) = self.spec.conv_size(input.height, input.width);
        let (height, width) = self.activation.output_size(height, width);
        let expected = Shape { images: input.images, height, width, channels: channels.len() };
        assert_eq!(output, expected, "output of {:?}", self.spec);
    }
}

/// What the backward pass of a convolution needs beside the weights: their transpose, and room
/// for their gradient.
pub struct Conv2dGradient {
    spec: ConvSpec,
    method: Method,
    transposed: Buffer,
    /// Plain weights with the roles of input and output channels swapped.
    swapped: Buffer,
    packed: Buffer,
    bias: Vec<f32>,
}

impl Conv2dGradient {
    /// Prepares the backward pass of `conv`. With `input_gradient` the gradient with respect to the
    /// input can be had too, at the price of a second copy of the weights.
    ///
    /// # Panics
    /// When the input's gradient is wanted of a convolution whose input channels are no multiple
    /// of [`CHANNEL_MULTIPLE`].
    pub fn new(cpu: &Cpu, conv: &Conv2d, weights: &[f32], input_gradient: bool) -> Self {
        let method = Method::backward(conv.spec, conv.activation);
        if let Method::Im2col(im2col) = &method {
            assert!(!input_gradient || im2col.has_input_gradient(), "{:?}", conv.spec);
        }
        let len = method.packed_len();
        let mut gradient = Self {
            spec: conv.spec,
            method,
            transposed: Buffer::zeros(if input_gradient { len } else { 0 }),
            swapped: Buffer::default(),
            packed: Buffer::zeros(len),
            bias: vec![0.0; conv.spec.out_channels],
        };
        gradient.set_weights(cpu, weights);
        gradient
    }

    /// Follows a change of the weights.
    pub fn set_weights(&mut self, cpu: &Cpu, weights: &[f32]) {
        if self.transposed.is_empty() {
            return;
        }
        match &self.method {
            Method::Winograd(winograd) => {
                self.swapped.grow(weights.len());
                let room = &mut self.swapped[..weights.len()];
                winograd.transform_transposed(cpu, weights, room, &mut self.transposed);
            }
            Method::Im2col(im2col) => im2col.pack_transposed(cpu, weights, &mut self.transposed),
        }
    }

    /// Backpropagates a gradient. The gradients of the weights and the bias of `pass.channels`, and of
    /// the input, are overwritten.
    ///
    /// # Panics
    /// When shapes don't fit each other, or the input's gradient was not prepared for.
    pub fn backward(
        &mut self,
        workspace: &mut Workspace,
        conv: &Conv2d,
        mut pass: BackwardPass<'_>,
    ) {
        conv.check_shapes(pass.input.shape, pass.output_gradient.shape, &pass.channels);
        if let Some(gradient) = &pass.input_gradient {
            assert_eq!(gradient.shape, pass.input.shape);
            assert!(!self.transposed.is_empty(), "input gradient of {:?}", self.spec);
        }
        match conv.activation {
            Activation::Linear => pass.signs = None,
            _ => assert!(pass.signs.is_some(), "the signs before ReLU are missing"),
        }
        let Workspace { cpu, winograd: scratch, patch_gradient } = workspace;
        let gradient = WeightGradient { transformed: &mut self.packed, bias: &mut self.bias };
        match &self.method {
            Method::Winograd(winograd) => {
                winograd.backward(cpu, scratch, &self.transposed, pass, gradient);
            }
            Method::Im2col(im2col) => {
                im2col.backward(cpu, patch_gradient, &self.transposed, pass, gradient);
            }
        }
    }

    /// Writes the gradient of the plain weights (kernel row × kernel column × input × output
    /// channel).
    ///
    /// # Panics
    /// When the length doesn't fit.
    pub fn weight_gradient(&self, cpu: &Cpu, gradient: &mut [f32]) {
        assert_eq!(gradient.len(), self.spec.weight_len());
        match &self.method {
            Method::Winograd(winograd) => winograd.weight_gradient(cpu, &self.packed, gradient),
            Method::Im2col(im2col) => im2col.weight_gradient(cpu, &self.packed, gradient),
        }
    }

    /// The gradient of the bias (output channel).
    pub fn bias_gradient(&self) -> &[f32] {
        &self.bias
    }
}

/// Reorders weights from PyTorch's output × input × row × column to the kernels' row × column ×
/// input × output.
///
/// # Panics
/// When the length doesn't fit.
pub fn hwio_from_oihw(spec: &ConvSpec, oihw: &[f32]) -> Vec<f32> {
    assert_eq!(oihw.len(), spec.weight_len());
    let mut hwio = vec![0.0; oihw.len()];
    for_each_weight(spec, |from, to| hwio[to] = oihw[from]);
    hwio
}

/// Reorders weights from the kernels' row × column × input × output to PyTorch's output × input ×
/// row × column.
///
/// # Panics
/// When the length doesn't fit.
pub fn oihw_from_hwio(spec: &ConvSpec, hwio: &[f32]) -> Vec<f32> {
    assert_eq!(hwio.len(), spec.weight_len());
    let mut oihw = vec![0.0; hwio.len()];
    for_each_weight(spec, |to, from| oihw[to] = hwio[from]);
    oihw
}

/// Calls `visit(oihw, hwio)` with the two places of every weight.
fn for_each_weight(spec: &ConvSpec, mut visit: impl FnMut(usize, usize)) {
    /// Outputs whose places in the kernels' order are in one line of a cache.
    const LINE: usize = 16;
    let taps = spec.kernel * spec.kernel;
    for first in (0..spec.out_channels).step_by(LINE) {
        let outputs = first..spec.out_channels.min(first + LINE);
        for (input, tap) in (0..spec.in_channels).flat_map(|i| (0..taps).map(move |tap| (i, tap))) {
            for output in outputs.clone() {
                let oihw = (output * spec.in_channels + input) * taps + tap;
                visit(oihw, (tap * spec.in_channels + input) * spec.out_channels + output);
            }
        }
    }
}
