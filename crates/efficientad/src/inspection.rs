//! The three networks together, as inspection runs them.

use crate::anomaly_map::DifferenceMaps;
use crate::network::{
    Autoencoder, AutoencoderMaps, InputSize, Pdn, PdnMaps, PdnSize, TEACHER_CHANNELS, Weights,
    normalized,
};
use crate::source::input_image;
use crate::teacher::TeacherStatistics;
use crate::training::STUDENT_CHANNELS;
use efficientad_images::RgbImage;
use efficientad_kernels::{Cpu, Tensor, Workspace};
use std::sync::Arc;

/// Everything that the networks' outputs depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkWeights {
    pub size: PdnSize,
    pub input: InputSize,
    pub teacher: Weights,
    pub statistics: TeacherStatistics,
    pub student: Weights,
    pub autoencoder: Weights,
}

/// The three networks, ready to run, with memory that is used again for every image.
pub(crate) struct Networks {
    input: InputSize,
    workspace: Workspace,
    teacher: Pdn,
    student: Pdn,
    autoencoder: Autoencoder,
    teacher_maps: PdnMaps,
    student_maps: PdnMaps,
    autoencoder_maps: AutoencoderMaps,
}

impl Networks {
    /// Prepares the weights.
    pub(crate) fn new(cpu: Arc<Cpu>, weights: &NetworkWeights) -> Self {
        let teacher = weights.statistics.fold_into(&weights.teacher);
        Self {
            input: weights.input,
            teacher: Pdn::new(&cpu, weights.size, TEACHER_CHANNELS, &teacher),
            student: Pdn::new(&cpu, weights.size, STUDENT_CHANNELS, &weights.student),
            autoencoder: Autoencoder::new(&cpu, &weights.autoencoder),
            workspace: Workspace::new(cpu),
            teacher_maps: PdnMaps::default(),
            student_maps: PdnMaps::default(),
            autoencoder_maps: AutoencoderMaps::default(),
        }
    }

    /// The CPU they run on.
    pub(crate) fn cpu(&self) -> &Cpu {
        self.workspace.cpu()
    }

    /// Resizes an image and compares the networks on it.
    pub(crate) fn compare(&mut self, image: &RgbImage) -> DifferenceMaps {
        self.compare_input(&normalized(&input_image(image, self.input)))
    }

    /// Compares the networks on a normalised image of their input size.
    pub(crate) fn compare_input(&mut self, input: &Tensor) -> DifferenceMaps {
        let workspace = &mut self.workspace;
        self.teacher.forward(workspace, input.view(), &mut self.teacher_maps);
        self.student.forward(workspace, input.view(), &mut self.student_maps);
        let maps = &mut self.autoencoder_maps;
        self.autoencoder.forward(workspace, input.view(), self.input, maps);
        DifferenceMaps::compare(
            workspace.cpu(),
            self.input.feature_size(),
            self.teacher_maps.features.data(),
            self.student_maps.features.data(),
            maps.features().data(),
        )
    }
}
