//! Networks that look at photos: the weights, and what runs them.

use crate::anomaly_map::{AnomalyMap, PhotoMaps};
use crate::calibration::Quantiles;
use crate::channel_weights::ChannelWeights;
use crate::error::Error;
use crate::input::write_normalized;
use crate::position::PositionWeights;
use crate::teacher::TeacherStatistics;
use crate::view::{Framing, Layout};
use efficientad_engine::{
    DifferenceMaps, EngineId, InspectionEngine, Networks, PdnSize, PreparedNetworks, Share, Tensor,
    TensorView, Threads, Weights,
};
use efficientad_images::RgbImage;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Everything that the networks' outputs depend on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NetworkWeights {
    pub size: PdnSize,
    pub framing: Framing,
    pub teacher: Weights,
    pub statistics: TeacherStatistics,
    pub student: Weights,
    pub autoencoder: Weights,
    /// What the statistics and the student are weighed by.
    pub channel_weights: Option<ChannelWeights>,
    pub position_weights: Option<PositionWeights>,
}

impl NetworkWeights {
    /// As an engine takes them.
    pub(crate) fn networks(&self) -> Networks {
        Networks {
            size: self.size,
            input: self.framing.input(),
            teacher: self.statistics.fold_into(&self.teacher),
            student: self.student.clone(),
            autoencoder: self.autoencoder.clone(),
        }
    }

    /// Lets each channel count as `weights` say.
    pub(crate) fn weigh_channels(&mut self, weights: ChannelWeights) {
        weights.weigh(&mut self.statistics, &mut self.student);
        self.channel_weights = Some(weights);
    }

    /// Networks to learn further: all channels count alike, and all places.
    pub(crate) fn unweighed(mut self) -> Self {
        if let Some(weights) = self.channel_weights.take() {
            weights.unweigh(&mut self.statistics, &mut self.student);
        }
        self.position_weights = None;
        self
    }
}

/// Networks ready to look at photos, from any number of threads.
pub(crate) struct Inspector {
    engine: Arc<dyn InspectionEngine>,
    networks: Box<dyn PreparedNetworks>,
    framing: Framing,
    position_weights: Option<PositionWeights>,
    /// The layout of the last photo: the next one mostly has the same size.
    layout: Mutex<Option<Arc<Layout>>>,
    /// Photos that are being looked at now.
    in_progress: AtomicUsize,
}

impl Inspector {
    /// Has the engine prepare the weights.
    pub(crate) fn new(
        engine: Arc<dyn InspectionEngine>,
        weights: &NetworkWeights,
    ) -> Result<Self, Error> {
        Ok(Self {
            networks: engine.prepare(&weights.networks())?,
            engine,
            framing: weights.framing.clone(),
            position_weights: weights.position_weights.clone(),
            layout: Mutex::default(),
            in_progress: AtomicUsize::new(0),
        })
    }

    /// The arithmetic of all that it says.
    pub(crate) fn engine_id(&self) -> EngineId {
        self.engine.id()
    }

    /// Threads of the engine.
    pub(crate) fn threads(&self) -> usize {
        self.engine.threads().count()
    }

    /// The share of the engine for one more call, which lasts as long as the value returned: a call
    /// among as many as there are threads leaves the others alone.
    pub(crate) fn begin(&self) -> InProgress<'_> {
        let calls = 1 + self.in_progress.fetch_add(1, Ordering::Relaxed);
        let share = if calls < self.threads().max(2) { Share::Whole } else { Share::OneThread };
        InProgress { inspector: self, share }
    }

    /// Compares the networks on a photo, window by window.
    pub(crate) fn compare(&self, photo: &RgbImage, share: Share) -> Result<PhotoMaps, Error> {
        let layout = self.layout_of(photo.dimensions())?;
        let canvas = layout.canvas_of(photo);
        let mut maps = PhotoMaps::new(Arc::clone(&layout), self.framing.smooths_autoencoder());
        for windows in layout.windows().chunks(self.engine.batch().max(1)) {
            let mut images = Tensor::zeros(self.framing.input().shape(windows.len()));
            for (place, &window) in windows.iter().enumerate() {
                let input = layout.input(&canvas, window);
                write_normalized(&input, images.images_mut(place..place + 1).data);
            }
            let differences = self.compare_images(images.view(), share)?;
            for (&window, differences) in windows.iter().zip(&differences) {
                maps.add(window, differences);
            }
        }
        Ok(maps)
    }

    /// The layout of photos of a size in pixels (width, height).
    fn layout_of(&self, size: (u32, u32)) -> Result<Arc<Layout>, Error> {
        let mut last = self.layout.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(layout) if layout.photo() == size => Ok(Arc::clone(layout)),
            _ => Ok(Arc::clone(last.insert(Arc::new(self.framing.layout(size)?)))),
        }
    }

    /// Compares the networks on normalised images of their input size.
    pub(crate) fn compare_images(
        &self,
        images: TensorView<'_>,
        share: Share,
    ) -> Result<Vec<DifferenceMaps>, Error> {
        let mut maps = self.networks.compare(images, share)?;
        if let Some(weights) = &self.position_weights {
            maps.iter_mut().for_each(|maps| weights.apply(&mut maps.student_autoencoder));
        }
        Ok(maps)
    }

    /// The maps of a photo combined, and resized to it.
    pub(crate) fn anomaly_map(
        &self,
        maps: &PhotoMaps,
        quantiles: &Quantiles,
        share: Share,
    ) -> AnomalyMap {
        match share {
            Share::Whole => maps.anomaly_map(self.engine.threads(), quantiles),
            Share::OneThread => maps.anomaly_map(&Threads::calling(), quantiles),
        }
    }

    /// Runs `task` for every part of `results`, on all threads of the engine.
    pub(crate) fn for_each<T: Send>(
        &self,
        results: &mut [T],
        task: impl Fn(usize, &mut T) + Sync + Send,
    ) {
        self.engine
            .threads()
            .for_each_chunk(results, 1, |index, result| task(index, &mut result[0]));
    }
}

/// A call that is in progress.
pub(crate) struct InProgress<'a> {
    inspector: &'a Inspector,
    /// What it may take of the engine.
    pub share: Share,
}

impl Drop for InProgress<'_> {
    fn drop(&mut self) {
        self.inspector.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}
