//! GigE Vision and USB3 Vision cameras, by Aravis.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use aravis::glib::prelude::Cast;
use aravis::prelude::{CameraExt, CameraExtManual, DeviceExt, StreamExt};
use aravis::{
    AcquisitionMode, Auto, Buffer, BufferPayloadType, BufferStatus, Camera, GvPacketSizeAdjustment,
    GvStream, GvStreamOption, GvStreamPacketResend, RangeCheckPolicy, Stream,
};
use jiff::Timestamp;

use crate::config::{FeatureValue, GenicamConfig, Region, TriggerKind};
use crate::connection::{Connection, Fault, Kind, Payload, RawFrame, Read};
use crate::numbers::Counting;
use crate::pixels::{CameraFormat, Shape};

/// A camera by its name.
pub(crate) struct Genicam {
    config: GenicamConfig,
}

impl Genicam {
    pub(crate) fn new(config: &GenicamConfig) -> Self {
        Self { config: config.clone() }
    }
}

impl Kind for Genicam {
    fn connect(&mut self) -> Result<Box<dyn Connection>, Fault> {
        let config = &self.config;
        let camera = Camera::new(Some(&config.device))
            .map_err(|error| Fault::between(format!("camera {:?}: {error}", config.device)))?;
        let camera = Settings { camera: &camera, config }.apply().map(|()| camera)?;
        let stream = start(&camera, config)?;
        Ok(Box::new(stream.watch(camera)))
    }

    fn counting(&self) -> Counting {
        Counting::EachConnection
    }
}

/// Names what a camera refuses.
trait Named<T> {
    fn named(self, what: impl std::fmt::Display) -> Result<T, Fault>;
}

impl<T> Named<T> for Result<T, aravis::glib::Error> {
    fn named(self, what: impl std::fmt::Display) -> Result<T, Fault> {
        self.map_err(|error| Fault::between(format!("{what}: the camera refuses ({error})")))
    }
}

/// What a camera is set to before it takes frames.
struct Settings<'a> {
    camera: &'a Camera,
    config: &'a GenicamConfig,
}

impl Settings<'_> {
    fn apply(&self) -> Result<(), Fault> {
        let Self { camera, config } = self;
        // A value out of range is refused, not made to fit in silence.
        camera.set_range_check_policy(RangeCheckPolicy::Enable);
        // It may still be taking frames for a program that was killed.
        camera.stop_acquisition().named("AcquisitionStop")?;
        camera.set_acquisition_mode(AcquisitionMode::Continuous).named("AcquisitionMode")?;
        self.set_picture()?;
        self.set_light()?;
        self.set_trigger()?;
        if camera.is_gv_device() {
            self.set_packets()?;
        }
        config.features.iter().try_for_each(|(name, value)| self.set_feature(name, value))
    }

    fn set_picture(&self) -> Result<(), Fault> {
        let Self { camera, config } = self;
        if let Some(format) = &config.pixel_format {
            let what = format!("pixel_format = {format:?}");
            camera.set_pixel_format_from_string(format).named(what)?;
        }
        if let Some(Region { x, y, width, height }) = config.region {
            let [x, y, width, height] = [x, y, width, height].map(|it| it as i32);
            camera.set_region(x, y, width, height).named("region")?;
        }
        Ok(())
    }

    fn set_light(&self) -> Result<(), Fault> {
        let Self { camera, config } = self;
        if let Some(exposure) = config.exposure_us {
            is_there(camera.is_exposure_time_available(), "exposure_us")?;
            if camera.is_exposure_auto_available().unwrap_or(false) {
                camera.set_exposure_time_auto(Auto::Off).named("ExposureAuto")?;
            }
            camera.set_exposure_time(exposure).named("exposure_us")?;
        }
        if let Some(gain) = config.gain {
            is_there(camera.is_gain_available(), "gain")?;
            if camera.is_gain_auto_available().unwrap_or(false) {
                camera.set_gain_auto(Auto::Off).named("GainAuto")?;
            }
            camera.set_gain(gain).named("gain")?;
        }
        Ok(())
    }

    fn set_trigger(&self) -> Result<(), Fault> {
        let Self { camera, config } = self;
        match config.trigger {
            TriggerKind::Free => {
                // Cameras without a trigger have none to switch off.
                let _ = camera.clear_triggers();
                config
                    .frame_rate
                    .map_or(Ok(()), |rate| camera.set_frame_rate(rate).named("frame_rate"))
            }
            TriggerKind::Software | TriggerKind::Interval => {
                camera.set_trigger("Software").named("trigger = \"software\"")
            }
            TriggerKind::Hardware => {
                let source = config.trigger_source.as_deref().unwrap_or("Line1");
                camera.set_trigger(source).named(format!("trigger_source = {source:?}"))
            }
        }
    }

    fn set_packets(&self) -> Result<(), Fault> {
        let Self { camera, config } = self;
        if !config.packet_socket {
            camera.gv_set_stream_options(GvStreamOption::PACKET_SOCKET_DISABLED);
        }
        match config.packet_size {
            Some(size) => {
                camera.gv_set_packet_size_adjustment(GvPacketSizeAdjustment::Never);
                camera.gv_set_packet_size(size as i32).named("packet_size")
            }
            None => camera.gv_auto_packet_size().named("packet size"),
        }
    }

    fn set_feature(&self, name: &str, value: &FeatureValue) -> Result<(), Fault> {
        let camera = self.camera;
        // A whole number may be meant for a feature that is a fraction.
        match value {
            FeatureValue::Boolean(value) => camera.set_boolean(name, *value),
            FeatureValue::Integer(value) => camera
                .set_integer(name, *value)
                .or_else(|error| camera.set_float(name, *value as f64).map_err(|_| error)),
            FeatureValue::Float(value) => camera.set_float(name, *value),
            FeatureValue::Text(value) => camera.set_string(name, value),
        }
        .named(format!("features.{name}"))
    }
}

/// Refuses what the camera does not have: setting it would be no error, and change nothing.
fn is_there(is_there: Result<bool, aravis::glib::Error>, field: &str) -> Result<(), Fault> {
    match is_there.named(field)? {
        true => Ok(()),
        false => {
            Err(Fault::between(format!("{field}: the camera has no such setting; leave it out")))
        }
    }
}

/// Makes room for frames and lets the camera take them.
fn start(camera: &Camera, config: &GenicamConfig) -> Result<Frames, Fault> {
    let bytes = camera.payload().named("PayloadSize")?;
    if u64::from(bytes) > config.max_frame_bytes {
        return Err(Fault::between(format!(
            "the camera is set to frames of {bytes} bytes, more than max_frame_bytes, {}",
            config.max_frame_bytes
        )));
    }
    let stream = camera.create_stream().named("stream")?;
    if let Some(stream) = stream.downcast_ref::<GvStream>() {
        stream.set_packet_resend(match config.packet_resend {
            true => GvStreamPacketResend::Always,
            false => GvStreamPacketResend::Never,
        });
    }
    for _ in 0..config.buffers {
        stream.push_buffer(Buffer::new_allocate(bytes as usize));
    }
    let is_asked_for = matches!(config.trigger, TriggerKind::Software | TriggerKind::Interval);
    let timeout = Duration::from_millis(config.timeout_ms.into());
    camera.start_acquisition().named("AcquisitionStart")?;
    Ok(Frames {
        stream,
        is_asked_for,
        timeout: (config.trigger != TriggerKind::Hardware).then_some(timeout),
    })
}

/// Frames that a camera has begun to take.
struct Frames {
    stream: Stream,
    is_asked_for: bool,
    timeout: Option<Duration>,
}

impl Frames {
    /// Notes when the camera is lost.
    fn watch(self, camera: Camera) -> Connected {
        let is_lost = Arc::new(AtomicBool::new(false));
        if let Some(device) = camera.device() {
            let is_lost = Arc::clone(&is_lost);
            device.connect_control_lost(move |_| is_lost.store(true, Ordering::Relaxed));
        }
        let Self { stream, is_asked_for, timeout } = self;
        let waits_since = (!is_asked_for).then(Instant::now);
        Connected { camera, stream, is_lost, is_asked_for, timeout, waits_since }
    }
}

/// A camera that takes frames.
struct Connected {
    camera: Camera,
    stream: Stream,
    is_lost: Arc<AtomicBool>,
    is_asked_for: bool,
    timeout: Option<Duration>,
    /// Since when a frame is waited for.
    waits_since: Option<Instant>,
}

impl Connection for Connected {
    fn read(&mut self, at_most: Duration) -> Result<Read, Fault> {
        let microseconds = at_most.as_micros().try_into().unwrap_or(u64::MAX);
        let Some(buffer) = self.stream.timeout_pop_buffer(microseconds) else {
            return self.check().map(|()| Read::Nothing);
        };
        self.waits_since = (!self.is_asked_for).then(Instant::now);
        let read = read_buffer(&buffer);
        self.stream.push_buffer(buffer);
        Ok(read.take_frame())
    }

    fn gives_when_asked(&self) -> bool {
        self.is_asked_for
    }

    fn ask(&mut self) -> Result<(), Fault> {
        self.camera.software_trigger().named("TriggerSoftware")?;
        self.waits_since = Some(Instant::now());
        Ok(())
    }
}

impl Connected {
    /// Whether the camera is there and gives frames as it should.
    fn check(&self) -> Result<(), Fault> {
        if self.is_lost.load(Ordering::Relaxed) {
            return Err(Fault::between("the camera does not answer any more"));
        }
        match (self.timeout, self.waits_since) {
            (Some(timeout), Some(since)) if since.elapsed() > timeout => {
                let seconds = timeout.as_secs_f64();
                Err(Fault::between(format!("the camera gave no frame within {seconds} s")))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        // A camera that is gone can't be told.
        let _ = self.camera.stop_acquisition();
    }
}

/// What a buffer holds, copied.
enum Copied {
    Read(Read),
    Frame { data: Vec<u8>, shape: Shape, format: u32, number: u64, time: Option<Timestamp> },
}

fn read_buffer(buffer: &Buffer) -> Copied {
    let status = buffer.status();
    // What Aravis says of a frame whose first packet was lost; none of GigE Vision has it.
    let number = Some(buffer.frame_id()).filter(|&number| number != 0);
    let broken = |number, reason: String| Copied::Read(Read::Broken { number, reason });
    match status {
        BufferStatus::Success => {}
        // Nothing of a frame has arrived.
        BufferStatus::Cleared | BufferStatus::Unknown | BufferStatus::Filling => {
            return broken(None, format!("a frame ended before it began ({status:?})"));
        }
        _ => return broken(number, format!("a frame did not arrive whole ({status:?})")),
    }
    let payload = buffer.payload_type();
    let is_image =
        matches!(payload, BufferPayloadType::Image | BufferPayloadType::ExtendedChunkData);
    if !is_image {
        return broken(number, format!("a frame is no single picture ({payload:?})"));
    }
    let shape = Shape {
        width: buffer.image_width().try_into().unwrap_or(0),
        height: buffer.image_height().try_into().unwrap_or(0),
        padding: buffer.image_padding().0.try_into().unwrap_or(0),
    };
    let time = Timestamp::from_nanosecond(buffer.system_timestamp().into()).ok();
    Copied::Frame {
        data: buffer.image_data(),
        shape,
        format: buffer.image_pixel_format().raw(),
        number: buffer.frame_id(),
        time: time.filter(|time| *time != Timestamp::UNIX_EPOCH),
    }
}

impl Copied {
    fn take_frame(self) -> Read {
        let (data, shape, format, number, time) = match self {
            Self::Read(read) => return read,
            Self::Frame { data, shape, format, number, time } => {
                (data, shape, format, number, time)
            }
        };
        let pixels = match CameraFormat::from_pfnc(format) {
            Some(format) => format.to_pixels(data, shape),
            None => Err(format!(
                "pixel format {format:#010x} is not understood; set pixel_format to one that \
                 docs/cameras.md lists"
            )),
        };
        let payload = pixels.map_or_else(Payload::Unreadable, Payload::Pixels);
        Read::Frame(RawFrame { payload, number: Some(number), time })
    }
}
