//! Which devices there are.

use crate::check::{self, Wrong};
use crate::error::GpuError;
use burn_tensor::wgpu::{WgpuBackend, WgpuInitError, wgpu};
use burn_tensor::{DType, Device, DeviceKind};
use efficientad_engine::Precision;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// What kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GpuKind {
    /// A card of its own, with memory of its own.
    Discrete,
    /// A part of the processor, which shares its memory.
    Integrated,
    /// A part of a GPU that a virtual machine has.
    Virtual,
    /// No GPU: a program that computes on the CPU what a GPU would, slowly; for trying.
    Software,
    /// The driver doesn't say.
    Unknown,
}

impl fmt::Display for GpuKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Virtual => "virtual",
            Self::Software => "software",
            Self::Unknown => "unknown",
        })
    }
}

/// A device that networks can run on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GpuDevice {
    /// As it names itself.
    pub name: String,
    /// What kind.
    pub kind: GpuKind,
    /// The interface that it is used by: `vulkan`, `metal` or `dx12`.
    pub interface: String,
    /// The driver and its version.
    pub driver: String,
    /// Bytes of the largest piece of memory that it gives at once.
    pub largest_buffer: u64,
    has_half_precision: bool,
    /// Its number among those of its kind, as the runtime counts.
    of_kind: usize,
}

/// Names all that the bits of a result depend on: device, interface and driver.
impl fmt::Display for GpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.name, self.interface)?;
        match self.driver.as_str() {
            "" => Ok(()),
            driver => write!(f, ", {driver}"),
        }
    }
}

/// The devices of this machine, GPUs with memory of their own first, software last; none where no
/// driver is installed.
pub fn devices() -> &'static [GpuDevice] {
    // Drivers don't like to be asked by several threads, nor while a device is in use.
    static DEVICES: OnceLock<Vec<GpuDevice>> = OnceLock::new();
    DEVICES.get_or_init(found)
}

fn found() -> Vec<GpuDevice> {
    let mut devices = Vec::new();
    // The first interface that knows any device: the others would name the same ones again.
    for backend in [wgpu::Backends::VULKAN, wgpu::Backends::METAL, wgpu::Backends::DX12] {
        let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
            backends: backend,
            ..wgpu::InstanceDescriptor::new_without_display_handle()
        });
        let adapters = pollster::block_on(instance.enumerate_adapters(backend));
        let mut of_kind: HashMap<GpuKind, usize> = HashMap::new();
        for adapter in adapters {
            let info = adapter.get_info();
            let kind = kind(info.device_type);
            let number = of_kind.entry(kind).or_default();
            devices.push(GpuDevice {
                name: info.name,
                kind,
                interface: info.backend.to_str().to_owned(),
                driver: [info.driver, info.driver_info].join(" ").trim().to_owned(),
                largest_buffer: adapter.limits().max_storage_buffer_binding_size,
                has_half_precision: adapter.features().contains(wgpu::Features::SHADER_F16),
                of_kind: *number,
            });
            *number += 1;
        }
        if !devices.is_empty() {
            break;
        }
    }
    devices.sort_by_key(|device| device.kind as u8);
    devices
}

fn kind(device_type: wgpu::DeviceType) -> GpuKind {
    match device_type {
        wgpu::DeviceType::DiscreteGpu => GpuKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => GpuKind::Integrated,
        wgpu::DeviceType::VirtualGpu => GpuKind::Virtual,
        wgpu::DeviceType::Cpu => GpuKind::Software,
        wgpu::DeviceType::Other => GpuKind::Unknown,
    }
}

impl GpuDevice {
    /// What it can inspect in, the most precise first.
    pub fn precisions(&self) -> Vec<Precision> {
        match self.has_half_precision {
            true => vec![Precision::F32, Precision::F16],
            false => vec![Precision::F32],
        }
    }

    /// The numbers of a precision.
    pub(crate) fn numbers(&self, precision: Precision) -> Result<DType, GpuError> {
        let numbers = match precision {
            Precision::F32 => DType::F32,
            Precision::F16 if self.has_half_precision => DType::F16,
            _ => {
                let has: Vec<String> = self.precisions().iter().map(ToString::to_string).collect();
                let (device, has) = (self.to_string(), has.join(" and "));
                return Err(GpuError::NoSuchPrecision { device, precision, has });
            }
        };
        Ok(numbers)
    }

    /// Opens the device, once in a program, and has it compute something that is known.
    pub(crate) fn open(&self) -> Result<Device, GpuError> {
        static OPEN: Mutex<Option<HashMap<GpuDevice, Device>>> = Mutex::new(None);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let open = open.get_or_insert_default();
        if let Some(device) = open.get(self) {
            return Ok(device.clone());
        }
        let device = self
            .initialized()
            .map_err(|reason| GpuError::NotOpened { device: self.to_string(), reason })?;
        check::computes_right(&device).map_err(|wrong| match wrong {
            Wrong::Off { what, error } => {
                GpuError::ComputesWrongly { device: self.to_string(), what, error }
            }
            Wrong::Failed(error) => error.into(),
        })?;
        open.insert(self.clone(), device.clone());
        Ok(device)
    }

    fn initialized(&self) -> Result<Device, String> {
        let kind = match self.kind {
            GpuKind::Discrete => DeviceKind::DiscreteGpu(self.of_kind),
            GpuKind::Integrated => DeviceKind::IntegratedGpu(self.of_kind),
            GpuKind::Virtual => DeviceKind::VirtualGpu(self.of_kind),
            GpuKind::Software => DeviceKind::Cpu,
            GpuKind::Unknown => return Err("its driver does not say what it is".to_owned()),
        };
        let interface = match self.interface.as_str() {
            "metal" => WgpuBackend::Metal,
            "dx12" => WgpuBackend::Dx12,
            _ => WgpuBackend::Vulkan,
        };
        let options = Device::wgpu_options().device_kind(kind).graphics_api(interface);
        options.init().map_err(|error: WgpuInitError| error.to_string())
    }
}
