//! Cameras as sources of a stream.
//!
//! A [`CameraConfig`] says which camera and how; [`CameraConfig::open`] makes a
//! [`Source`](efficientad_stream::Source) of it, whose thread connects, reads and connects again.
//! **Every frame that a camera gave and that can be counted is a photo of the source, or counted in a
//! [`Notice::Dropped`](efficientad_stream::Notice::Dropped)** with the reason. `docs/cameras.md` says
//! for each kind what can be counted.
//!
//! | module | what it does | knows nothing of |
//! |---|---|---|
//! | [`mod@config`] | what a camera can be told, and what of that can't be right | threads |
//! | `connection` | what the reader's thread asks of a kind of camera | kinds |
//! | `reader` | the thread: connect, read, count, connect again | kinds, streams |
//! | `numbers` | gaps in the numbers of frames | |
//! | `pace` | which frames are wanted: all, some, those asked for | |
//! | `queue` | frames that wait to be judged, bounded, and what else happened | cameras |
//! | `source` | the stream's end of the queue | cameras |
//! | `http` | single photos and MJPEG streams over HTTP | |
//! | `genicam` | GigE Vision and USB3 Vision, by Aravis (feature) | |
//! | `v4l2` | Video4Linux (feature) | |
//! | `gst` | GStreamer pipelines (feature) | |
//! | [`pixels`] | packed samples, Bayer mosaics and YCbCr as pixels | cameras |
//!
//! Nothing here prints.

pub mod config;
mod connection;
mod error;
#[doc(hidden)]
pub mod fuzzing;
#[cfg(all(feature = "genicam", target_os = "linux"))]
mod genicam;
#[cfg(all(feature = "gstreamer", target_os = "linux"))]
mod gst;
mod http;
mod numbers;
mod pace;
pub mod pixels;
mod queue;
mod reader;
mod source;
#[cfg(all(feature = "v4l2", target_os = "linux"))]
mod v4l2;

pub use config::CameraConfig;
pub use error::CameraError;
