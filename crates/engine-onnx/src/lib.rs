//! EfficientAD's networks on ONNX Runtime: inspection on whatever it has an execution provider for.
//!
//! [`OnnxRuntimeEngine`] is the whole of it. ONNX Runtime is a library of its own, which is loaded
//! when the first engine is made and never linked: a program with this crate starts without it.
//! Which library, with which providers, is the user's choice ([`Options`]). What can't be had is an
//! error that says what to install, and never replaced by something else: neither a missing
//! provider nor an operation that a provider lacks.
//!
//! Images run one by one, so that the maps of one don't depend on others. Calls from several threads
//! take turns, each with all threads of the runtime: it keeps the weights and one image's
//! features in memory once, however many threads call.
#![forbid(unsafe_code)]

mod cache;
mod error;
mod graph;
mod layout;
mod library;
mod networks;
mod provider;

pub use error::OnnxRuntimeError;
pub use graph::{GraphOutput, PreparedGraph};
pub use provider::Provider;

use efficientad_engine::{
    EngineError, EngineId, InspectionEngine, Networks, PdnSize, Precision, PreparedNetworks,
    PreparedTeacher, Threads, Weights,
};
use library::Runtime;
use networks::{Graphs, OnnxNetworks, OnnxTeacher};
use std::path::PathBuf;
use std::sync::Arc;

/// Oldest version of ONNX Runtime that works.
pub const OLDEST_VERSION: &str = "1.24";

/// What is to compute, and where its library is.
#[derive(Clone, Debug)]
pub struct Options {
    /// ONNX Runtime's library, or the folder that it lies in. Without it the environment variables
    /// `EFFICIENTAD_ONNXRUNTIME` and `ORT_DYLIB_PATH` are asked, then the folder of the program,
    /// then the system.
    pub library: Option<PathBuf>,
    /// What of the library computes.
    pub provider: Provider,
    /// Which one, where the provider knows several: 0 if not given.
    pub device: Option<u16>,
    /// Numbers to compute in: those of [`Provider::precisions`] that come first if not given.
    pub precision: Option<Precision>,
    /// Threads for the work around the networks, and of providers that compute on the CPU.
    pub threads: usize,
    /// Folder for what TensorRT builds of networks, which takes minutes. If not given:
    /// `$XDG_CACHE_HOME/efficientad/tensorrt`, or `.cache/efficientad/tensorrt` in the home folder;
    /// on Windows `%LOCALAPPDATA%\efficientad\tensorrt`; on macOS
    /// `Library/Caches/efficientad/tensorrt` in the home folder.
    pub cache: Option<PathBuf>,
}

/// ONNX Runtime with one of its execution providers. Clones share all.
///
/// A program can load one library of ONNX Runtime; its engines may differ in all else.
#[derive(Clone)]
pub struct OnnxRuntimeEngine {
    graphs: Arc<Graphs>,
    threads: Arc<Threads>,
}

impl OnnxRuntimeEngine {
    /// Loads the library, unless it is loaded already, and asks it for the provider.
    ///
    /// # Errors
    /// When the library is missing or too old, or lacks the provider; when the provider has no such
    /// device or precision; when threads can't be started.
    pub fn new(options: &Options) -> Result<Self, OnnxRuntimeError> {
        let Options { provider, device, threads, .. } = *options;
        let precision = provider.precision(options.precision)?;
        let device = provider.device(device)?;
        let runtime = Runtime::load(options.library.as_deref(), provider)?;
        provider.check_available(runtime)?;
        let cache = match provider {
            Provider::TensorRt => Some(cache::folder(options.cache.as_deref())?),
            _ => None,
        };
        let threads = threads.max(1);
        let graphs = Graphs { runtime, provider, device, precision, threads, cache };
        graphs.check()?;
        Ok(Self { graphs: Arc::new(graphs), threads: Arc::new(Threads::new(threads)?) })
    }

    /// The library in use: its file, or its name where the system found it.
    pub fn library(&self) -> &std::path::Path {
        &self.graphs.runtime.library
    }

    /// Prepares a graph of one input, an ONNX file without external data. The library trusts it: only
    /// what is known to take bounded memory and time should come here.
    ///
    /// # Errors
    /// When the provider can't run it.
    pub fn prepare_graph(&self, graph: &[u8]) -> Result<PreparedGraph, EngineError> {
        PreparedGraph::new(&self.graphs, graph)
    }
}

impl InspectionEngine for OnnxRuntimeEngine {
    fn id(&self) -> EngineId {
        self.graphs.id()
    }

    fn threads(&self) -> &Threads {
        &self.threads
    }

    fn prepare(&self, networks: &Networks) -> Result<Box<dyn PreparedNetworks>, EngineError> {
        Ok(Box::new(OnnxNetworks::new(&self.graphs, networks)?))
    }

    fn prepare_teacher(
        &self,
        size: PdnSize,
        weights: &Weights,
    ) -> Result<Box<dyn PreparedTeacher>, EngineError> {
        Ok(Box::new(OnnxTeacher::new(&self.graphs, size, weights)))
    }
}
