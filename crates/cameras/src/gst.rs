//! Whatever GStreamer reads.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use efficientad_evaluation::Pixels;
use efficientad_images::PixelFormat;
use gstreamer::prelude::*;
use gstreamer::{Bin, BufferFlags, ClockTime, MessageView, Pipeline, Sample, State};
use gstreamer_app::AppSink;
use gstreamer_video::{VideoFrameExt, VideoFrameRef, VideoInfo};

use crate::config::{GstreamerConfig, GstreamerFormat};
use crate::connection::{Connection, Fault, Kind, Payload, RawFrame, Read};
use crate::numbers::Counting;

/// What the program's end of a pipeline is called.
const SINK: &str = "efficientad";

/// What GStreamer says of a buffer without an offset.
const NO_OFFSET: u64 = u64::MAX;

/// Frames that wait in the pipeline; it is held up rather than that one is dropped.
const MAX_WAITING: u32 = 2;

/// How long a pipeline that starts may fail unseen.
const STARTING: ClockTime = ClockTime::from_mseconds(50);

/// How long after it has failed a pipeline may say why.
const MESSAGE: ClockTime = ClockTime::from_mseconds(500);

/// A pipeline.
pub(crate) struct Gstreamer {
    config: GstreamerConfig,
}

impl Gstreamer {
    pub(crate) fn new(config: &GstreamerConfig) -> Self {
        Self { config: config.clone() }
    }

    /// The pipeline with its end.
    fn text(&self) -> String {
        let end = match self.config.format {
            GstreamerFormat::Rgb => "videoconvert ! video/x-raw,format=RGB",
            GstreamerFormat::Gray8 => "videoconvert ! video/x-raw,format=GRAY8",
            GstreamerFormat::Gray16 if cfg!(target_endian = "little") => {
                "videoconvert ! video/x-raw,format=GRAY16_LE"
            }
            GstreamerFormat::Gray16 => "videoconvert ! video/x-raw,format=GRAY16_BE",
            GstreamerFormat::Jpeg => "image/jpeg",
        };
        let Self { config: GstreamerConfig { pipeline, .. } } = self;
        format!(
            "{pipeline} ! {end} ! appsink name={SINK} sync=false max-buffers={MAX_WAITING} drop=false"
        )
    }

    /// Gives the password to the elements that take one.
    fn set_password(&self, bin: &Bin) -> Result<(), Fault> {
        let Some(password) = self.config.password().map_err(Fault::between)? else { return Ok(()) };
        let password = password.read().map_err(Fault::between)?;
        let mut takers = 0;
        for element in bin.iterate_recurse().into_iter().flatten() {
            if element.has_property("user-pw", None) {
                element.set_property("user-pw", &password);
                takers += 1;
            }
        }
        if takers == 0 {
            return Err(Fault::between(
                "no element of the pipeline has a property user-pw for the password; leave \
                 password_file out",
            ));
        }
        Ok(())
    }
}

impl Kind for Gstreamer {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Fault> {
        gstreamer::init().map_err(Fault::between)?;
        let element = gstreamer::parse::launch(&self.text())
            .map_err(|error| Fault::between(format!("pipeline: {error}")))?;
        let pipeline = element
            .downcast::<Pipeline>()
            .map_err(|_| Fault::between("pipeline: is no pipeline"))?;
        let sink = pipeline.by_name(SINK).and_then(|sink| sink.downcast::<AppSink>().ok());
        let sink = sink.ok_or_else(|| Fault::between("pipeline: its end is missing"))?;
        self.set_password(pipeline.upcast_ref())?;
        let running = Running {
            pipeline,
            sink,
            format: self.config.format,
            timeout: Duration::from_millis(self.config.timeout_ms.into()),
            max_frame_bytes: self.config.max_frame_bytes,
            last: Instant::now(),
            counts_offsets: self.config.frame_numbers,
        };
        running.start()?;
        Ok(Box::new(running))
    }

    fn counting(&self) -> Counting {
        Counting::EachConnection
    }
}

struct Running {
    pipeline: Pipeline,
    sink: AppSink,
    format: GstreamerFormat,
    timeout: Duration,
    max_frame_bytes: u64,
    /// When the last frame came.
    last: Instant,
    /// Whether the source numbers its frames.
    counts_offsets: bool,
}

impl Running {
    /// Starts the pipeline and waits until it runs, so that a source which is not there is none
    /// that came back.
    fn start(&self) -> Result<(), Fault> {
        let refused =
            |error: &dyn ToString| Fault::between(self.error(MESSAGE).unwrap_or(error.to_string()));
        self.pipeline.set_state(State::Playing).map_err(|error| refused(&error))?;
        let start = Instant::now();
        loop {
            let (result, state, _) = self.pipeline.state(STARTING);
            result.map_err(|error| refused(&error))?;
            if state == State::Playing {
                return Ok(());
            }
            // A source on the network fails later than its pipeline is set to start.
            if let Some(error) = self.error(ClockTime::ZERO) {
                return Err(Fault::between(error));
            }
            if start.elapsed() > self.timeout {
                return Err(Fault::between("the pipeline does not start within timeout_ms"));
            }
        }
    }

    /// What the pipeline complains about, after that time at the latest.
    fn error(&self, at_most: ClockTime) -> Option<String> {
        let bus = self.pipeline.bus()?;
        let message = bus.timed_pop_filtered(at_most, &[gstreamer::MessageType::Error])?;
        match message.view() {
            MessageView::Error(error) => {
                let source = error.src().map(|it| it.name().to_string()).unwrap_or_default();
                Some(format!("{source}: {}", error.error()))
            }
            _ => None,
        }
    }

    fn frame(&mut self, sample: &Sample) -> Result<Read, Fault> {
        let buffer = sample.buffer().ok_or_else(|| Fault::within("a frame without content"))?;
        if buffer.size() as u64 > self.max_frame_bytes {
            let (bytes, max) = (buffer.size(), self.max_frame_bytes);
            return Err(Fault::within(format!(
                "a frame of {bytes} bytes is larger than max_frame_bytes, {max}"
            )));
        }
        let number = self.number(buffer.offset())?;
        if buffer.flags().contains(BufferFlags::CORRUPTED) {
            let reason = "the pipeline says that a frame is damaged".to_owned();
            return Ok(Read::Broken { number, reason });
        }
        let payload = match self.format {
            GstreamerFormat::Jpeg => {
                let map = buffer.map_readable().map_err(Fault::within)?;
                Payload::File(map.as_slice().to_vec())
            }
            _ => Payload::Pixels(self.pixels(sample).map_err(Fault::within)?),
        };
        Ok(Read::Frame(RawFrame { payload, number, time: None }))
    }

    /// A frame's number, if they are counted.
    fn number(&self, offset: u64) -> Result<Option<u64>, Fault> {
        if self.counts_offsets && offset == NO_OFFSET {
            return Err(Fault::within(
                "frame_numbers: the pipeline does not number its frames; leave it out",
            ));
        }
        Ok(self.counts_offsets.then_some(offset))
    }

    fn pixels(&self, sample: &Sample) -> Result<Pixels<'static>, String> {
        let missing = || "a frame without content".to_owned();
        let (caps, buffer) = sample.caps().zip(sample.buffer()).ok_or_else(missing)?;
        let info = VideoInfo::from_caps(caps).map_err(|error| error.to_string())?;
        let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info)
            .map_err(|error| error.to_string())?;
        let data = frame.plane_data(0).map_err(|error| error.to_string())?;
        let stride = frame.plane_stride()[0].try_into().map_err(|_| "rows from below")?;
        let format = match self.format {
            GstreamerFormat::Gray8 => PixelFormat::Gray8,
            GstreamerFormat::Gray16 => PixelFormat::Gray16,
            _ => PixelFormat::Rgb8,
        };
        Ok(Pixels {
            data: Cow::Owned(data.to_vec()),
            width: info.width(),
            height: info.height(),
            stride,
            format,
        })
    }
}

impl Connection for Running {
    fn read(&mut self, at_most: Duration) -> Result<Read, Fault> {
        let at_most = ClockTime::try_from(at_most).unwrap_or(ClockTime::ZERO);
        if let Some(sample) = self.sink.try_pull_sample(at_most) {
            self.last = Instant::now();
            return self.frame(&sample);
        }
        if let Some(error) = self.error(ClockTime::ZERO) {
            return Err(Fault::between(error));
        }
        if self.sink.is_eos() {
            return Err(Fault::between("the pipeline's source has ended"));
        }
        if self.last.elapsed() > self.timeout {
            let seconds = self.timeout.as_secs_f64();
            return Err(Fault::between(format!("the pipeline gave no frame within {seconds} s")));
        }
        Ok(Read::Nothing)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is to be done if it does not stop.
        let _ = self.pipeline.set_state(State::Null);
    }
}
