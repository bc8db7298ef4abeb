//! The four losses and their gradients with respect to the networks' outputs (paper,
//! sections 3.2 and 3.3).
//!
//! Each function reads features and leaves the loss' gradient in their place or beside them.

use efficientad_kernels::Cpu;
use half::f16;
use half::slice::HalfFloatSliceExt;

/// Share of the squared differences that the hard-feature loss leaves out.
const HARD_QUANTILE: f64 = 0.999;
/// Values that one task handles.
const CHUNK: usize = 1 << 16;
/// Bits of a float that tell its bucket: sign, exponent and five bits of the mantissa.
const BUCKET_SHIFT: u32 = 18;
const BUCKETS: usize = 1 << (31 - BUCKET_SHIFT);

/// The teacher's normalised features of one image.
pub(crate) trait TeacherFeatures: Sync {
    /// `student -= teacher` for the part from `start`.
    fn subtract_from(&self, start: usize, student: &mut [f32]);
}

/// Features as they are kept from step to step.
impl TeacherFeatures for [f16] {
    fn subtract_from(&self, start: usize, student: &mut [f32]) {
        const PART: usize = 1024;
        let mut full = [0.0; PART];
        let teacher = self[start..start + student.len()].chunks(PART);
        for (student, teacher) in student.chunks_mut(PART).zip(teacher) {
            let full = &mut full[..teacher.len()];
            teacher.convert_to_f32_slice(full);
            student.iter_mut().zip(full).for_each(|(s, t)| *s -= *t);
        }
    }
}

/// Unrounded features, to compare with.
#[cfg(test)]
impl TeacherFeatures for [f32] {
    fn subtract_from(&self, start: usize, student: &mut [f32]) {
        student.iter_mut().zip(&self[start..]).for_each(|(s, t)| *s -= t);
    }
}

/// The hard-feature loss. `student` holds the features on entry and their gradient on return.
pub(crate) fn hard_loss(
    cpu: &Cpu,
    teacher: &(impl TeacherFeatures + ?Sized),
    student: &mut [f32],
) -> f32 {
    let histograms = cpu.map_chunks(student, CHUNK, |chunk, student| {
        teacher.subtract_from(chunk * CHUNK, student);
        let mut histogram = vec![0_u32; BUCKETS];
        student.iter().for_each(|difference| histogram[bucket(*difference)] += 1);
        histogram
    });
    let threshold = squared_quantile(cpu, student, &histograms);
    let parts = cpu.map_chunks(student, CHUNK, |_, student| {
        let (mut sum, mut count) = (0.0_f64, 0_usize);
        for difference in student {
            let square = *difference * *difference;
            // Written so that NaN counts: a loss that is no number must not be hidden.
            if square < threshold {
                *difference = 0.0;
            } else {
                sum += f64::from(square);
                count += 1;
            }
        }
        (sum, count)
    });
    let count: usize = parts.iter().map(|part| part.1).sum();
    scale(cpu, student, 2.0 / count as f32);
    (parts.iter().map(|part| part.0).sum::<f64>() / count as f64) as f32
}

/// Bucket of a number's magnitude; larger magnitudes are in larger buckets.
fn bucket(value: f32) -> usize {
    (value.abs().to_bits() >> BUCKET_SHIFT) as usize
}

/// The 0.999 quantile of the squares, linear between order statistics as `torch.quantile`.
fn squared_quantile(cpu: &Cpu, differences: &mut [f32], histograms: &[Vec<u32>]) -> f32 {
    let position = HARD_QUANTILE * (differences.len() - 1) as f64;
    let (low_rank, fraction) = (position as usize, position.fract() as f32);
    let mut below = 0;
    let mut low_bucket = 0;
    for candidate in 0..BUCKETS {
        let count: usize = histograms.iter().map(|h| h[candidate] as usize).sum();
        if below + count > low_rank {
            low_bucket = candidate;
            break;
        }
        below += count;
    }
    let upper = cpu.map_chunks(differences, CHUNK, |_, chunk| {
        let chosen = chunk.iter().filter(|&&value| bucket(value) >= low_bucket);
        chosen.map(|value| value * value).collect::<Vec<f32>>()
    });
    let mut upper: Vec<f32> = upper.concat();
    upper.sort_unstable_by(f32::total_cmp);
    let low = upper[low_rank - below];
    let high = upper[(low_rank - below + 1).min(upper.len() - 1)];
    low + fraction * (high - low)
}

/// The penalty: features of a photo that is not of a good part are to be zero. `student` holds
/// them on entry and their gradient on return.
pub(crate) fn penalty(cpu: &Cpu, student: &mut [f32]) -> f32 {
    let len = student.len();
    let slope = 2.0 / len as f32;
    let sums = cpu.map_chunks(student, CHUNK, |_, student| {
        let sum: f64 = student.iter().map(|value| f64::from(value * value)).sum();
        student.iter_mut().for_each(|value| *value *= slope);
        sum
    });
    (sums.iter().sum::<f64>() / len as f64) as f32
}

/// The student–autoencoder loss. `student` holds the student's second half on entry and its gradient
/// on return.
pub(crate) fn student_autoencoder_loss(cpu: &Cpu, autoencoder: &[f32], student: &mut [f32]) -> f32 {
    let len = student.len();
    let slope = 2.0 / len as f32;
    let sums = cpu.map_chunks(student, CHUNK, |chunk, student| {
        let mut sum = 0.0_f64;
        for (s, a) in student.iter_mut().zip(&autoencoder[chunk * CHUNK..]) {
            let difference = *s - a;
            sum += f64::from(difference * difference);
            *s = slope * difference;
        }
        sum
    });
    (sums.iter().sum::<f64>() / len as f64) as f32
}

/// The autoencoder's loss. Its gradient is left in `gradient`; with the student's gradient of the
/// student–autoencoder loss also that of this loss.
pub(crate) fn autoencoder_loss(
    cpu: &Cpu,
    teacher: &[f32],
    autoencoder: &[f32],
    student_gradient: Option<&[f32]>,
    gradient: &mut [f32],
) -> f32 {
    let len = teacher.len();
    let slope = 2.0 / len as f32;
    let sums = cpu.map_chunks(gradient, CHUNK, |chunk, gradient| {
        let start = chunk * CHUNK;
        let mut sum = 0.0_f64;
        for ((g, a), t) in gradient.iter_mut().zip(&autoencoder[start..]).zip(&teacher[start..]) {
            let difference = a - t;
            sum += f64::from(difference * difference);
            *g = slope * difference;
        }
        if let Some(student) = student_gradient {
            gradient.iter_mut().zip(&student[start..]).for_each(|(g, s)| *g -= s);
        }
        sum
    });
    (sums.iter().sum::<f64>() / len as f64) as f32
}

fn scale(cpu: &Cpu, values: &mut [f32], factor: f32) {
    cpu.for_each_chunk(values, CHUNK, |_, values| {
        values.iter_mut().for_each(|value| *value *= factor);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_engine::{Purpose, Random};
    use efficientad_kernels::InstructionSet;

    fn noise(len: usize, index: u64) -> Vec<f32> {
        let mut random = Random::new(11, Purpose::Augmentation, index);
        (0..len).map(|_| random.between(-2.0, 2.0) * random.unit()).collect()
    }

    fn cpu() -> Cpu {
        Cpu::new(2, InstructionSet::best()).unwrap()
    }

    /// Central differences of `loss` at a few places must be what `gradient` says.
    fn assert_slopes(values: &[f32], gradient: &[f32], loss: impl Fn(&[f32]) -> f64) {
        let scale = gradient.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
        let largest =
            (0..values.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
        for i in [0, values.len() / 3, values.len() - 1, largest.unwrap()] {
            let mut moved = values.to_vec();
            let mut at = |delta: f32| {
                moved[i] = values[i] + delta;
                (loss(&moved), f64::from(moved[i]))
            };
            let ((high, x1), (low, x0)) = (at(1e-3), at(-1e-3));
            let slope = (high - low) / (x1 - x0);
            let error = (slope - f64::from(gradient[i])).abs();
            assert!(
                error < 0.01 * f64::from(scale),
                "{i}: slope {slope}, gradient {}",
                gradient[i]
            );
        }
    }

    /// The loss as its definition reads, in f64.
    fn plain_hard_loss(teacher: &[f32], student: &[f32]) -> f64 {
        let mut squares: Vec<f64> =
            teacher.iter().zip(student).map(|(t, s)| f64::from(s - t).powi(2)).collect();
        squares.sort_by(f64::total_cmp);
        let position = HARD_QUANTILE * (squares.len() - 1) as f64;
        let (low, high) = (squares[position as usize], squares[position as usize + 1]);
        let threshold = low + position.fract() * (high - low);
        let hard: Vec<f64> = squares.into_iter().filter(|&square| square >= threshold).collect();
        hard.iter().sum::<f64>() / hard.len() as f64
    }

    #[test]
    fn hard_loss_is_the_mean_of_the_hardest_thousandth() {
        let (teacher, features) = (noise(150_001, 0), noise(150_001, 1));
        let mut student = features.clone();
        let loss = hard_loss(&cpu(), &teacher[..], &mut student);
        let expected = plain_hard_loss(&teacher, &features);
        assert!((f64::from(loss) / expected - 1.0).abs() < 1e-6, "{loss}, not {expected}");
        let selected = student.iter().filter(|&&value| value != 0.0).count();
        assert_eq!(selected, 151);
        assert_slopes(&features, &student, |moved| plain_hard_loss(&teacher, moved));
    }

    #[test]
    fn hard_loss_of_equal_differences_takes_all() {
        let mut student = vec![1.5; 5000];
        let teacher = vec![1.0; 5000];
        let loss = hard_loss(&cpu(), &teacher[..], &mut student);
        assert_eq!(loss, 0.25);
        assert!(student.iter().all(|&value| value == 1.0 / 5000.0));
    }

    #[test]
    fn half_precision_features_change_the_loss_little() {
        let (teacher, features) = (noise(150_000, 0), noise(150_000, 1));
        let half: Vec<f16> = teacher.iter().map(|&value| f16::from_f32(value)).collect();
        let full = hard_loss(&cpu(), &teacher[..], &mut features.clone());
        let half = hard_loss(&cpu(), &half[..], &mut features.clone());
        assert!((half / full - 1.0).abs() < 1e-4, "{half} and {full}");
    }

    #[test]
    fn a_nan_feature_makes_the_loss_nan() {
        let mut student = noise(5000, 1);
        student[77] = f32::NAN;
        assert!(hard_loss(&cpu(), &noise(5000, 0)[..], &mut student).is_nan());
    }

    #[test]
    fn penalty_is_the_mean_square() {
        let features = noise(100_000, 2);
        let mut student = features.clone();
        let loss = penalty(&cpu(), &mut student);
        let plain = |values: &[f32]| {
            values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64
        };
        assert!((f64::from(loss) / plain(&features) - 1.0).abs() < 1e-6);
        assert_slopes(&features, &student, plain);
    }

    #[test]
    fn autoencoder_losses_pull_on_both_networks() {
        let [teacher, autoencoder, features] = [3, 4, 5].map(|i| noise(70_000, i));
        let mut student = features.clone();
        let mut gradient = vec![0.0; 70_000];
        let stae = student_autoencoder_loss(&cpu(), &autoencoder, &mut student);
        let pull = Some(&student[..]);
        let ae = autoencoder_loss(&cpu(), &teacher, &autoencoder, pull, &mut gradient);
        let mean_square = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64
        };
        assert!((f64::from(ae) / mean_square(&teacher, &autoencoder) - 1.0).abs() < 1e-6);
        assert!((f64::from(stae) / mean_square(&features, &autoencoder) - 1.0).abs() < 1e-6);
        assert_slopes(&features, &student, |moved| mean_square(moved, &autoencoder));
        assert_slopes(&autoencoder, &gradient, |moved| {
            mean_square(&teacher, moved) + mean_square(&features, moved)
        });
        autoencoder_loss(&cpu(), &teacher, &autoencoder, None, &mut gradient);
        assert_slopes(&autoencoder, &gradient, |moved| mean_square(&teacher, moved));
    }
}
