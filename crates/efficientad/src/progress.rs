//! How far long work has come.

use std::fmt;

/// A part of the work before or after the training steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The teacher describes all training images, for its statistics.
    TeacherStatistics,
    /// The trained networks look at all training images, for [`crate::PositionWeights`].
    PositionWeights,
    /// The trained networks judge the validation images.
    Calibration,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TeacherStatistics => "teacher statistics",
            Self::PositionWeights => "usual differences",
            Self::Calibration => "calibration",
        })
    }
}

/// How far a stage has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Images done.
    pub done: usize,
    /// Images in all.
    pub total: usize,
}
