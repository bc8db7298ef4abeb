use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{
    Common, QueueConfig, ReconnectConfig, TriggerKind, check_timeout, default_free,
    default_timeout_ms, in_range,
};
use crate::error::CameraError;

/// A camera of the Linux kernel (Video4Linux).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct V4l2Config {
    /// The camera's file, such as `/dev/video0`, or better one in `/dev/v4l/by-id`, which stays.
    pub device: PathBuf,
    /// How its pixels come; a camera that gives others is refused. Default `MJPG`.
    #[serde(default)]
    pub format: V4l2Format,
    /// Width in pixels; a camera that gives another is refused. Default 1280.
    #[serde(default = "default_width")]
    pub width: u32,
    /// Height in pixels; a camera that gives another is refused. Default 720.
    #[serde(default = "default_height")]
    pub height: u32,
    /// Frames per second that the camera is asked for; it may choose the nearest. Default its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<u32>,
    /// `free` (the default), `interval` or `software`: with the latter two most frames are passed
    /// over, which are not counted as dropped.
    #[serde(default = "default_free")]
    pub trigger: TriggerKind,
    /// Milliseconds between two photos, with `trigger = "interval"`; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// How long the next frame may take, in milliseconds; then the camera is opened anew. Default
    /// 5000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// Frames that wait to be judged.
    #[serde(default)]
    pub queue: QueueConfig,
    /// Pauses between attempts to connect.
    #[serde(default)]
    pub reconnect: ReconnectConfig,
}

/// How a Video4Linux camera gives its pixels; the names are those of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum V4l2Format {
    /// A JPEG file each.
    #[default]
    #[serde(rename = "MJPG")]
    Mjpg,
    /// YCbCr with half the colours along a row, ITU-R BT.601, from 16 to 235.
    #[serde(rename = "YUYV")]
    Yuyv,
    /// Grey, 8 bits.
    #[serde(rename = "GREY")]
    Grey,
    /// Grey, 10 bits in 16.
    #[serde(rename = "Y10")]
    Y10,
    /// Grey, 12 bits in 16.
    #[serde(rename = "Y12")]
    Y12,
    /// Grey, 16 bits.
    #[serde(rename = "Y16")]
    Y16,
    /// Red, green, blue.
    #[serde(rename = "RGB24")]
    Rgb24,
    /// Blue, green, red.
    #[serde(rename = "BGR24")]
    Bgr24,
}

fn default_width() -> u32 {
    1280
}

fn default_height() -> u32 {
    720
}

impl V4l2Config {
    #[cfg_attr(not(feature = "v4l2"), allow(dead_code))]
    pub(super) fn common(&self) -> Common {
        let Self { trigger, interval_ms, queue, reconnect, .. } = *self;
        Common { trigger, interval_ms, queue, reconnect }
    }

    pub(super) fn check(&self) -> Result<(), CameraError> {
        if !cfg!(all(feature = "v4l2", target_os = "linux")) {
            return Err(CameraError::NotBuilt { kind: "v4l2", needs: "nothing else" });
        }
        self.common().check()?;
        self.common().without_hardware_trigger()?;
        check_timeout(self.timeout_ms)?;
        in_range("width", self.width, 1, 65_535)?;
        in_range("height", self.height, 1, 65_535)?;
        self.frame_rate.map_or(Ok(()), |rate| in_range("frame_rate", rate, 1, 100_000))
    }
}
