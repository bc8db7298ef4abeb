//! The four losses and their gradients with respect to the networks' outputs (paper, sections 3.2
//! and 3.3).

use crate::sum::sum;
use crate::transfer::numbers;
use burn_tensor::{Bool, Device, Int, Shape, Tensor};
use efficientad_engine::ValidMask;

/// Share of the squared differences that the hard-feature loss leaves out.
const HARD_QUANTILE: f64 = 0.999;
/// How often the place of the quantile is halved: so often that no number is left between the
/// bounds, unless the quantile is less than a 256th of the largest difference.
const HALVINGS: usize = 33;

/// Which locations of one image's features count.
pub(crate) struct Valid {
    /// 1 × rows × columns × 1: where a location does not count; `None` if all count.
    left_out: Option<Tensor<4, Bool>>,
    /// Number of those that count.
    locations: usize,
}

impl Valid {
    pub(crate) fn new(device: &Device, valid: &ValidMask, (rows, columns): (usize, usize)) -> Self {
        match valid {
            ValidMask::All => Self { left_out: None, locations: rows * columns },
            ValidMask::Some(places) => {
                let mut mask = vec![0.0; rows * columns];
                places.iter().for_each(|&place| mask[place] = 1.0);
                let left_out = numbers(device, mask).equal_scalar(0.0);
                let left_out = left_out.reshape([1, rows, columns, 1]);
                Self { left_out: Some(left_out), locations: places.len() }
            }
        }
    }

    /// Zero where a location does not count.
    fn apply(&self, maps: Tensor<4>) -> Tensor<4> {
        match self.left_out_of(maps.shape()) {
            Some(left_out) => maps.mask_fill(left_out, 0.0),
            None => maps,
        }
    }

    /// Which values of maps are of locations that don't count, if any are.
    fn left_out_of(&self, maps: Shape) -> Option<Tensor<4, Bool>> {
        self.left_out.clone().map(|left_out| left_out.expand(maps))
    }
}

/// The hard-feature loss: the mean of the squared differences that are at or above their 0.999
/// quantile. With it the student's gradient.
pub(crate) fn hard(
    teacher: Tensor<4>,
    student: Tensor<4>,
    valid: &Valid,
) -> (Tensor<1>, Tensor<4>) {
    let difference = valid.apply(student - teacher);
    let square = difference.clone().square();
    let values = valid.locations * square.dims()[3];
    // Between two numbers the quantile is above the lower one: what is at or above it begins with
    // the upper one.
    let rank = (HARD_QUANTILE * (values - 1) as f64).ceil() as usize;
    let threshold = largest(square.clone().flatten(0, 3), values - rank);
    // Written so that NaN counts: a loss that is no number must not be hidden.
    let is_easy = square.clone().lower(threshold.reshape([1, 1, 1, 1]).expand(square.shape()));
    let is_easy = match valid.left_out_of(square.shape()) {
        Some(left_out) => is_easy.bool_or(left_out),
        None => is_easy,
    };
    let count = is_easy.clone().bool_not().int().sum().float();
    let loss = sum(square.mask_fill(is_easy.clone(), 0.0)) / count.clone();
    let slope = count.recip() * 2.0;
    let gradient = difference.mask_fill(is_easy, 0.0) * slope.reshape([1, 1, 1, 1]);
    (loss, gradient)
}

/// The `count`-th largest of numbers that are not negative.
fn largest(values: Tensor<1>, count: usize) -> Tensor<1> {
    let mut low = Tensor::<1>::zeros([1], &values.device());
    // Above all of them.
    let mut high = values.clone().max() * 1.0001 + f32::MIN_POSITIVE;
    for _ in 0..HALVINGS {
        let middle = (low.clone() + high.clone()) * 0.5;
        let above: Tensor<1, Int> =
            values.clone().greater_equal(middle.clone().expand(values.shape())).int().sum();
        let are_enough = above.greater_equal_scalar(count as i32);
        low = low.mask_where(are_enough.clone(), middle.clone());
        high = middle.mask_where(are_enough, high);
    }
    low
}

/// The penalty: features of a photo that is not of a good part are to be zero.
pub(crate) fn penalty(student: Tensor<4>) -> (Tensor<1>, Tensor<4>) {
    let values = student.shape().num_elements() as f32;
    (sum(student.clone().square()) / values, student * (2.0 / values))
}

/// The mean squared difference of features from what they are to be; the gradient of the features.
pub(crate) fn mean_square(
    features: Tensor<4>,
    target: Tensor<4>,
    valid: &Valid,
) -> (Tensor<1>, Tensor<4>) {
    let difference = valid.apply(features - target);
    let values = (valid.locations * difference.dims()[3]) as f32;
    (sum(difference.clone().square()) / values, difference * (2.0 / values))
}
