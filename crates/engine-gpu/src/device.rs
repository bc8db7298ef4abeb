//! Which devices there are.

use crate::check::{self, Wrong};
use crate::error::GpuError;
#[cfg(feature = "cuda")]
use burn_tensor::DeviceType;
use burn_tensor::wgpu::{WgpuBackend, WgpuInitError, wgpu};
use burn_tensor::{DType, Device, DeviceKind};
use efficientad_engine::Precision;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The name of the interface that is NVIDIA's alone.
#[cfg(feature = "cuda")]
const CUDA: &str = "cuda";

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
    /// The interface that it is used by: `cuda`, `vulkan`, `metal` or `dx12`.
    pub interface: String,
    /// The driver and its version; of CUDA what kernels are compiled for.
    pub driver: String,
    /// Bytes of the largest piece of memory that it gives at once, if the interface tells.
    pub largest_buffer: Option<u64>,
    /// What it can compute in, the most precise first.
    precisions: Vec<Precision>,
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
/// driver is installed. A GPU that CUDA and another interface know is listed for each, CUDA first.
pub fn devices() -> &'static [GpuDevice] {
    // Drivers don't like to be asked by several threads, nor while a device is in use.
    static DEVICES: OnceLock<Vec<GpuDevice>> = OnceLock::new();
    DEVICES.get_or_init(found)
}

fn found() -> Vec<GpuDevice> {
    let mut devices = by_cuda();
    devices.append(&mut by_wgpu());
    // Stable: of the same kind those of CUDA stay first.
    devices.sort_by_key(|device| device.kind as u8);
    devices
}

#[cfg(feature = "cuda")]
fn by_cuda() -> Vec<GpuDevice> {
    let of = |(number, device): (usize, Device)| {
        let identity = device.identity()?;
        let has = |&(_, numbers): &(Precision, DType)| device.supports_dtype(numbers);
        let all = [
            (Precision::F32, DType::F32),
            (Precision::F16, DType::F16),
            (Precision::Bf16, DType::BF16),
        ];
        Some(GpuDevice {
            name: identity.name,
            kind: GpuKind::Discrete,
            interface: CUDA.to_owned(),
            driver: identity.fingerprint,
            largest_buffer: None,
            precisions: all.iter().filter(|it| has(it)).map(|&(precision, _)| precision).collect(),
            of_kind: number,
        })
    };
    Device::enumerate(DeviceType::Cuda).into_iter().enumerate().filter_map(of).collect()
}

#[cfg(not(feature = "cuda"))]
fn by_cuda() -> Vec<GpuDevice> {
    Vec::new()
}

fn by_wgpu() -> Vec<GpuDevice> {
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
                largest_buffer: Some(adapter.limits().max_storage_buffer_binding_size),
                precisions: match adapter.features().contains(wgpu::Features::SHADER_F16) {
                    true => vec![Precision::F32, Precision::F16],
                    false => vec![Precision::F32],
                },
                of_kind: *number,
            });
            *number += 1;
        }
        if !devices.is_empty() {
            break;
        }
    }
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
    /// What it can inspect and train in, the most precise first.
    pub fn precisions(&self) -> &[Precision] {
        &self.precisions
    }

    /// The numbers of a precision.
    pub(crate) fn numbers(&self, precision: Precision) -> Result<DType, GpuError> {
        match precision {
            _ if !self.precisions.contains(&precision) => {
                let has: Vec<String> = self.precisions.iter().map(ToString::to_string).collect();
                let (device, has) = (self.to_string(), has.join(" and "));
                Err(GpuError::NoSuchPrecision { device, precision, has })
            }
            Precision::F16 => Ok(DType::F16),
            Precision::Bf16 => Ok(DType::BF16),
            _ => Ok(DType::F32),
        }
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
        #[cfg(feature = "cuda")]
        if self.interface == CUDA {
            return Ok(Device::cuda(self.of_kind));
        }
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
