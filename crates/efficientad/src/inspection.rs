//! The three networks together, as inspection runs them.

use crate::anomaly_map::{DifferenceMaps, PhotoMaps};
use crate::error::Error;
use crate::network::{
    Autoencoder, AutoencoderMaps, HiddenMaps, Pdn, PdnSize, TEACHER_CHANNELS, Weights, normalized,
};
use crate::position::PositionWeights;
use crate::teacher::TeacherStatistics;
use crate::training::STUDENT_CHANNELS;
use crate::view::{Framing, Layout};
use efficientad_images::RgbImage;
use efficientad_kernels::{Cpu, Tensor, Workspace};
use std::sync::Arc;

/// Everything that the networks' outputs depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkWeights {
    pub size: PdnSize,
    pub framing: Framing,
    pub teacher: Weights,
    pub statistics: TeacherStatistics,
    pub student: Weights,
    pub autoencoder: Weights,
    pub position_weights: Option<PositionWeights>,
}

/// The three networks, ready to run, with memory that is used again for every image.
pub(crate) struct Networks {
    framing: Framing,
    /// The layout of the last photo: the next one mostly has the same size.
    layout: Option<Arc<Layout>>,
    workspace: Workspace,
    teacher: Pdn,
    student: Pdn,
    autoencoder: Autoencoder,
    /// Of the teacher, then of the student.
    hidden: HiddenMaps,
    teacher_features: Tensor,
    student_features: Tensor,
    autoencoder_maps: AutoencoderMaps,
    position_weights: Option<PositionWeights>,
}

impl Networks {
    /// Prepares the weights.
    pub(crate) fn new(cpu: Arc<Cpu>, weights: &NetworkWeights) -> Self {
        let teacher = weights.statistics.fold_into(&weights.teacher);
        Self {
            framing: weights.framing.clone(),
            layout: None,
            teacher: Pdn::new(&cpu, weights.size, TEACHER_CHANNELS, &teacher),
            student: Pdn::new(&cpu, weights.size, STUDENT_CHANNELS, &weights.student),
            autoencoder: Autoencoder::new(&cpu, &weights.autoencoder),
            workspace: Workspace::new(cpu),
            hidden: HiddenMaps::default(),
            teacher_features: Tensor::default(),
            student_features: Tensor::default(),
            autoencoder_maps: AutoencoderMaps::default(),
            position_weights: weights.position_weights.clone(),
        }
    }

    /// The CPU they run on.
    pub(crate) fn cpu(&self) -> &Cpu {
        self.workspace.cpu()
    }

    /// Compares the networks on a photo, window by window.
    pub(crate) fn compare(&mut self, photo: &RgbImage) -> Result<PhotoMaps, Error> {
        let layout = self.layout_of(photo.dimensions())?;
        let masked = layout.masked(photo);
        let canvas = layout.canvas(&masked);
        let mut maps = PhotoMaps::new(Arc::clone(&layout));
        for window in layout.windows() {
            let input = layout.padded(layout.cut(&canvas, window), window);
            maps.add(window, &self.compare_input(&normalized(&input)));
        }
        Ok(maps)
    }

    fn layout_of(&mut self, size: (u32, u32)) -> Result<Arc<Layout>, Error> {
        match &self.layout {
            Some(layout) if layout.photo() == size => Ok(Arc::clone(layout)),
            _ => {
                let layout = Arc::new(self.framing.layout(size)?);
                self.layout = Some(Arc::clone(&layout));
                Ok(layout)
            }
        }
    }

    /// Compares the networks on a normalised image of their input size.
    pub(crate) fn compare_input(&mut self, input: &Tensor) -> DifferenceMaps {
        Arc::clone(self.workspace.cpu()).run(|| self.compare_on_pool(input))
    }

    fn compare_on_pool(&mut self, input: &Tensor) -> DifferenceMaps {
        let (workspace, hidden) = (&mut self.workspace, &mut self.hidden);
        self.teacher.forward(workspace, input.view(), hidden, &mut self.teacher_features);
        self.student.forward(workspace, input.view(), hidden, &mut self.student_features);
        let maps = &mut self.autoencoder_maps;
        self.autoencoder.forward(workspace, input.view(), self.framing.input(), maps);
        let mut differences = DifferenceMaps::compare(
            workspace.cpu(),
            self.framing.input().feature_size(),
            self.teacher_features.data(),
            self.student_features.data(),
            maps.features().data(),
        );
        if let Some(weights) = &self.position_weights {
            weights.apply(&mut differences.student_autoencoder);
        }
        differences
    }
}
