//! Cameras of the Linux kernel.

use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use linuxvideo::format::{PixFormat, PixelFormat};
use linuxvideo::stream::ReadStream;
use linuxvideo::{Device, Fract, VideoCaptureDevice};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::config::{V4l2Config, V4l2Format};
use crate::connection::{Connection, Fault, Kind, Payload, RawFrame, Read};
use crate::numbers::Counting;
use crate::pixels::{CameraFormat, Colour, Packing, Shape};

/// A camera by its file.
pub(crate) struct V4l2 {
    config: V4l2Config,
}

impl V4l2 {
    pub(crate) fn new(config: &V4l2Config) -> Self {
        Self { config: config.clone() }
    }

    fn open(&self) -> io::Result<VideoCaptureDevice> {
        let V4l2Config { device, format, width, height, frame_rate, .. } = &self.config;
        let wanted = PixFormat::new(*width, *height, PixelFormat::from_fourcc(fourcc(*format)));
        let camera = Device::open(device)?.video_capture(wanted)?;
        if let Some(rate) = frame_rate {
            camera.set_frame_interval(Fract::new(1, *rate))?;
        }
        Ok(camera)
    }

    /// Refuses what the driver gives instead of what it was asked for.
    fn check(&self, given: &PixFormat) -> Result<(), Fault> {
        let V4l2Config { format, width, height, .. } = self.config;
        let is_asked_for = given.pixel_format().as_fourcc() == fourcc(format)
            && (given.width(), given.height()) == (width, height);
        if is_asked_for {
            return Ok(());
        }
        Err(Fault::between(format!(
            "the camera gives {} of {}×{} pixels instead of {format:?} of {width}×{height}; set format, \
             width and height to what `v4l2-ctl --list-formats-ext` names",
            given.pixel_format(),
            given.width(),
            given.height()
        )))
    }
}

impl Kind for V4l2 {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Fault> {
        let device = self.config.device.clone();
        let camera = self.open().map_err(|error| fault(&device, error))?;
        self.check(camera.format())?;
        let V4l2Config { format, width, height, timeout_ms, .. } = self.config;
        let padding = row_padding(format, camera.format());
        let stream = camera.into_stream().map_err(|error| fault(&device, error))?;
        let timeout = Duration::from_millis(timeout_ms.into());
        Ok(Box::new(Frames {
            stream,
            device,
            format,
            shape: Shape { width, height, padding },
            timeout,
            last: Instant::now(),
        }))
    }

    fn counting(&self) -> Counting {
        Counting::EachConnection
    }
}

fn fault(device: &std::path::Path, error: io::Error) -> Fault {
    Fault::between(format!("{}: {error}", device.display()))
}

/// Bytes after each row of pixels.
fn row_padding(format: V4l2Format, given: &PixFormat) -> usize {
    let pixel = match format {
        V4l2Format::Mjpg => return 0,
        V4l2Format::Grey => 1,
        V4l2Format::Yuyv | V4l2Format::Y10 | V4l2Format::Y12 | V4l2Format::Y16 => 2,
        V4l2Format::Rgb24 | V4l2Format::Bgr24 => 3,
    };
    (given.bytes_per_line() as usize).saturating_sub(given.width() as usize * pixel)
}

struct Frames {
    stream: ReadStream,
    device: PathBuf,
    format: V4l2Format,
    shape: Shape,
    timeout: Duration,
    /// When the last frame came.
    last: Instant,
}

impl Frames {
    /// Whether a frame comes within the time.
    fn wait(&self, at_most: Duration) -> io::Result<bool> {
        let mut waits = [PollFd::from_borrowed_fd(self.stream.as_fd(), PollFlags::IN)];
        let time = Timespec::try_from(at_most).map_err(io::Error::other)?;
        match poll(&mut waits, Some(&time)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl Connection for Frames {
    fn read(&mut self, at_most: Duration) -> Result<Read, Fault> {
        if !self.wait(at_most).map_err(|error| fault(&self.device, error))? {
            let is_stalled = self.last.elapsed() > self.timeout;
            let seconds = self.timeout.as_secs_f64();
            return match is_stalled {
                true => Err(Fault::between(format!("the camera gave no frame within {seconds} s"))),
                false => Ok(Read::Nothing),
            };
        }
        let copy = |buffer: linuxvideo::stream::ReadBufferView<'_>| {
            Ok((!buffer.is_error()).then(|| buffer.to_vec()))
        };
        let data = self.stream.dequeue(copy).map_err(|error| fault(&self.device, error))?;
        self.last = Instant::now();
        let Some(data) = data else {
            let reason = "the camera says that a frame is damaged".to_owned();
            return Ok(Read::Broken { number: None, reason });
        };
        let payload = match pixel_format(self.format) {
            None => Payload::File(data),
            Some(format) => {
                format.to_pixels(data, self.shape).map_or_else(Payload::Unreadable, Payload::Pixels)
            }
        };
        Ok(Read::Frame(RawFrame::now(payload)))
    }
}

/// The kernel's code of a format.
fn fourcc(format: V4l2Format) -> [u8; 4] {
    *match format {
        V4l2Format::Mjpg => b"MJPG",
        V4l2Format::Yuyv => b"YUYV",
        V4l2Format::Grey => b"GREY",
        V4l2Format::Y10 => b"Y10 ",
        V4l2Format::Y12 => b"Y12 ",
        V4l2Format::Y16 => b"Y16 ",
        V4l2Format::Rgb24 => b"RGB3",
        V4l2Format::Bgr24 => b"BGR3",
    }
}

/// How its pixels lie; `None` for picture files.
fn pixel_format(format: V4l2Format) -> Option<CameraFormat> {
    let (colour, packing, bits) = match format {
        V4l2Format::Mjpg => return None,
        V4l2Format::Yuyv => (Colour::Yuyv, Packing::Bytes, 8),
        V4l2Format::Grey => (Colour::Grey, Packing::Bytes, 8),
        V4l2Format::Y10 => (Colour::Grey, Packing::Words, 10),
        V4l2Format::Y12 => (Colour::Grey, Packing::Words, 12),
        V4l2Format::Y16 => (Colour::Grey, Packing::Words, 16),
        V4l2Format::Rgb24 => (Colour::Rgb, Packing::Bytes, 8),
        V4l2Format::Bgr24 => (Colour::Bgr, Packing::Bytes, 8),
    };
    Some(CameraFormat { colour, packing, bits })
}
