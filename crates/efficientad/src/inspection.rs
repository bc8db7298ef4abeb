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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// The three networks, ready to run: threads share their weights, and each inspection takes a
/// session of its own.
pub(crate) struct Networks {
    cpu: Arc<Cpu>,
    framing: Framing,
    teacher: Pdn,
    student: Pdn,
    autoencoder: Autoencoder,
    position_weights: Option<PositionWeights>,
    /// Sessions that are not in use.
    sessions: Mutex<Vec<Session>>,
    /// The layout of the last photo: the next one mostly has the same size.
    layout: Mutex<Option<Arc<Layout>>>,
}

/// Memory that is used again for every image.
struct Session {
    workspace: Workspace,
    /// Of the teacher, then of the student.
    hidden: HiddenMaps,
    teacher_features: Tensor,
    student_features: Tensor,
    autoencoder_maps: AutoencoderMaps,
}

impl Session {
    fn new(cpu: Arc<Cpu>) -> Self {
        Self {
            workspace: Workspace::new(cpu),
            hidden: HiddenMaps::default(),
            teacher_features: Tensor::default(),
            student_features: Tensor::default(),
            autoencoder_maps: AutoencoderMaps::default(),
        }
    }
}

impl Networks {
    /// Prepares the weights.
    pub(crate) fn new(cpu: Arc<Cpu>, weights: &NetworkWeights) -> Self {
        let teacher = weights.statistics.fold_into(&weights.teacher);
        Self {
            framing: weights.framing.clone(),
            teacher: Pdn::new(&cpu, weights.size, TEACHER_CHANNELS, &teacher),
            student: Pdn::new(&cpu, weights.size, STUDENT_CHANNELS, &weights.student),
            autoencoder: Autoencoder::new(&cpu, &weights.autoencoder),
            position_weights: weights.position_weights.clone(),
            sessions: Mutex::default(),
            layout: Mutex::default(),
            cpu,
        }
    }

    /// The CPU they run on.
    pub(crate) fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// Compares the networks on a photo, window by window.
    pub(crate) fn compare(&self, photo: &RgbImage) -> Result<PhotoMaps, Error> {
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

    fn layout_of(&self, size: (u32, u32)) -> Result<Arc<Layout>, Error> {
        let last = lock(&self.layout).clone();
        match last {
            Some(layout) if layout.photo() == size => Ok(layout),
            _ => {
                let layout = Arc::new(self.framing.layout(size)?);
                *lock(&self.layout) = Some(Arc::clone(&layout));
                Ok(layout)
            }
        }
    }

    /// Compares the networks on a normalised image of their input size.
    pub(crate) fn compare_input(&self, input: &Tensor) -> DifferenceMaps {
        let session = lock(&self.sessions).pop();
        let mut session = session.unwrap_or_else(|| Session::new(Arc::clone(&self.cpu)));
        let maps = self.cpu.run(|| self.compare_on_pool(&mut session, input));
        lock(&self.sessions).push(session);
        maps
    }

    fn compare_on_pool(&self, session: &mut Session, input: &Tensor) -> DifferenceMaps {
        let (workspace, hidden) = (&mut session.workspace, &mut session.hidden);
        self.teacher.forward(workspace, input.view(), hidden, &mut session.teacher_features);
        self.student.forward(workspace, input.view(), hidden, &mut session.student_features);
        let maps = &mut session.autoencoder_maps;
        self.autoencoder.forward(workspace, input.view(), self.framing.input(), maps);
        let mut differences = DifferenceMaps::compare(
            workspace.cpu(),
            self.framing.input().feature_size(),
            session.teacher_features.data(),
            session.student_features.data(),
            maps.features().data(),
        );
        if let Some(weights) = &self.position_weights {
            weights.apply(&mut differences.student_autoencoder);
        }
        differences
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
