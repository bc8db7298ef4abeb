//! What an engine does to inspect.

use crate::error::EngineError;
use crate::id::EngineId;
use crate::network::{InputSize, PdnSize, Weights};
use efficientad_kernels::{Tensor, TensorView, Threads};

/// The three networks as inspection runs them: all that difference maps depend on, beside the
/// images.
#[derive(Clone, Debug, PartialEq)]
pub struct Networks {
    /// Which patch description networks teacher and student are.
    pub size: PdnSize,
    /// The size of the images that they read.
    pub input: InputSize,
    /// The teacher, to 384 channels, the normalisation of its features folded into the last layer.
    pub teacher: Weights,
    /// The student, to 768 channels: 384 that predict the teacher, then 384 that predict the
    /// autoencoder.
    pub student: Weights,
    /// The autoencoder, to 384 channels.
    pub autoencoder: Weights,
}

/// Squared differences of features of one image, averaged over channels: one number a location.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DifferenceMaps {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Teacher against the student's first half: unusual patches.
    pub student_teacher: Vec<f32>,
    /// Autoencoder against the student's second half: unusual wholes.
    pub student_autoencoder: Vec<f32>,
}

/// How much of an engine one call takes. Results don't depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// All threads: the shortest time for one call.
    Whole,
    /// The calling thread, where the engine computes on CPUs: with as many calls at once as there
    /// are threads, the most images a second, as no thread waits for another.
    OneThread,
}

/// Something that inspects images by networks.
pub trait InspectionEngine: Send + Sync {
    /// Its arithmetic.
    fn id(&self) -> EngineId;

    /// The CPU's threads, which work around the networks may use.
    fn threads(&self) -> &Threads;

    /// Images that one call of [`PreparedNetworks::compare`] takes best, where there are many.
    fn batch(&self) -> usize {
        1
    }

    /// Makes networks ready to run. Weights are packed, or sent to a device, once: all callers share
    /// them.
    ///
    /// # Errors
    /// When the engine can't have them, say for want of memory.
    fn prepare(&self, networks: &Networks) -> Result<Box<dyn PreparedNetworks>, EngineError>;

    /// Makes a patch description network with 384 output channels ready to run.
    ///
    /// # Errors
    /// When the engine can't have it.
    fn prepare_teacher(
        &self,
        size: PdnSize,
        weights: &Weights,
    ) -> Result<Box<dyn PreparedTeacher>, EngineError>;
}

/// Networks ready to inspect, by any number of threads at once.
pub trait PreparedNetworks: Send + Sync {
    /// Compares the networks' features on images of their input size (normalised, images × height ×
    /// width × 3): for each image its two maps, of [`InputSize::feature_size`]. The maps of an image
    /// are the same, to the last bit, whatever other images are given with it.
    ///
    /// # Errors
    /// When the device fails.
    ///
    /// # Panics
    /// When the images have another size.
    fn compare(
        &self,
        images: TensorView<'_>,
        share: Share,
    ) -> Result<Vec<DifferenceMaps>, EngineError>;
}

/// A teacher ready to describe images.
pub trait PreparedTeacher: Send + Sync {
    /// The features of images (normalised, images × height × width × 3): images × rows × columns ×
    /// 384, rows and columns by [`InputSize::feature_size`].
    ///
    /// # Errors
    /// When the device fails.
    fn describe(&self, images: TensorView<'_>) -> Result<Tensor, EngineError>;
}
