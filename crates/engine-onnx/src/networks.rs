//! Graphs ready to run.

use crate::cache;
use crate::error::OnnxRuntimeError;
use crate::layout::{channels_first, channels_last};
use crate::library::Runtime;
use crate::provider::{Provider, Settings};
use efficientad_engine::{
    DifferenceMaps, EngineError, EngineId, InputSize, Networks, PdnSize, Precision,
    PreparedNetworks, PreparedTeacher, Shape, Share, TEACHER_CHANNELS, Tensor, TensorView, Weights,
};
use efficientad_onnx::{
    FEATURES, IMAGE, IMAGES, STUDENT_AUTOENCODER, STUDENT_TEACHER, networks_to_bytes,
    teacher_to_bytes,
};
use ort::session::builder::SessionBuilder;
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What makes sessions of graphs, all alike.
pub(crate) struct Graphs {
    pub runtime: &'static Runtime,
    pub provider: Provider,
    pub device: Option<u16>,
    pub precision: Precision,
    pub threads: usize,
    /// Folder for what TensorRT builds.
    pub cache: Option<PathBuf>,
}

impl Graphs {
    pub(crate) fn id(&self) -> EngineId {
        EngineId {
            name: self.name(),
            device: self.provider.device_name(self.device),
            precision: self.precision,
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("onnxruntime {}", self.runtime.version)
    }

    /// Has the provider load what it needs.
    pub(crate) fn check(&self) -> Result<(), OnnxRuntimeError> {
        let cache = self.cache.as_deref();
        self.builder(cache).map(|_| ()).map_err(|error| OnnxRuntimeError::Provider {
            provider: self.provider,
            reason: one_line(&error),
        })
    }

    fn builder(&self, cache: Option<&Path>) -> ort::Result<SessionBuilder> {
        let Self { runtime, provider, device, precision, threads, .. } = *self;
        let mut builder = Session::builder(&runtime.environment)?
            .with_deterministic_compute(true)?
            // One image a run: providers choose their kernels for that.
            .with_dimension_override(IMAGES, 1)?
            .with_inter_threads(1)?
            .with_intra_threads(if provider.takes_threads() { threads } else { 1 })?
            // Between images the cores are for what the program itself does.
            .with_intra_op_spinning(false)?;
        let settings = Settings { device, precision, threads, cache };
        if let Some(dispatch) = provider.dispatch(&settings) {
            builder = builder.with_execution_providers([dispatch])?.with_disable_cpu_fallback()?;
        }
        Ok(builder)
    }

    pub(crate) fn session(&self, graph: &[u8]) -> Result<Session, EngineError> {
        let cache = self.cache.as_deref().map(|folder| cache::of_graph(folder, graph));
        if let Some(folder) = &cache {
            std::fs::create_dir_all(folder).map_err(|error| {
                EngineError::new(self.name(), format!("{}: {error}", folder.display()))
            })?;
        }
        let session = self.builder(cache.as_deref());
        session.and_then(|mut builder| builder.commit_from_memory(graph)).map_err(|error| {
            let (provider, needs) = (self.provider, self.provider.needs());
            self.error(&format!("{provider} cannot run these networks ({needs})"), error)
        })
    }

    pub(crate) fn error(&self, reason: &str, error: ort::Error) -> EngineError {
        EngineError {
            engine: self.name(),
            reason: format!("{reason}: {}", one_line(&error)),
            source: Some(Box::new(error)),
        }
    }

    /// Runs a session on one image, channels innermost.
    fn run<T>(
        &self,
        session: &mut Session,
        image: TensorView<'_>,
        take: impl FnOnce(&SessionOutputs<'_>) -> ort::Result<T>,
    ) -> Result<T, EngineError> {
        let shape = image.shape;
        let planes = channels_first(image.data, shape.channels);
        let lengths = [1, shape.channels, shape.height, shape.width];
        let outputs = TensorRef::from_array_view((lengths, planes.as_slice()))
            .and_then(|image| session.run(ort::inputs![IMAGE => image]));
        outputs
            .and_then(|outputs| take(&outputs))
            .map_err(|error| self.error("an image could not be run", error))
    }
}

/// An output's shape and numbers.
pub(crate) fn output<'a>(
    outputs: &'a SessionOutputs<'_>,
    name: &str,
) -> ort::Result<(&'a [i64], &'a [f32])> {
    let missing = || ort::Error::new(format!("the graph gave no {name}"));
    let (shape, numbers) = outputs.get(name).ok_or_else(missing)?.try_extract_tensor::<f32>()?;
    Ok((shape, numbers))
}

fn one_line(error: &ort::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The views of single images.
fn each_image(images: TensorView<'_>) -> impl Iterator<Item = TensorView<'_>> {
    let mut shape = images.shape;
    shape.images = 1;
    images.data.chunks_exact(shape.len().max(1)).map(move |data| TensorView { shape, data })
}

/// The three networks in one session, which calls take turns with.
pub(crate) struct OnnxNetworks {
    graphs: Arc<Graphs>,
    input: InputSize,
    session: Mutex<Session>,
}

impl OnnxNetworks {
    pub(crate) fn new(graphs: &Arc<Graphs>, networks: &Networks) -> Result<Self, EngineError> {
        Ok(Self {
            graphs: Arc::clone(graphs),
            input: networks.input,
            session: Mutex::new(graphs.session(&networks_to_bytes(networks))?),
        })
    }
}

impl PreparedNetworks for OnnxNetworks {
    fn compare(
        &self,
        images: TensorView<'_>,
        _: Share,
    ) -> Result<Vec<DifferenceMaps>, EngineError> {
        assert_eq!(images.shape, self.input.shape(images.shape.images), "images of another size");
        let (height, width) = self.input.feature_size();
        let of_image = |image| {
            self.graphs.run(&mut lock(&self.session), image, |outputs| {
                Ok(DifferenceMaps {
                    height,
                    width,
                    student_teacher: output(outputs, STUDENT_TEACHER)?.1.to_vec(),
                    student_autoencoder: output(outputs, STUDENT_AUTOENCODER)?.1.to_vec(),
                })
            })
        };
        each_image(images).map(of_image).collect()
    }
}

/// A teacher, and a session for the height and width of the last images.
pub(crate) struct OnnxTeacher {
    graphs: Arc<Graphs>,
    size: PdnSize,
    weights: Weights,
    session: Mutex<Option<((usize, usize), Session)>>,
}

impl OnnxTeacher {
    pub(crate) fn new(graphs: &Arc<Graphs>, size: PdnSize, weights: &Weights) -> Self {
        Self {
            graphs: Arc::clone(graphs),
            size,
            weights: weights.clone(),
            session: Mutex::new(None),
        }
    }
}

impl PreparedTeacher for OnnxTeacher {
    fn describe(&self, images: TensorView<'_>) -> Result<Tensor, EngineError> {
        let size = (images.shape.height, images.shape.width);
        let mut last = lock(&self.session);
        let session = match last.take() {
            Some((of, session)) if of == size => session,
            _ => self.graphs.session(&teacher_to_bytes(self.size, &self.weights, size))?,
        };
        let (_, session) = last.insert((size, session));
        let mut features = Tensor::default();
        for (place, image) in each_image(images).enumerate() {
            self.graphs.run(session, image, |outputs| {
                let (lengths, planes) = output(outputs, FEATURES)?;
                if place == 0 {
                    features = Tensor::zeros(shape(images.shape.images, lengths)?);
                }
                let of_image = channels_last(planes, TEACHER_CHANNELS);
                features.images_mut(place..place + 1).data.copy_from_slice(&of_image);
                Ok(())
            })?;
        }
        Ok(features)
    }
}

/// The shape of an output N×384×h×w of one image, for several.
fn shape(images: usize, lengths: &[i64]) -> ort::Result<Shape> {
    match lengths.iter().map(|&length| usize::try_from(length)).collect::<Vec<_>>()[..] {
        [Ok(1), Ok(channels), Ok(height), Ok(width)] => {
            Ok(Shape { images, height, width, channels })
        }
        _ => Err(ort::Error::new(format!("the graph gave features of shape {lengths:?}"))),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
