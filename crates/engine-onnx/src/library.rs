//! ONNX Runtime's library: where it is, and loading it, once.

use crate::error::OnnxRuntimeError;
use crate::provider::Provider;
use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;
use std::env::{self, consts};
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::{Event, Metadata, Subscriber};

/// Environment variables that name the library.
const VARIABLES: [&str; 2] = ["EFFICIENTAD_ONNXRUNTIME", "ORT_DYLIB_PATH"];

/// The library, loaded until the program ends.
pub(crate) struct Runtime {
    /// Its file, or its name if the system found it.
    pub library: PathBuf,
    /// Its version, as it says.
    pub version: String,
    pub environment: Environment,
}

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
/// Held while the library is being loaded.
static LOADING: Mutex<()> = Mutex::new(());

impl Runtime {
    /// The library named, or else found; loaded by the first call.
    pub(crate) fn load(
        named: Option<&Path>,
        provider: Provider,
    ) -> Result<&'static Self, OnnxRuntimeError> {
        let wanted = wanted(named, provider)?;
        let _loading = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        let runtime = match RUNTIME.get() {
            Some(runtime) => runtime,
            None => {
                let runtime = wanted.load(provider)?;
                RUNTIME.get_or_init(|| runtime)
            }
        };
        match wanted {
            Wanted::File(file) if file != runtime.library => {
                let loaded = runtime.library.clone();
                Err(OnnxRuntimeError::OtherLibrary { wanted: file, loaded })
            }
            _ => Ok(runtime),
        }
    }
}

/// Where the library is to come from.
enum Wanted {
    /// This file, all links resolved.
    File(PathBuf),
    /// Wherever the system finds it.
    System,
}

fn wanted(named: Option<&Path>, provider: Provider) -> Result<Wanted, OnnxRuntimeError> {
    let from_environment =
        || VARIABLES.iter().filter_map(env::var_os).find(|path| !path.is_empty());
    let named = named.map(Path::to_owned).or_else(|| from_environment().map(PathBuf::from));
    if let Some(path) = named {
        return match file(&path) {
            Some(file) => Ok(Wanted::File(file)),
            None => Err(OnnxRuntimeError::NoSuchFile { path, provider }),
        };
    }
    let program = env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent).and_then(in_folder);
    Ok(beside.map_or(Wanted::System, Wanted::File))
}

/// The file that is named, or lies in the folder that is.
fn file(path: &Path) -> Option<PathBuf> {
    if path.is_dir() { in_folder(path) } else { real_file(path) }
}

/// The library in a folder; of several the one whose name comes last, as versions do.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    let names = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.file_name()));
    let name = names.filter(|name| is_library(name)).max()?;
    real_file(&folder.join(name))
}

/// A file, all links resolved. Loading what is none, such as a pipe, may wait for ever.
fn real_file(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|path| path.is_file())
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib`,
/// `onnxruntime.dll`; not the providers' libraries.
fn is_library(name: &OsStr) -> bool {
    let stem = format!("{}onnxruntime.", consts::DLL_PREFIX);
    let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(&stem)) else { return false };
    let is_version = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = rest.split('.');
    parts.any(|part| part == consts::DLL_EXTENSION)
        && rest.split('.').all(|part| part == consts::DLL_EXTENSION || is_version(part))
}

impl Wanted {
    fn load(&self, provider: Provider) -> Result<Runtime, OnnxRuntimeError> {
        match self {
            Self::File(file) => load(file).map_err(|error| not_loaded(error, file, provider)),
            Self::System => {
                let name = format!("{}onnxruntime{}", consts::DLL_PREFIX, consts::DLL_SUFFIX);
                // The second is the name in packages of Linux distributions.
                let mut names = vec![name.clone()];
                if cfg!(target_os = "linux") {
                    names.push(format!("{name}.1"));
                }
                let mut error = OnnxRuntimeError::NotFound { provider };
                for name in names.iter().map(Path::new) {
                    match load(name) {
                        Ok(runtime) => return Ok(runtime),
                        Err(LoadError::Library(LoadDynamicError::Dlopen { .. })) => {}
                        Err(other) => error = not_loaded(other, name, provider),
                    }
                }
                Err(error)
            }
        }
    }
}

enum LoadError {
    Library(LoadDynamicError),
    Environment(ort::Error),
}

fn load(library: &Path) -> Result<Runtime, LoadError> {
    let log = LoadingLog::default();
    let loaded = tracing::subscriber::with_default(log.clone(), || ort::init_from(library));
    let builder = loaded.map_err(LoadError::Library)?.with_telemetry(false);
    let environment = builder.with_name("efficientad").build().map_err(LoadError::Environment)?;
    environment.set_log_level(LogLevel::Error);
    Ok(Runtime { library: library.to_owned(), version: log.version(), environment })
}

fn not_loaded(error: LoadError, path: &Path, provider: Provider) -> OnnxRuntimeError {
    let path = path.to_owned();
    match error {
        LoadError::Library(LoadDynamicError::BadVersion { version_str: version, .. }) => {
            OnnxRuntimeError::TooOld { path, version, provider }
        }
        LoadError::Library(LoadDynamicError::Dlopen { error, .. }) => {
            OnnxRuntimeError::NotLoaded { path, reason: error.to_string(), provider }
        }
        LoadError::Library(error) => {
            OnnxRuntimeError::NotLoaded { path, reason: error.to_string(), provider }
        }
        LoadError::Environment(error) => {
            OnnxRuntimeError::NotLoaded { path, reason: error.to_string(), provider }
        }
    }
}

/// What is logged while the library is loaded: the only place where its own version is told, as
/// `version '1.32.0'`.
#[derive(Clone, Default)]
struct LoadingLog(Arc<Mutex<String>>);

impl LoadingLog {
    fn version(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let version = text.split("version '").nth(1).and_then(|rest| rest.split('\'').next());
        version.unwrap_or("of an unknown version").to_owned()
    }
}

impl Subscriber for LoadingLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().starts_with("ort")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        event.record(&mut Message(&mut text));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Appends an event's message.
struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            *self.0 += &format!("{value:?}\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_library_is_known_by_its_name() {
        for name in ["libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.1.32.0"] {
            assert!(is_library(OsStr::new(name)), "{name}");
        }
        for name in
            ["libonnxruntime_providers_cuda.so", "libonnxruntime.so.txt", "libonnxruntime.a"]
        {
            assert!(!is_library(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_stands_for_the_library_in_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(file(folder.path()).is_none());
        let library = folder.path().join("libonnxruntime.so.1.32.0");
        fs::write(&library, "").unwrap();
        fs::write(folder.path().join("libonnxruntime_providers_shared.so"), "").unwrap();
        let library = fs::canonicalize(library).unwrap();
        assert_eq!(file(folder.path()), Some(library.clone()));
        assert_eq!(file(&library), Some(library.clone()));
        assert!(file(&folder.path().join("none")).is_none());
    }
}
