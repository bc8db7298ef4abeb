//! The three networks together, as inspection runs them.

use crate::network::{ConvTensors, Resizes, forward};
use crate::parameters::fixed;
use crate::pdn::Pdn;
use crate::transfer::{maps, read};
use burn_tensor::{DType, Device, Tensor, s};
use efficientad_engine::{
    DifferenceMaps, EngineError, InputSize, Layer, Networks, PdnSize, PreparedNetworks,
    PreparedTeacher, STUDENT_CHANNELS, Shape, Share, TEACHER_CHANNELS, Tensor as Features,
    TensorView, Weights, autoencoder_layers,
};

/// Images whose work is given to the device before the first result is waited for.
pub(crate) const AT_ONCE: usize = 8;

/// The three networks, their weights sent to the device once.
pub(crate) struct GpuNetworks {
    device: Device,
    numbers: DType,
    input: InputSize,
    teacher: Pdn,
    student: Pdn,
    layers: Vec<Layer>,
    resizes: Resizes,
    autoencoder: Vec<ConvTensors>,
}

impl GpuNetworks {
    pub(crate) fn new(device: &Device, numbers: DType, networks: &Networks) -> Self {
        let layers = autoencoder_layers();
        let pdn = |channels: usize, weights: &Weights| {
            Pdn::new(device, numbers, (networks.size, channels), weights)
        };
        Self {
            device: device.clone(),
            numbers,
            input: networks.input,
            teacher: pdn(TEACHER_CHANNELS, &networks.teacher),
            student: pdn(STUDENT_CHANNELS, &networks.student),
            resizes: Resizes::new(device, numbers, &layers, networks.input),
            autoencoder: fixed(device, numbers, &layers, &networks.autoencoder),
            layers,
        }
    }

    /// The two difference maps of an image, one after the other.
    fn compare_one(&self, image: Tensor<4>) -> Tensor<1> {
        let teacher = self.teacher.describe(image.clone());
        let student = self.student.describe(image.clone());
        let mut predicted = image;
        for (i, (layer, conv)) in self.layers.iter().zip(&self.autoencoder).enumerate() {
            predicted = forward(layer, self.resizes.forward(i, predicted), conv).0;
        }
        let half =
            |from: usize| student.clone().slice(s![.., .., .., from..from + TEACHER_CHANNELS]);
        let map = |features: Tensor<4>, student: Tensor<4>| {
            let difference = features.cast(DType::F32) - student.cast(DType::F32);
            difference.square().mean_dim(3).flatten::<1>(0, 3)
        };
        let against = [map(teacher, half(0)), map(predicted, half(TEACHER_CHANNELS))];
        Tensor::cat(against.to_vec(), 0)
    }
}

impl PreparedNetworks for GpuNetworks {
    /// Images run one by one, so that the maps of one don't depend on others; several are on their
    /// way to the device and back at once.
    fn compare(
        &self,
        images: TensorView<'_>,
        _: Share,
    ) -> Result<Vec<DifferenceMaps>, EngineError> {
        assert_eq!(images.shape, self.input.shape(images.shape.images), "images of another size");
        let (height, width) = self.input.feature_size();
        let mut all = Vec::with_capacity(images.shape.images);
        let image_len = images.shape.image_len();
        for some in images.data.chunks(AT_ONCE * image_len) {
            let started: Vec<Tensor<1>> = some
                .chunks(image_len)
                .map(|data| TensorView { shape: self.input.shape(1), data })
                .map(|image| self.compare_one(maps(&self.device, image).cast(self.numbers)))
                .collect();
            for maps in started {
                let mut student_teacher = read(maps)?;
                let student_autoencoder = student_teacher.split_off(height * width);
                all.push(DifferenceMaps { height, width, student_teacher, student_autoencoder });
            }
        }
        Ok(all)
    }
}

/// A teacher alone.
pub(crate) struct GpuTeacher {
    device: Device,
    numbers: DType,
    pdn: Pdn,
}

impl GpuTeacher {
    pub(crate) fn new(device: &Device, numbers: DType, size: PdnSize, weights: &Weights) -> Self {
        let pdn = Pdn::new(device, numbers, (size, TEACHER_CHANNELS), weights);
        Self { device: device.clone(), numbers, pdn }
    }
}

impl PreparedTeacher for GpuTeacher {
    fn describe(&self, images: TensorView<'_>) -> Result<Features, EngineError> {
        let mut all: Option<Features> = None;
        for image in 0..images.shape.images {
            let shape = Shape { images: 1, ..images.shape };
            let data = &images.data[image * shape.len()..][..shape.len()];
            let image_maps = maps(&self.device, TensorView { shape, data }).cast(self.numbers);
            let features = self.pdn.describe(image_maps).cast(DType::F32);
            let [_, height, width, channels] = features.dims();
            let shape = Shape { images: images.shape.images, height, width, channels };
            let all = all.get_or_insert_with(|| Features::zeros(shape));
            all.images_mut(image..image + 1).data.copy_from_slice(&read(features)?);
        }
        Ok(all.unwrap_or_default())
    }
}
