//! The classification network that targets come from, and what runs it.

use std::io::Read;
use std::path::{Path, PathBuf};

use efficientad_files::open_regular;
use sha2::{Digest, Sha256};

use crate::error::PretrainingError;
use crate::patches::{COARSE_SIDE, FINE_SIDE};

/// Bytes of the largest file that is read, 1 GiB.
pub const MAX_BACKBONE_BYTES: u64 = 1 << 30;
/// Rows and columns that the backbone sees.
pub const BACKBONE_SIDE: u32 = 512;
/// Rows and columns that the two layers must have.
pub const LAYER_SIDES: [usize; 2] = [FINE_SIDE, COARSE_SIDE];

/// What can run networks.
pub trait BackboneRuntime: Send + Sync {
    /// What its numbers depend on besides the network: another name is another cache.
    fn name(&self) -> String;

    /// Loads the network of a file that contains `bytes`, whose tensors of the names `layers` are
    /// 1×C×64×64 and 1×C×32×32. The file is not trusted: whatever is in it, it takes no unbounded
    /// memory or time, and does not end the program.
    ///
    /// # Errors
    /// When it is no network that can be run, or lacks the layers; all name the file, `path`.
    fn load(
        &self,
        path: &Path,
        bytes: Vec<u8>,
        layers: &[String; 2],
    ) -> Result<Box<dyn LoadedBackbone>, PretrainingError>;
}

/// A network that is run from its input, 1×3×512×512, to two of its tensors.
pub trait LoadedBackbone: Send + Sync {
    /// Channels of the two layers.
    fn channels(&self) -> [usize; 2];

    /// Runs it on 3 × 512 × 512 numbers, for each of several threads that may ask at once.
    ///
    /// # Errors
    /// When it can't be run on them.
    fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError>;
}

/// The two layers' maps, channels × rows × columns.
pub struct LayerMaps {
    /// Of stride 8.
    pub fine: Vec<f32>,
    /// Of stride 16.
    pub coarse: Vec<f32>,
}

/// A network from a file.
pub struct Backbone {
    path: PathBuf,
    sha256: String,
    runtime: String,
    loaded: Box<dyn LoadedBackbone>,
}

impl Backbone {
    /// Reads a file, and has `runtime` load the network in it.
    ///
    /// # Errors
    /// When the file can't be read, is no network that can be run, or lacks the layers.
    pub fn open(
        runtime: &dyn BackboneRuntime,
        path: &Path,
        layers: &[String; 2],
    ) -> Result<Self, PretrainingError> {
        let bytes = read(path)?;
        let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let loaded = runtime.load(path, bytes, layers)?;
        Ok(Self { path: path.to_owned(), sha256, runtime: runtime.name(), loaded })
    }

    /// Name of its file.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// SHA-256 of its file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What runs it.
    pub fn runtime(&self) -> &str {
        &self.runtime
    }

    /// Channels of the two layers.
    pub fn channels(&self) -> [usize; 2] {
        self.loaded.channels()
    }

    /// Runs it on 3 × 512 × 512 numbers.
    ///
    /// # Errors
    /// When it can't be run on them.
    pub fn run(&self, planes: &[f32]) -> Result<LayerMaps, PretrainingError> {
        self.loaded.run(planes)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PretrainingError> {
    let read_error = |source| PretrainingError::ReadBackbone { path: path.to_owned(), source };
    let mut file = open_regular(path).map_err(read_error)?;
    let bytes = file.metadata().map_err(read_error)?.len();
    if bytes > MAX_BACKBONE_BYTES {
        let path = path.to_owned();
        return Err(PretrainingError::BackboneSize { path, bytes, limit: MAX_BACKBONE_BYTES });
    }
    let mut content = Vec::with_capacity(bytes as usize);
    (&mut file).take(MAX_BACKBONE_BYTES).read_to_end(&mut content).map_err(read_error)?;
    Ok(content)
}
