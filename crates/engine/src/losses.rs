//! The losses of a training step (paper, sections 3.2 and 3.3).

/// The losses of one training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Mean of the squared teacher–student differences that are at or above their 0.999 quantile.
    pub hard: f32,
    /// Mean squared student feature on the penalty photo; `None` when training without.
    pub penalty: Option<f32>,
    /// Mean squared teacher–autoencoder difference.
    pub autoencoder: f32,
    /// Mean squared autoencoder–student difference.
    pub student_autoencoder: f32,
}

impl Losses {
    /// The sum that training minimises.
    pub fn total(&self) -> f32 {
        self.hard + self.penalty.unwrap_or(0.0) + self.autoencoder + self.student_autoencoder
    }
}
