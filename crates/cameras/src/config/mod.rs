//! What a camera can be told, and what of that can't be right.
//!
//! Every kind has its fields in every build, so that a configuration can be read, compared and
//! described by any; a kind that is not built in is refused by [`CameraConfig::check`].

mod folder;
mod genicam;
mod gstreamer;
pub(crate) mod http;
mod v4l2;

use std::path::Path;
use std::time::Duration;

use efficientad_stream::{HotFolder, HotFolderOptions, Source, Trigger};
use serde::{Deserialize, Serialize};

pub use self::folder::FolderConfig;
pub use self::genicam::{FeatureValue, Features, GenicamConfig, Region};
pub use self::gstreamer::{GstreamerConfig, GstreamerFormat};
pub use self::http::{Authentication, HttpConfig, MjpegConfig};
pub use self::v4l2::{V4l2Config, V4l2Format};
use crate::error::CameraError;
use crate::pace::Pace;
use crate::reader::ReaderOptions;
use crate::source::CameraSource;

/// A camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum CameraConfig {
    /// Photos that arrive in a folder.
    Folder(FolderConfig),
    /// A photo by HTTP for each shot or in each interval.
    Http(HttpConfig),
    /// A stream of photos by HTTP, as IP cameras send it (multipart/x-mixed-replace).
    Mjpeg(MjpegConfig),
    /// A camera of the Linux kernel.
    V4l2(V4l2Config),
    /// A GigE Vision or USB3 Vision camera.
    Genicam(GenicamConfig),
    /// Whatever GStreamer reads.
    Gstreamer(GstreamerConfig),
}

impl CameraConfig {
    /// Takes relative paths as from a folder.
    pub fn resolve(&mut self, folder: &Path) {
        match self {
            Self::Folder(config) => config.resolve(folder),
            Self::Http(config) => config.resolve(folder),
            Self::Mjpeg(config) => config.resolve(folder),
            Self::Gstreamer(config) => config.resolve(folder),
            Self::V4l2(_) | Self::Genicam(_) => {}
        }
    }

    /// Everything that can be known without the camera.
    ///
    /// # Errors
    /// A kind that is not built in, a field that can't have its value, a file that can't be read.
    pub fn check(&self) -> Result<(), CameraError> {
        match self {
            Self::Folder(config) => config.check(),
            Self::Http(config) => config.check(),
            Self::Mjpeg(config) => config.check(),
            Self::V4l2(config) => config.check(),
            Self::Genicam(config) => config.check(),
            Self::Gstreamer(config) => config.check(),
        }
    }

    /// Whether it takes a photo for each shot of a [`Trigger`].
    pub fn is_triggered(&self) -> bool {
        let common = match self {
            Self::Folder(_) => return false,
            Self::Http(config) => config.common(),
            Self::Mjpeg(config) => config.common(),
            Self::V4l2(config) => config.common(),
            Self::Genicam(config) => config.common(),
            Self::Gstreamer(config) => config.common(),
        };
        common.trigger == TriggerKind::Software
    }

    /// Starts the camera and returns at once: what becomes of it the source tells. With
    /// `trigger = "software"` it takes a photo for each shot of the `trigger`, otherwise that is
    /// ignored.
    ///
    /// `name` is what the configuration calls the camera; the names of its photos begin with it.
    ///
    /// # Errors
    /// As [`Self::check`], or the camera's thread can't be started.
    pub fn open(
        &self,
        name: &str,
        trigger: Trigger,
    ) -> Result<Box<dyn Source + Send>, CameraError> {
        self.check()?;
        let options = |common: Common| common.options(name, trigger);
        match self {
            Self::Folder(config) => Ok(Box::new(HotFolder::new(HotFolderOptions {
                folder: config.path.clone(),
                left_out: config.left_out.clone(),
                settle: Duration::from_millis(config.settle_ms.into()),
                once: false,
            }))),
            Self::Http(config) => {
                let camera = crate::http::Snapshots::new(config)?;
                Ok(Box::new(CameraSource::start(camera, options(config.common()))?))
            }
            Self::Mjpeg(config) => {
                let camera = crate::http::Mjpeg::new(config)?;
                Ok(Box::new(CameraSource::start(camera, options(config.common()))?))
            }
            #[cfg(all(feature = "v4l2", target_os = "linux"))]
            Self::V4l2(config) => {
                let camera = crate::v4l2::V4l2::new(config);
                Ok(Box::new(CameraSource::start(camera, options(config.common()))?))
            }
            #[cfg(all(feature = "genicam", target_os = "linux"))]
            Self::Genicam(config) => {
                let camera = crate::genicam::Genicam::new(config);
                Ok(Box::new(CameraSource::start(camera, options(config.common()))?))
            }
            #[cfg(all(feature = "gstreamer", target_os = "linux"))]
            Self::Gstreamer(config) => {
                let camera = crate::gst::Gstreamer::new(config);
                Ok(Box::new(CameraSource::start(camera, options(config.common()))?))
            }
            #[allow(unreachable_patterns)]
            other => other.refuse_kind(),
        }
    }

    /// A kind that passed the check and yet has no code.
    fn refuse_kind(&self) -> Result<Box<dyn Source + Send>, CameraError> {
        Err(CameraError::field("kind", format!("{self:?} is not built in")))
    }
}

/// Which frames of a camera are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TriggerKind {
    /// All that the camera gives.
    Free,
    /// One in each `interval_ms`.
    Interval,
    /// One for each shot that an output or the server's interface asks for.
    Software,
    /// All; the camera takes one for each signal at its own input (`genicam` alone).
    Hardware,
}

/// Frames that wait to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {
    /// How many at most, from 1 to 1000. Each takes the memory of a frame. Default 8.
    pub length: u32,
    /// Which frame is dropped, and counted, when one more comes. Default `drop_oldest`.
    pub when_full: WhenFull,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { length: 8, when_full: WhenFull::DropOldest }
    }
}

/// Which frame is dropped when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhenFull {
    /// The one that waited longest: verdicts are late by at most the queue.
    DropOldest,
    /// The one that comes: those that wait are judged without a gap.
    DropNewest,
}

/// Pauses between attempts to connect to a camera that is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ReconnectConfig {
    /// The first pause in milliseconds, from 10; each further one is twice as long. Default 500.
    pub first_ms: u32,
    /// The longest pause in milliseconds, at least the first. Default 10000.
    pub longest_ms: u32,
}

impl Default for ReconnectConfig {
    fn default() -> Self {
        Self { first_ms: 500, longest_ms: 10_000 }
    }
}

impl ReconnectConfig {
    pub(crate) fn first(self) -> Duration {
        Duration::from_millis(self.first_ms.into())
    }

    pub(crate) fn most(self) -> Duration {
        Duration::from_millis(self.longest_ms.into())
    }
}

/// The fields that all kinds but folders have.
#[derive(Clone, Copy, Debug)]
struct Common {
    trigger: TriggerKind,
    interval_ms: Option<u32>,
    queue: QueueConfig,
    reconnect: ReconnectConfig,
}

impl Common {
    fn check(self) -> Result<(), CameraError> {
        in_range("queue.length", self.queue.length, 1, 1000)?;
        in_range("reconnect.first_ms", self.reconnect.first_ms, 10, 3_600_000)?;
        let ReconnectConfig { first_ms, longest_ms } = self.reconnect;
        in_range("reconnect.longest_ms", longest_ms, first_ms, 3_600_000)?;
        match (self.trigger, self.interval_ms) {
            (TriggerKind::Interval, Some(interval)) => {
                in_range("interval_ms", interval, 1, 86_400_000)
            }
            (TriggerKind::Interval, None) => Err(CameraError::field(
                "interval_ms",
                "is missing; trigger = \"interval\" needs it, in milliseconds",
            )),
            (_, Some(_)) => Err(CameraError::field(
                "interval_ms",
                "only goes with trigger = \"interval\"; leave one of them out",
            )),
            (_, None) => Ok(()),
        }
    }

    fn without_hardware_trigger(self) -> Result<(), CameraError> {
        match self.trigger {
            TriggerKind::Hardware => Err(CameraError::field(
                "trigger",
                "\"hardware\" is for kind = \"genicam\"; choose free, interval or software",
            )),
            _ => Ok(()),
        }
    }

    fn options(self, name: &str, trigger: Trigger) -> ReaderOptions {
        let pace = match self.trigger {
            TriggerKind::Free | TriggerKind::Hardware => Pace::Free,
            TriggerKind::Interval => {
                Pace::every(Duration::from_millis(self.interval_ms.unwrap_or(1).into()))
            }
            TriggerKind::Software => Pace::Software(trigger),
        };
        let Self { queue, reconnect, .. } = self;
        ReaderOptions { name: name.to_owned(), queue, reconnect, pace }
    }
}

/// Most bytes of a frame, if nothing else is said.
const MAX_FRAME_BYTES: u64 = 64 << 20;

fn default_max_frame_bytes() -> u64 {
    MAX_FRAME_BYTES
}

fn default_timeout_ms() -> u32 {
    5000
}

fn default_free() -> TriggerKind {
    TriggerKind::Free
}

fn in_range<N: PartialOrd + std::fmt::Display>(
    field: &'static str,
    value: N,
    least: N,
    most: N,
) -> Result<(), CameraError> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(CameraError::field(field, format!("{value} is not from {least} to {most}")))
}

fn check_max_frame_bytes(bytes: u64) -> Result<(), CameraError> {
    in_range("max_frame_bytes", bytes, 1, 1 << 30)
}

fn check_timeout(milliseconds: u32) -> Result<(), CameraError> {
    in_range("timeout_ms", milliseconds, 10, 3_600_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<CameraConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = match parse(text) {
            Ok(config) => config.check().unwrap_err().to_string(),
            Err(error) => error,
        };
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_configuration_returns_as_it_was() {
        for text in [
            "kind = \"folder\"\npath = \"photos\"",
            "kind = \"http\"\nurl = \"http://camera/photo\"\ntrigger = \"software\"",
            "kind = \"mjpeg\"\nurl = \"http://camera/stream\"\nqueue = { length = 2, when_full = \"drop_newest\" }",
            "kind = \"v4l2\"\ndevice = \"/dev/video0\"\nformat = \"YUYV\"",
            "kind = \"genicam\"\ndevice = \"1\"\nfeatures = { Gamma = 0.8, LineMode = \"Input\", Width = 7, On = true }",
            "kind = \"genicam\"\ndevice = \"1\"\nfeatures = [{ GainSelector = \"All\" }, { Gain = 2.0 }]",
            "kind = \"gstreamer\"\npipeline = \"videotestsrc\"",
        ] {
            let config = parse(text).unwrap();
            let again = toml::to_string(&config).unwrap();
            assert_eq!(parse(&again).unwrap(), config, "{again}");
        }
    }

    #[test]
    fn what_cant_be_right_is_refused_by_its_name() {
        refused("kind = \"webcam\"", "webcam");
        refused("kind = \"http\"\nurl = \"http://a/\"\nurll = 1", "urll");
        refused("kind = \"http\"", "url");
        let http = |more: &str| format!("kind = \"http\"\nurl = \"http://a/\"\n{more}");
        refused(&http("queue = { length = 0 }"), "queue.length: 0 is not from 1 to 1000");
        refused(&http("queue = { size = 1 }"), "size");
        refused(&http("trigger = \"hardware\""), "trigger: \"hardware\" is for kind");
        refused(&http("trigger = \"free\"\ninterval_ms = 5"), "interval_ms: only goes with");
        refused(&http("timeout_ms = 1"), "timeout_ms: 1 is not from 10");
        refused(&http("max_frame_bytes = 0"), "max_frame_bytes: 0 is not");
        refused(
            &http("reconnect = { first_ms = 50, longest_ms = 20 }"),
            "reconnect.longest_ms: 20 is not from 50",
        );
        refused(
            "kind = \"mjpeg\"\nurl = \"http://a\"\ntrigger = \"interval\"",
            "interval_ms: is missing",
        );
    }

    #[test]
    fn a_kind_that_is_not_built_in_is_refused_with_what_to_do() {
        for (text, kind, is_built) in [
            ("kind = \"v4l2\"\ndevice = \"/dev/video0\"", "v4l2", cfg!(feature = "v4l2")),
            ("kind = \"genicam\"\ndevice = \"1\"", "genicam", cfg!(feature = "genicam")),
            ("kind = \"gstreamer\"\npipeline = \"a\"", "gstreamer", cfg!(feature = "gstreamer")),
        ] {
            let checked = parse(text).unwrap().check();
            if is_built && cfg!(target_os = "linux") {
                checked.unwrap();
            } else {
                let error = checked.unwrap_err().to_string();
                assert!(error.contains(&format!("--features {kind}")), "{error}");
            }
        }
    }

    #[test]
    fn relative_paths_are_from_the_folder_of_the_file() {
        let mut config = parse("kind = \"folder\"\npath = \"photos\"").unwrap();
        config.resolve(Path::new("/srv"));
        assert!(matches!(config, CameraConfig::Folder(it) if it.path == Path::new("/srv/photos")));
        let text =
            "kind = \"http\"\nurl = \"https://a/\"\nca_file = \"ca.pem\"\npassword_file = \"/p\"";
        let mut config = parse(text).unwrap();
        config.resolve(Path::new("/srv"));
        let CameraConfig::Http(http) = config else { panic!() };
        assert_eq!(http.ca_file.as_deref(), Some(Path::new("/srv/ca.pem")));
        assert_eq!(http.password_file.as_deref(), Some(Path::new("/p")));
    }
}
