//! Photos as a teacher sees them, in few numbers: to tell which is unlike the others.

use efficientad_engine::{InputSize, InspectionEngine, PreparedTeacher, TEACHER_CHANNELS};
use efficientad_images::{RgbImage, resize_bilinear};

use crate::error::Error;
use crate::input::normalized;
use crate::teacher::Teacher;

/// Describes photos by the mean of a teacher's features.
pub struct Describer {
    teacher: Box<dyn PreparedTeacher>,
    input: InputSize,
}

impl Describer {
    /// Of photos that are resized to the default input.
    ///
    /// # Errors
    /// When the engine can't have the teacher.
    pub fn new(teacher: &Teacher, engine: &dyn InspectionEngine) -> Result<Self, Error> {
        let teacher = engine.prepare_teacher(teacher.size, &teacher.weights)?;
        Ok(Self { teacher, input: InputSize::default() })
    }

    /// The mean of each of the [`TEACHER_CHANNELS`] features over the photo.
    ///
    /// # Errors
    /// When the device fails.
    pub fn describe(&self, photo: &RgbImage) -> Result<Vec<f32>, Error> {
        let (width, height) = (self.input.width() as u32, self.input.height() as u32);
        let features =
            self.teacher.describe(normalized(&resize_bilinear(photo, width, height)).view())?;
        let mut sums = vec![0.0_f64; TEACHER_CHANNELS];
        for place in features.data().chunks_exact(TEACHER_CHANNELS) {
            sums.iter_mut().zip(place).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        let places = (features.data().len() / TEACHER_CHANNELS) as f64;
        Ok(sums.into_iter().map(|sum| (sum / places) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_engine_cpu::CpuEngine;

    #[test]
    fn like_photos_have_like_descriptions() {
        let teacher = Teacher::embedded(crate::PdnSize::Small).unwrap();
        let describer = Describer::new(&teacher, &CpuEngine::on_all_cores().unwrap()).unwrap();
        let striped = |width: u32, level: u8| {
            let photo =
                RgbImage::from_fn(300, 200, |x, _| [level * (x / width % 2) as u8; 3].into());
            describer.describe(&photo).unwrap()
        };
        let distance = |a: &[f32], b: &[f32]| -> f32 {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
        };
        let (first, like, other) = (striped(10, 200), striped(10, 205), striped(40, 200));
        assert_eq!(first.len(), TEACHER_CHANNELS);
        assert!(distance(&first, &like) * 5.0 < distance(&first, &other));
    }
}
