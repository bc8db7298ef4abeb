//! The three networks together, as inspection runs them.

use crate::autoencoder::{Autoencoder, AutoencoderMaps};
use crate::pdn::{HiddenMaps, Pdn};
use efficientad_engine::{
    DifferenceMaps, EngineError, InputSize, Networks, PdnSize, PreparedNetworks, PreparedTeacher,
    STUDENT_CHANNELS, Share, TEACHER_CHANNELS, Tensor, TensorView, Weights,
};
use efficientad_kernels::{Cpu, Workspace};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The three networks, their weights packed once: each call takes a session of its own.
pub(crate) struct CpuNetworks {
    cpu: Arc<Cpu>,
    /// The same CPU without its pool of threads.
    calling_thread: Arc<Cpu>,
    input: InputSize,
    teacher: Pdn,
    student: Pdn,
    autoencoder: Autoencoder,
    /// Sessions that are not in use: as many as calls were ever in progress at once.
    sessions: Mutex<Vec<Session>>,
}

/// Memory that is used again by every call.
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

impl CpuNetworks {
    pub(crate) fn new(cpu: &Arc<Cpu>, networks: &Networks) -> Self {
        Self {
            teacher: Pdn::new(cpu, networks.size, TEACHER_CHANNELS, &networks.teacher),
            student: Pdn::new(cpu, networks.size, STUDENT_CHANNELS, &networks.student),
            autoencoder: Autoencoder::new(cpu, &networks.autoencoder),
            input: networks.input,
            calling_thread: Arc::new(cpu.on_calling_thread()),
            sessions: Mutex::default(),
            cpu: Arc::clone(cpu),
        }
    }

    fn run(&self, session: &mut Session, images: TensorView<'_>) -> Vec<DifferenceMaps> {
        let (workspace, hidden) = (&mut session.workspace, &mut session.hidden);
        self.teacher.forward(workspace, images, hidden, &mut session.teacher_features);
        self.student.forward(workspace, images, hidden, &mut session.student_features);
        let image_len = images.shape.image_len();
        let of_image = |image: usize| {
            let shape = self.input.shape(1);
            let view = TensorView { shape, data: &images.data[image * image_len..][..image_len] };
            let maps = &mut session.autoencoder_maps;
            self.autoencoder.forward(workspace, view, self.input, maps);
            compare_features(
                workspace.cpu(),
                self.input.feature_size(),
                session.teacher_features.images(image..image + 1).data,
                session.student_features.images(image..image + 1).data,
                maps.features().data(),
            )
        };
        (0..images.shape.images).map(of_image).collect()
    }
}

impl PreparedNetworks for CpuNetworks {
    fn compare(
        &self,
        images: TensorView<'_>,
        share: Share,
    ) -> Result<Vec<DifferenceMaps>, EngineError> {
        assert_eq!(images.shape, self.input.shape(images.shape.images), "images of another size");
        let cpu = match share {
            Share::Whole => &self.cpu,
            Share::OneThread => &self.calling_thread,
        };
        let session = lock(&self.sessions).pop();
        let mut session = session.unwrap_or_else(|| Session::new(Arc::clone(cpu)));
        session.workspace.set_cpu(cpu);
        let maps = cpu.run(|| self.run(&mut session, images));
        lock(&self.sessions).push(session);
        Ok(maps)
    }
}

/// Compares the features of one image: teacher and autoencoder have 384 channels a location, the
/// student twice as many.
pub(crate) fn compare_features(
    cpu: &Cpu,
    (height, width): (usize, usize),
    teacher: &[f32],
    student: &[f32],
    autoencoder: &[f32],
) -> DifferenceMaps {
    let against = |features: &[f32], half: usize| {
        let mut map = vec![0.0; height * width];
        cpu.for_each_chunk(&mut map, width, |row, map| {
            for (x, value) in map.iter_mut().enumerate() {
                let location = row * width + x;
                let features = &features[location * TEACHER_CHANNELS..][..TEACHER_CHANNELS];
                let student =
                    &student[(2 * location + half) * TEACHER_CHANNELS..][..TEACHER_CHANNELS];
                *value = mean_square_difference(features, student);
            }
        });
        map
    };
    DifferenceMaps {
        height,
        width,
        student_teacher: against(teacher, 0),
        student_autoencoder: against(autoencoder, 1),
    }
}

/// Mean of (a − b)² over channels, summed in lanes so that it vectorises.
fn mean_square_difference(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0_f32; LANES];
    for (a, b) in a.chunks_exact(LANES).zip(b.chunks_exact(LANES)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += (a - b) * (a - b);
        }
    }
    sums.iter().sum::<f32>() / a.len() as f32
}

/// A teacher alone.
pub(crate) struct CpuTeacher {
    cpu: Arc<Cpu>,
    pdn: Pdn,
    /// Memory of calls that have ended.
    idle: Mutex<Vec<(Workspace, HiddenMaps)>>,
}

impl CpuTeacher {
    pub(crate) fn new(cpu: &Arc<Cpu>, size: PdnSize, weights: &Weights) -> Self {
        let pdn = Pdn::new(cpu, size, TEACHER_CHANNELS, weights);
        Self { cpu: Arc::clone(cpu), pdn, idle: Mutex::default() }
    }
}

impl PreparedTeacher for CpuTeacher {
    fn describe(&self, images: TensorView<'_>) -> Result<Tensor, EngineError> {
        let idle = lock(&self.idle).pop();
        let new = || (Workspace::new(Arc::clone(&self.cpu)), HiddenMaps::default());
        let (mut workspace, mut hidden) = idle.unwrap_or_else(new);
        let mut features = Tensor::default();
        self.cpu.run(|| self.pdn.forward(&mut workspace, images, &mut hidden, &mut features));
        lock(&self.idle).push((workspace, hidden));
        Ok(features)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
