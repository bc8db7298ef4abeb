//! ONNX Runtime's execution providers: what they are called, and what they are told.

use crate::error::OnnxRuntimeError;
use crate::library::Runtime;
use efficientad_engine::Precision;
use ort::ep::{
    self, ArbitrarilyConfigurableExecutionProvider, ExecutionProvider, ExecutionProviderDispatch,
};
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// What of ONNX Runtime computes: its execution providers, and for OpenVINO the kind of device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Provider {
    /// The CPU.
    #[default]
    Cpu,
    /// An NVIDIA GPU, by CUDA.
    Cuda,
    /// An NVIDIA GPU, by TensorRT, which first builds an engine of the networks for it.
    TensorRt,
    /// The CPU, by OpenVINO.
    OpenVino,
    /// An Intel GPU, by OpenVINO.
    OpenVinoGpu,
    /// An Intel NPU, by OpenVINO.
    OpenVinoNpu,
    /// A GPU of any make under Windows, by DirectX 12.
    DirectMl,
    /// An Apple computer, by Core ML.
    CoreMl,
    /// An AMD GPU, by MIGraphX.
    MiGraphX,
}

impl Provider {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Cpu,
        Self::Cuda,
        Self::TensorRt,
        Self::OpenVino,
        Self::OpenVinoGpu,
        Self::OpenVinoNpu,
        Self::DirectMl,
        Self::CoreMl,
        Self::MiGraphX,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::OpenVino => "openvino",
            Self::OpenVinoGpu => "openvino-gpu",
            Self::OpenVinoNpu => "openvino-npu",
            Self::DirectMl => "directml",
            Self::CoreMl => "coreml",
            Self::MiGraphX => "migraphx",
        }
    }

    /// What it can compute in on this machine, the most precise first, which is the default.
    ///
    /// TensorRT computes single precision in TF32 wherever the GPU has it, and ONNX Runtime has no
    /// way to forbid that. Core ML computes in half precision but on the CPU.
    pub fn precisions(self) -> Vec<Precision> {
        use Precision::{Bf16, F16, F32, Tf32};
        match self {
            Self::Cpu | Self::DirectMl => vec![F32],
            Self::Cuda => vec![F32, Tf32],
            Self::TensorRt => vec![Tf32, F16],
            Self::OpenVino if cpu_has_bf16() => vec![F32, Bf16],
            Self::OpenVino => vec![F32],
            Self::OpenVinoGpu | Self::CoreMl | Self::MiGraphX => vec![F32, F16],
            Self::OpenVinoNpu => vec![F16],
        }
    }

    /// The precision wished for, if it is there.
    pub(crate) fn precision(self, wish: Option<Precision>) -> Result<Precision, OnnxRuntimeError> {
        let available = self.precisions();
        let precision = wish.unwrap_or(available[0]);
        if available.contains(&precision) {
            Ok(precision)
        } else {
            Err(OnnxRuntimeError::Precision { provider: self, precision, available })
        }
    }

    /// The number of the device; none where there are no numbers.
    pub(crate) fn device(self, wish: Option<u16>) -> Result<Option<u16>, OnnxRuntimeError> {
        let numbered = match self {
            Self::Cuda | Self::TensorRt | Self::OpenVinoGpu | Self::DirectMl | Self::MiGraphX => {
                true
            }
            Self::Cpu | Self::OpenVino | Self::OpenVinoNpu | Self::CoreMl => false,
        };
        match (numbered, wish) {
            (true, wish) => Ok(Some(wish.unwrap_or_default())),
            (false, None) => Ok(None),
            (false, Some(_)) => Err(OnnxRuntimeError::Device { provider: self }),
        }
    }

    /// What an [`EngineId`](efficientad_engine::EngineId) calls the device. CPUs are named by the
    /// instructions that results depend on.
    pub(crate) fn device_name(self, device: Option<u16>) -> String {
        let number = device.map_or_else(String::new, |number| format!(" {number}"));
        match self {
            Self::Cpu => format!("cpu {}", instructions()),
            Self::OpenVino => format!("openvino cpu {}", instructions()),
            Self::OpenVinoGpu => format!("openvino gpu{number}"),
            Self::OpenVinoNpu => "openvino npu".to_owned(),
            _ => format!("{}{number}", self.name()),
        }
    }

    /// Whether networks run on the CPU's threads.
    pub(crate) fn takes_threads(self) -> bool {
        matches!(self, Self::Cpu | Self::OpenVino)
    }

    /// Fails if the library was built without it.
    pub(crate) fn check_available(self, runtime: &Runtime) -> Result<(), OnnxRuntimeError> {
        let available = match self {
            Self::Cpu => ep::CPU::is_available(),
            Self::Cuda => ep::CUDA::is_available(),
            Self::TensorRt => ep::TensorRT::is_available(),
            Self::OpenVino | Self::OpenVinoGpu | Self::OpenVinoNpu => ep::OpenVINO::is_available(),
            Self::DirectMl => ep::DirectML::is_available(),
            Self::CoreMl => ep::CoreML::is_available(),
            Self::MiGraphX => ep::MIGraphX::is_available(),
        };
        match available {
            Ok(true) => Ok(()),
            Ok(false) => Err(OnnxRuntimeError::NoProvider {
                provider: self,
                library: runtime.library.clone(),
                version: runtime.version.clone(),
            }),
            Err(error) => {
                Err(OnnxRuntimeError::Provider { provider: self, reason: error.to_string() })
            }
        }
    }

    /// What sessions are told to compute with, and with nothing else; nothing for the CPU, which
    /// ONNX Runtime always has.
    pub(crate) fn dispatch(self, settings: &Settings<'_>) -> Option<ExecutionProviderDispatch> {
        let Settings { device, precision, threads, cache } = *settings;
        let number = i32::from(device.unwrap_or_default());
        let f16 = precision == Precision::F16;
        let dispatch = match self {
            Self::Cpu => return None,
            Self::Cuda => ep::CUDA::default()
                .with_device_id(number)
                .with_tf32(precision == Precision::Tf32)
                // A search by timing would choose other algorithms, of other rounding, from time to
                // time.
                .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
                .build(),
            Self::TensorRt => {
                let trt = ep::TensorRT::default().with_device_id(number).with_fp16(f16);
                let cached = |trt: ep::TensorRT, folder: &Path| {
                    let folder = folder.display();
                    trt.with_engine_cache(true)
                        .with_engine_cache_path(&folder)
                        .with_timing_cache(true)
                        .with_timing_cache_path(&folder)
                };
                cache.into_iter().fold(trt, cached).build()
            }
            Self::OpenVino => open_vino("CPU", precision).with_num_threads(threads).build(),
            Self::OpenVinoGpu => open_vino(&format!("GPU.{number}"), precision).build(),
            Self::OpenVinoNpu => open_vino("NPU", precision).build(),
            Self::DirectMl => ep::DirectML::default().with_device_id(number).build(),
            Self::CoreMl => {
                let units = match f16 {
                    true => ep::coreml::ComputeUnits::All,
                    false => ep::coreml::ComputeUnits::CPUOnly,
                };
                ep::CoreML::default()
                    .with_model_format(ep::coreml::ModelFormat::MLProgram)
                    .with_compute_units(units)
                    .build()
            }
            Self::MiGraphX => ep::MIGraphX::default().with_device_id(number).with_fp16(f16).build(),
        };
        Some(dispatch.error_on_failure())
    }

    /// Which package of PyPI has a library with it.
    fn package(self) -> &'static str {
        match self {
            Self::Cpu | Self::CoreMl => "onnxruntime",
            Self::Cuda | Self::TensorRt => "onnxruntime-gpu",
            Self::OpenVino | Self::OpenVinoGpu | Self::OpenVinoNpu => "onnxruntime-openvino",
            Self::DirectMl => "onnxruntime-directml",
            Self::MiGraphX => "onnxruntime-migraphx",
        }
    }

    /// What to install, and how to name it.
    pub(crate) fn remedy(self) -> String {
        let file = match std::env::consts::OS {
            "windows" => "onnxruntime.dll",
            "macos" => "libonnxruntime.*.dylib",
            _ => "libonnxruntime.so.*",
        };
        format!(
            "`pip install {}` brings one with {self}: its file is onnxruntime/capi/{file} in the \
             folder that `pip show` calls Location; name it by --onnxruntime FILE or by the \
             environment variable EFFICIENTAD_ONNXRUNTIME",
            self.package()
        )
    }

    /// What it needs beside the library.
    pub(crate) fn needs(self) -> &'static str {
        match self {
            Self::Cpu => "try another build of the library",
            Self::Cuda => {
                "it needs an NVIDIA driver, and CUDA and cuDNN of the versions that the library was \
                 built for, where the system finds them (LD_LIBRARY_PATH, or PATH under Windows)"
            }
            Self::TensorRt => {
                "it needs an NVIDIA driver, and CUDA, cuDNN and TensorRT of the versions that the \
                 library was built for, where the system finds them (LD_LIBRARY_PATH, or PATH under \
                 Windows)"
            }
            Self::OpenVino => {
                "the other files of the package onnxruntime-openvino must lie beside the library"
            }
            Self::OpenVinoGpu | Self::OpenVinoNpu => {
                "it needs such a device of Intel and its driver, and the other files of the package \
                 onnxruntime-openvino beside the library"
            }
            Self::DirectMl => "it needs Windows 10 or later and a GPU for DirectX 12",
            Self::CoreMl => "it needs macOS 12 or later",
            Self::MiGraphX => "it needs an AMD GPU, its driver and ROCm",
        }
    }
}

/// What a provider is told.
#[derive(Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub device: Option<u16>,
    pub precision: Precision,
    pub threads: usize,
    /// Folder for what TensorRT builds.
    pub cache: Option<&'a Path>,
}

/// OpenVINO takes what it thinks best unless it is told: bfloat16 on CPUs that have it, half
/// precision on GPUs.
fn open_vino(device: &str, precision: Precision) -> ep::OpenVINO {
    let provider = ep::OpenVINO::default().with_device_type(device);
    match precision {
        Precision::F16 => provider.with_precision("FP16"),
        Precision::Bf16 => provider.with_arbitrary_config(
            "load_config",
            format!(r#"{{"{device}":{{"INFERENCE_PRECISION_HINT":"bf16"}}}}"#),
        ),
        _ => provider.with_precision("FP32"),
    }
}

/// Whether the CPU multiplies numbers in bfloat16 itself.
#[cfg(target_arch = "x86_64")]
fn cpu_has_bf16() -> bool {
    std::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has_bf16() -> bool {
    false
}

/// The CPU's instructions that a library's choice of kernels, and so its rounding, depends on.
fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx512f") {
            "avx512"
        } else if std::is_x86_feature_detected!("avx2") {
            "avx2"
        } else {
            "sse2"
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        std::env::consts::ARCH
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|provider| provider.name() == text);
        found.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|provider| provider.name()).collect();
            format!("choose one of {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse(), Ok(provider));
        }
        assert!("gpu".parse::<Provider>().unwrap_err().contains("cuda, tensorrt"));
    }

    #[test]
    fn the_default_precision_is_the_highest() {
        for provider in Provider::ALL {
            let precisions = provider.precisions();
            assert!(precisions.windows(2).all(|pair| pair[1].is_lower_than(pair[0])));
            assert_eq!(provider.precision(None).unwrap(), precisions[0]);
        }
        let refused = Provider::Cpu.precision(Some(Precision::F16)).unwrap_err().to_string();
        assert_eq!(refused, "cpu does not compute in f16 here; it does in f32");
        assert!(Provider::TensorRt.precision(Some(Precision::F32)).is_err());
    }

    #[test]
    fn devices_have_numbers_where_there_are_several() {
        assert_eq!(Provider::Cuda.device(None).unwrap(), Some(0));
        assert_eq!(Provider::Cuda.device_name(Some(1)), "cuda 1");
        assert_eq!(Provider::OpenVinoGpu.device_name(Some(0)), "openvino gpu 0");
        assert_eq!(Provider::Cpu.device(None).unwrap(), None);
        assert!(Provider::Cpu.device_name(None).starts_with("cpu "));
        let refused = Provider::OpenVino.device(Some(0)).unwrap_err().to_string();
        assert_eq!(refused, "openvino is one device without a number: leave the number out");
    }
}
