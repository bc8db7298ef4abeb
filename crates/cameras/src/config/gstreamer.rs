use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{
    Common, QueueConfig, ReconnectConfig, TriggerKind, check_max_frame_bytes, check_timeout,
    default_free, default_max_frame_bytes, default_timeout_ms,
};
use crate::error::CameraError;
use crate::http::Password;

/// Whatever GStreamer reads: RTSP, files, cameras of other makers' plugins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GstreamerConfig {
    /// The pipeline as `gst-launch-1.0` takes it, without its end, such as
    /// `rtspsrc location=rtsp://10.0.0.5/stream ! rtph264depay ! avdec_h264`. The program adds a
    /// conversion and takes the frames.
    pub pipeline: String,
    /// What the frames are converted to. Default `rgb`.
    #[serde(default)]
    pub format: GstreamerFormat,
    /// Whether the source numbers its frames by the offsets of its buffers, as `videotestsrc` and
    /// `v4l2src` do: gaps are then counted, and frames without a number refused. Default false.
    #[serde(default)]
    pub frame_numbers: bool,
    /// A file that holds the password, whose last line break is left out; it is given to every
    /// element that has a property `user-pw`, such as `rtspsrc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The environment variable that holds the password, instead of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_env: Option<String>,
    /// `free` (the default), `interval` or `software`: with the latter two most frames are passed
    /// over, which are not counted as dropped.
    #[serde(default = "default_free")]
    pub trigger: TriggerKind,
    /// Milliseconds between two photos, with `trigger = "interval"`; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// How long the next frame may take, in milliseconds; then the pipeline is made anew. Default
    /// 5000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// Most bytes of a frame; a larger one ends the connection and is counted. Default 67108864
    /// (64 MiB).
    #[serde(default = "default_max_frame_bytes")]
    pub max_frame_bytes: u64,
    /// Frames that wait to be judged.
    #[serde(default)]
    pub queue: QueueConfig,
    /// Pauses between attempts to connect.
    #[serde(default)]
    pub reconnect: ReconnectConfig,
}

/// What frames of a pipeline are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GstreamerFormat {
    /// Red, green, blue, 8 bits each.
    #[default]
    Rgb,
    /// Grey, 8 bits.
    Gray8,
    /// Grey, 16 bits, of which the upper ones count.
    Gray16,
    /// JPEG files, taken as they come: the pipeline must end in `image/jpeg`.
    Jpeg,
}

impl GstreamerConfig {
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.password_file = self.password_file.take().map(|path| folder.join(path));
    }

    #[cfg_attr(not(feature = "gstreamer"), allow(dead_code))]
    pub(super) fn common(&self) -> Common {
        let Self { trigger, interval_ms, queue, reconnect, .. } = *self;
        Common { trigger, interval_ms, queue, reconnect }
    }

    /// Where the password is.
    pub(crate) fn password(&self) -> Result<Option<Password>, CameraError> {
        Password::from_fields(self.password_file.as_deref(), self.password_env.as_deref())
    }

    pub(super) fn check(&self) -> Result<(), CameraError> {
        if !cfg!(all(feature = "gstreamer", target_os = "linux")) {
            let needs = "the system's GStreamer with its development files";
            return Err(CameraError::NotBuilt { kind: "gstreamer", needs });
        }
        self.common().check()?;
        self.common().without_hardware_trigger()?;
        check_timeout(self.timeout_ms)?;
        check_max_frame_bytes(self.max_frame_bytes)?;
        if let Some(password) = self.password()? {
            password.read()?;
        }
        if holds_password(&self.pipeline) {
            let reason = "holds a password; put it into a file that password_file names";
            return Err(CameraError::field("pipeline", reason));
        }
        Ok(())
    }
}

/// Whether a pipeline has a password in it, as a property or in an address.
fn holds_password(pipeline: &str) -> bool {
    let in_address = pipeline.split_whitespace().any(|word| {
        let authority = word.split_once("://").and_then(|(_, rest)| rest.split('/').next());
        authority.and_then(|it| it.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
    });
    in_address || ["user-pw", "proxy-pw", "password"].iter().any(|it| pipeline.contains(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_pipelines_are_found() {
        assert!(holds_password("rtspsrc location=rtsp://a:b@camera/1 ! x"));
        assert!(holds_password("rtspsrc location=rtsp://camera/1 user-id=a user-pw=b"));
        assert!(!holds_password("rtspsrc location=rtsp://a@camera/1:2 ! x"));
        assert!(!holds_password("videotestsrc ! video/x-raw,width=64"));
    }
}
