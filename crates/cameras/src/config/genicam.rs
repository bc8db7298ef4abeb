use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Common, QueueConfig, ReconnectConfig, TriggerKind, check_max_frame_bytes, check_timeout,
    default_free, default_max_frame_bytes, default_timeout_ms, in_range,
};
use crate::error::CameraError;

/// A GigE Vision or USB3 Vision camera, by Aravis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct GenicamConfig {
    /// Which camera: its name as `arv-tool-0.8` lists it, its serial number, or for GigE Vision its
    /// address.
    pub device: String,
    /// `free` (the default); `software`: the camera takes a photo for each shot; `interval`: the
    /// same, asked for in each interval; `hardware`: for each signal at its input `trigger_source`.
    #[serde(default = "default_free")]
    pub trigger: TriggerKind,
    /// Milliseconds between two photos, with `trigger = "interval"`; from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u32>,
    /// The camera's input with `trigger = "hardware"`, as its manual calls it. Default `Line1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger_source: Option<String>,
    /// Pixel format as the camera calls it, such as `Mono8` or `BayerRG12p`; `docs/cameras.md` lists
    /// those that are understood. Default the camera's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixel_format: Option<String>,
    /// Exposure time in microseconds; switches automatic exposure off. Default the camera's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure_us: Option<f64>,
    /// Gain in the camera's unit; switches automatic gain off. Default the camera's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<f64>,
    /// Frames per second, with `trigger = "free"`. Default the camera's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<f64>,
    /// The part of the sensor that is read. Default the camera's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// Further features by name: `{ Gamma = 0.8 }`, set in the order of the alphabet; or, where the
    /// order matters, a list: `[{ GainSelector = "All" }, { Gain = 2.0 }]`. They are set after all
    /// others. Default none.
    #[serde(default)]
    pub features: Features,
    /// Bytes of a packet of GigE Vision, with its headers, from 576 to 65535. Default: tried out
    /// when the camera is connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packet_size: Option<u32>,
    /// Whether packets of GigE Vision that got lost are asked for again. Default true.
    #[serde(default = "default_resend")]
    pub packet_resend: bool,
    /// Whether packets of GigE Vision are taken past the system's network code, which spares it work
    /// at high rates. It needs the right CAP_NET_RAW, and does not work on every interface. Default
    /// false.
    #[serde(default)]
    pub packet_socket: bool,
    /// Frames that may be on their way at a time, from 2 to 200. Each takes the memory of a frame.
    /// Default 8.
    #[serde(default = "default_buffers")]
    pub buffers: u32,
    /// How long the next frame may take, or with `software` and `interval` the one asked for, in
    /// milliseconds; then the camera is connected anew. It does not count with `hardware`. Default
    /// 5000.
    #[serde(default = "default_timeout_ms")]
    pub timeout_ms: u32,
    /// Most bytes of a frame; a camera that is set to larger ones is refused. Default 67108864
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

/// A part of a sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Region {
    /// Its left edge, in pixels of the sensor. Default 0.
    #[serde(default)]
    pub x: u32,
    /// Its upper edge. Default 0.
    #[serde(default)]
    pub y: u32,
    /// Its width, from 1.
    pub width: u32,
    /// Its height, from 1.
    pub height: u32,
}

/// Features of a camera by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Features {
    /// Set in the order of the alphabet.
    Table(BTreeMap<String, FeatureValue>),
    /// Set in this order, and within each part in that of the alphabet.
    List(Vec<BTreeMap<String, FeatureValue>>),
}

impl Default for Features {
    fn default() -> Self {
        Self::Table(BTreeMap::new())
    }
}

impl Features {
    /// All, in the order in which they are set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &FeatureValue)> {
        let parts = match self {
            Self::Table(table) => std::slice::from_ref(table),
            Self::List(list) => list,
        };
        parts.iter().flatten().map(|(name, value)| (name.as_str(), value))
    }
}

/// What a feature is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum FeatureValue {
    /// For a feature that is on or off.
    Boolean(bool),
    /// For one that is a number.
    Integer(i64),
    /// For one that is a number.
    Float(f64),
    /// For one that is a text or a choice.
    Text(String),
}

fn default_resend() -> bool {
    true
}

fn default_buffers() -> u32 {
    8
}

impl GenicamConfig {
    #[cfg_attr(not(feature = "genicam"), allow(dead_code))]
    pub(super) fn common(&self) -> Common {
        let Self { trigger, interval_ms, queue, reconnect, .. } = *self;
        Common { trigger, interval_ms, queue, reconnect }
    }

    pub(super) fn check(&self) -> Result<(), CameraError> {
        if !cfg!(all(feature = "genicam", target_os = "linux")) {
            let needs = "the system's Aravis (Debian: libaravis-dev)";
            return Err(CameraError::NotBuilt { kind: "genicam", needs });
        }
        self.common().check()?;
        check_timeout(self.timeout_ms)?;
        check_max_frame_bytes(self.max_frame_bytes)?;
        in_range("buffers", self.buffers, 2, 200)?;
        self.packet_size.map_or(Ok(()), |size| in_range("packet_size", size, 576, 65_535))?;
        for (field, value) in [
            ("exposure_us", self.exposure_us),
            ("gain", self.gain),
            ("frame_rate", self.frame_rate),
        ] {
            if value.is_some_and(|value| !value.is_finite()) {
                return Err(CameraError::field(field, "is no finite number"));
            }
        }
        if let Some(Region { x, y, width, height }) = self.region {
            let most = i32::MAX as u32;
            in_range("region.width", width, 1, most)?;
            in_range("region.height", height, 1, most)?;
            in_range("region.x", x, 0, most)?;
            in_range("region.y", y, 0, most)?;
        }
        if self.device.is_empty() {
            let reason = "is empty; `arv-tool-0.8` lists the names of cameras";
            return Err(CameraError::field("device", reason));
        }
        match (self.trigger, &self.trigger_source, self.frame_rate) {
            (TriggerKind::Hardware, None | Some(_), None) | (TriggerKind::Free, None, _) => Ok(()),
            (_, Some(_), _) => {
                let reason = "only goes with trigger = \"hardware\"; leave it out";
                Err(CameraError::field("trigger_source", reason))
            }
            (_, None, Some(_)) => {
                let reason = "only goes with trigger = \"free\"; leave it out";
                Err(CameraError::field("frame_rate", reason))
            }
            (_, None, None) => Ok(()),
        }
    }
}
