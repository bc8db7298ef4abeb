//! Adam and Muon on rows of numbers: as the CPU's, but for rounding.

use crate::parameters::Parameters;
use crate::sum::sum;
use burn_tensor::{Bool, Tensor};
use efficientad_engine::{Adam, Layer, Muon, NEGLIGIBLE_MEAN};
use std::ops::Range;

/// Numbers that learn, and their optimizer's means.
struct Row {
    values: Tensor<1>,
    first: Tensor<1>,
    second: Tensor<1>,
}

/// A step of Adam for all of a network, if the step is sound.
pub(crate) fn adam(
    parameters: &mut Parameters,
    adam: &Adam,
    gradient: Tensor<1>,
    sound: &Tensor<1, Bool>,
) {
    let row = adam_of_row(adam, all_of(parameters), gradient);
    change(parameters, row, sound);
}

/// A step of Muon for the weights of some layers, and of Adam for all else, if the step is sound.
pub(crate) fn muon(
    parameters: &mut Parameters,
    by_muon: Range<usize>,
    (muon, adam): (&Muon, &Adam),
    gradient: Tensor<1>,
    sound: &Tensor<1, Bool>,
) {
    let len_of = |layers: &[Layer]| layers.iter().map(|it| it.conv.weight_len()).sum::<usize>();
    let start = len_of(&parameters.layers[..by_muon.start]);
    let range = start..start + len_of(&parameters.layers[by_muon.clone()]);
    let all = all_of(parameters);
    let part = |row: &Tensor<1>| row.clone().slice(range.clone());
    let of_layers =
        Row { values: part(&all.values), first: part(&all.first), second: part(&all.second) };
    let layers = &parameters.layers[by_muon];
    let weights = muon_of_layers(muon, layers, of_layers, part(&gradient));
    let others = adam_of_row(adam, all, gradient);
    let put = |into: Tensor<1>, part: Tensor<1>| into.slice_assign(range.clone(), part);
    let row = Row {
        values: put(others.values, weights.values),
        first: put(others.first, weights.first),
        second: put(others.second, weights.second),
    };
    change(parameters, row, sound);
}

fn all_of(parameters: &Parameters) -> Row {
    Row {
        values: parameters.values.clone(),
        first: parameters.first_moments.clone(),
        second: parameters.second_moments.clone(),
    }
}

/// Changes a network's numbers if the step is sound.
fn change(parameters: &mut Parameters, to: Row, sound: &Tensor<1, Bool>) {
    let sound = sound.clone().expand(to.values.shape());
    let change = |number: &mut Tensor<1>, to: Tensor<1>| {
        *number = number.clone().mask_where(sound.clone(), to);
    };
    change(&mut parameters.values, to.values);
    change(&mut parameters.first_moments, to.first);
    change(&mut parameters.second_moments, to.second);
}

fn adam_of_row(adam: &Adam, row: Row, gradient: Tensor<1>) -> Row {
    let (rate, root_scale) = adam.corrections();
    let gradient = gradient + row.values.clone() * adam.weight_decay;
    let first = row.first * adam.beta1 + gradient.clone() * (1.0 - adam.beta1);
    let second = row.second * adam.beta2 + gradient.clone() * gradient * (1.0 - adam.beta2);
    let root = second.clone().sqrt() * root_scale + adam.epsilon;
    let values = row.values - first.clone() * rate / root;
    let [of_values, of_first, of_second] = Adam::NEGLIGIBLE;
    Row {
        values: without_below(values, of_values),
        first: without_below(first, of_first),
        second: without_below(second, of_second),
    }
}

/// Zero in place of what is smaller than `limit`.
fn without_below(row: Tensor<1>, limit: f32) -> Tensor<1> {
    let small = row.clone().abs().lower_scalar(limit);
    row.mask_fill(small, 0.0)
}

fn muon_of_layers(muon: &Muon, layers: &[Layer], row: Row, gradient: Tensor<1>) -> Row {
    let rest = 1.0 - muon.momentum;
    let towards = |from: Tensor<1>, to: Tensor<1>| from.clone() + (to - from) * rest;
    let mean = without_below(towards(row.first, gradient.clone()), NEGLIGIBLE_MEAN);
    let ahead = towards(mean.clone(), gradient);
    let mut start = 0;
    let direction = |layer: &Layer| {
        let (len, columns) = (layer.conv.weight_len(), layer.conv.out_channels);
        let matrix = ahead.clone().slice(start..start + len).reshape([len / columns, columns]);
        start += len;
        orthogonalized(matrix).flatten::<1>(0, 1)
    };
    let direction = Tensor::cat(layers.iter().map(direction).collect(), 0);
    let values = row.values - direction * muon.learning_rate;
    Row { values, first: mean, second: row.second }
}

/// A matrix with the singular vectors of `matrix`, whose singular values are near 1; zeros if the
/// squared norm of `matrix` is zero, subnormal, infinite or NaN.
fn orthogonalized(matrix: Tensor<2>) -> Tensor<2> {
    let gram = matrix.clone().transpose().matmul(matrix.clone());
    let trace = sum(matrix.clone().square());
    let is_normal =
        trace.clone().is_finite().bool_and(trace.clone().greater_equal_scalar(f32::MIN_POSITIVE));
    let reciprocal = trace.recip().mask_fill(is_normal.bool_not(), 0.0);
    let [a, b, c] = Muon::COEFFICIENTS;
    let identity = Tensor::<2>::eye(gram.dims()[0], &gram.device());
    let polynomial = |gram: Tensor<2>| {
        let squared = gram.clone().matmul(gram.clone());
        gram * b + squared * c + identity.clone() * a
    };
    let mut gram = gram * reciprocal.clone().unsqueeze();
    let mut applied = polynomial(gram.clone());
    let mut factor = applied.clone();
    for _ in 1..Muon::ROUNDS {
        gram = applied.clone().matmul(gram.matmul(applied));
        applied = polynomial(gram.clone());
        factor = factor.matmul(applied.clone());
    }
    matrix.matmul(factor * reciprocal.sqrt().unsqueeze())
}
