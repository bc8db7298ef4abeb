//! How far long work has come.

use crate::error::Error;
use std::fmt;
use std::ops::ControlFlow;

/// A part of the work before or after the training steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The teacher describes all training images, for its statistics.
    TeacherStatistics,
    /// The trained networks look at all training images, for [`crate::ChannelWeights`] and
    /// [`crate::PositionWeights`].
    UsualDifferences,
    /// The trained networks judge the validation images.
    Calibration,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TeacherStatistics => "teacher statistics",
            Self::UsualDifferences => "usual differences",
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

/// Is told how far work has come, and may end it with [`Error::Cancelled`].
pub type ProgressFn<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// Tells how far work has come.
///
/// # Errors
/// [`Error::Cancelled`], when it is to end.
pub(crate) fn report(progress: &mut ProgressFn<'_>, at: Progress) -> Result<(), Error> {
    match progress(at) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::Cancelled),
    }
}
