//! One training step: features, losses, gradients, update.

use super::autoencoder::TrainableAutoencoder;
use super::conv::TrainableConv;
#[cfg(test)]
use super::conv::weights;
use super::features::FeatureCache;
use super::losses::{
    TeacherFeatures, autoencoder_loss, hard_loss, penalty, student_autoencoder_loss,
};
use super::student::TrainableStudent;
use crate::pdn::{HiddenMaps, Pdn};
use efficientad_engine::{
    AutoencoderInput, AutoencoderPlan, ConvWeights, Gradients, InputSize, Losses, PdnSize,
    StepInputs, StepPlan, TEACHER_CHANNELS, Tensor, TensorView, ValidMask, Weights,
};
use efficientad_kernels::Workspace;
use half::f16;
use half::slice::HalfFloatSliceExt;
use std::sync::Arc;

/// Weights that a step starts from; the teacher's are those with the normalisation folded in.
pub(crate) struct StepWeights<'a> {
    pub size: PdnSize,
    pub input: InputSize,
    pub normalized_teacher: &'a Weights,
    pub student: &'a Weights,
    pub autoencoder: &'a Weights,
}

/// The networks and the memory of training.
pub(crate) struct StepNetworks {
    pub workspace: Workspace,
    teacher: Pdn,
    teacher_hidden: HiddenMaps,
    teacher_features: Tensor,
    pub student: TrainableStudent,
    pub autoencoder: TrainableAutoencoder,
}

impl StepNetworks {
    pub(crate) fn new(workspace: Workspace, weights: &StepWeights<'_>) -> Self {
        let cpu = workspace.cpu();
        Self {
            teacher: Pdn::new(cpu, weights.size, TEACHER_CHANNELS, weights.normalized_teacher),
            teacher_hidden: HiddenMaps::default(),
            teacher_features: Tensor::default(),
            student: TrainableStudent::new(cpu, weights.size, weights.student),
            autoencoder: TrainableAutoencoder::new(cpu, weights.input, weights.autoencoder),
            workspace,
        }
    }

    /// Has the teacher describe an image.
    fn describe(&mut self, image: TensorView<'_>) {
        self.teacher.forward(
            &mut self.workspace,
            image,
            &mut self.teacher_hidden,
            &mut self.teacher_features,
        );
    }

    /// Computes losses and gradients of a step.
    pub(crate) fn losses(
        &mut self,
        inputs: &StepInputs,
        features: &mut FeatureCache,
        plan: &AutoencoderPlan,
    ) -> Losses {
        Arc::clone(self.workspace.cpu()).run(|| {
            let plain = self.plain_features(features, inputs.image, inputs.plain());
            let mut losses = self.losses_given(plain, inputs, plan);
            for more in &inputs.for_autoencoder {
                losses.autoencoder += self.teach_autoencoder(more, features, plan);
            }
            losses.autoencoder /= (1 + inputs.for_autoencoder.len()) as f32;
            losses
        })
    }

    /// The teacher's features of an image without jitter: from the cache, or as they would be from
    /// there.
    fn plain_features<'a>(
        &mut self,
        features: &'a mut FeatureCache,
        number: Option<usize>,
        image: TensorView<'_>,
    ) -> &'a [f16] {
        if !number.is_some_and(|number| features.has(number)) {
            self.describe(image);
            features.insert(number, self.teacher_features.data());
        }
        features.get(number)
    }

    /// As [`StepNetworks::losses`], with the teacher's features of the image without jitter given.
    pub(crate) fn losses_given<T: Copy>(
        &mut self,
        plain: &[T],
        inputs: &StepInputs,
        plan: &AutoencoderPlan,
    ) -> Losses
    where
        [T]: TeacherFeatures,
    {
        self.describe(inputs.jittered());
        let workspace = &mut self.workspace;
        self.student.forward(workspace, inputs.batch.view());
        self.autoencoder.forward(workspace, inputs.jittered(), plan.dropout());

        let (cpu, valid) = (workspace.cpu(), &inputs.valid);
        let plain = valid.gather(plain, TEACHER_CHANNELS);
        let teacher_half = &mut self.student.teacher_half;
        let hard = valid.change(teacher_half.images_mut(0..1).data, TEACHER_CHANNELS, |student| {
            hard_loss(cpu, &plain[..], student)
        });
        let penalty = inputs.has_photo().then(|| penalty(cpu, teacher_half.images_mut(1..2).data));
        let (prediction, _) = self.autoencoder.features_and_gradient();
        let prediction = valid.gather(prediction.data(), TEACHER_CHANNELS);
        let student = self.student.autoencoder_half.data_mut();
        let student_autoencoder = valid.change(student, TEACHER_CHANNELS, |student| {
            student_autoencoder_loss(cpu, &prediction, student)
        });
        let autoencoder = self.autoencoder_gradient(inputs.jittered(), &inputs.valid, plan);
        self.student.backward(&mut self.workspace, inputs.batch.view());
        Losses { hard, penalty, autoencoder, student_autoencoder }
    }

    /// Has the autoencoder learn from one more image; its loss.
    fn teach_autoencoder(
        &mut self,
        more: &AutoencoderInput,
        features: &mut FeatureCache,
        plan: &AutoencoderPlan,
    ) -> f32 {
        let image = more.input.view();
        let plain = self.plain_features(features, more.image, image);
        plain.convert_to_f32_slice(self.teacher_features.data_mut());
        self.autoencoder.forward(&mut self.workspace, image, plan.dropout());
        self.autoencoder_gradient(image, &more.valid, plan)
    }

    /// The loss and the gradients of the autoencoder for an image that it has been shown last, and
    /// whose features are the teacher's last.
    fn autoencoder_gradient(
        &mut self,
        image: TensorView<'_>,
        valid: &ValidMask,
        plan: &AutoencoderPlan,
    ) -> f32 {
        let workspace = &mut self.workspace;
        let teacher = valid.gather(self.teacher_features.data(), TEACHER_CHANNELS);
        let student = match plan {
            AutoencoderPlan::Adam { .. } => {
                let gradient = self.student.autoencoder_half.data();
                Some(valid.gather(gradient, TEACHER_CHANNELS))
            }
            AutoencoderPlan::Muon { .. } => None,
        };
        let (prediction, gradient) = self.autoencoder.features_and_gradient();
        let prediction = valid.gather(prediction.data(), TEACHER_CHANNELS);
        let loss = valid.change(gradient.data_mut(), TEACHER_CHANNELS, |gradient| {
            autoencoder_loss(workspace.cpu(), &teacher, &prediction, student.as_deref(), gradient)
        });
        self.autoencoder.backward(workspace, image, plan.dropout());
        if let AutoencoderPlan::Muon { .. } = plan {
            self.autoencoder.sum_gradient(workspace.cpu());
        }
        loss
    }

    /// Updates all weights by the gradients of the last losses.
    pub(crate) fn update(&mut self, plan: &StepPlan) {
        let Self { student, autoencoder, workspace, .. } = self;
        let cpu = workspace.cpu();
        cpu.run(|| {
            student.pdn.convs.iter_mut().for_each(|conv| conv.update(cpu, &plan.adam));
            match &plan.autoencoder {
                AutoencoderPlan::Adam { .. } => {
                    autoencoder.convs.iter_mut().for_each(|conv| conv.update(cpu, &plan.adam));
                }
                AutoencoderPlan::Muon { muon, adam } => autoencoder.update_by_muon(cpu, muon, adam),
            }
        });
    }

    /// The gradients of the last losses.
    pub(crate) fn take_gradients(&mut self, plan: &AutoencoderPlan) -> Gradients {
        let Self { student, autoencoder, workspace, .. } = self;
        let of = |convs: &mut [TrainableConv]| {
            let gradients = convs.iter_mut().map(|conv| {
                let (weight, bias) = conv.gradients(workspace.cpu());
                ConvWeights { weight: weight.to_vec(), bias: bias.to_vec() }
            });
            Weights(gradients.collect())
        };
        Gradients {
            student: of(&mut student.pdn.convs),
            autoencoder: match plan {
                AutoencoderPlan::Adam { .. } => of(&mut autoencoder.convs),
                AutoencoderPlan::Muon { .. } => autoencoder.take_summed_gradient(),
            },
        }
    }

    /// The weights of the student and the autoencoder as they are now.
    #[cfg(test)]
    pub(crate) fn weights(&self) -> [Weights; 2] {
        [weights(&self.student.pdn.convs), weights(&self.autoencoder.convs)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use efficientad_engine::{
        Adam, Muon, Purpose, Random, STUDENT_CHANNELS, autoencoder_layers, pdn_layers,
    };
    use efficientad_kernels::{Cpu, InstructionSet};

    const IMAGES: u64 = 3;

    fn networks() -> StepNetworks {
        let size = PdnSize::Small;
        let draw = |layers: &[_], index| {
            Weights::initialized(layers, &mut Random::new(0, Purpose::StudentWeights, index))
        };
        StepNetworks::new(
            Workspace::new(Arc::new(Cpu::new(2, InstructionSet::best()).unwrap())),
            &StepWeights {
                size,
                input: InputSize::default(),
                normalized_teacher: &draw(&pdn_layers(size, TEACHER_CHANNELS), 0),
                student: &draw(&pdn_layers(size, STUDENT_CHANNELS), 1),
                autoencoder: &draw(&autoencoder_layers(), 2),
            },
        )
    }

    fn noise(image: u64) -> Tensor {
        let mut random = Random::new(0, Purpose::Augmentation, image);
        let mut tensor = Tensor::zeros(InputSize::default().shape(1));
        tensor.data_mut().iter_mut().for_each(|value| *value = random.between(-2.0, 2.0));
        tensor
    }

    /// A step that shows image 0 as it is, one image with jitter, and more to the autoencoder.
    fn inputs(jittered: u64, more: &[u64]) -> StepInputs {
        let mut batch = Tensor::zeros(InputSize::default().shape(2));
        for (place, image) in [0, jittered].into_iter().enumerate() {
            batch.images_mut(place..place + 1).data.copy_from_slice(noise(image).data());
        }
        let more = more.iter().map(|&image| AutoencoderInput {
            image: Some(image as usize),
            valid: ValidMask::All,
            input: noise(image),
        });
        let for_autoencoder = more.collect();
        StepInputs { image: Some(0), valid: ValidMask::All, batch, for_autoencoder }
    }

    fn losses(networks: &mut StepNetworks, inputs: &StepInputs, plan: &AutoencoderPlan) -> Losses {
        networks.losses(inputs, &mut FeatureCache::new(IMAGES as usize, usize::MAX), plan)
    }

    fn muon() -> AutoencoderPlan {
        AutoencoderPlan::Muon {
            muon: Muon { learning_rate: 0.01, momentum: 0.9 },
            adam: Adam::usual(1e-3, 0.0, 1),
        }
    }

    fn values(weights: &Weights) -> impl Iterator<Item = f64> {
        let all = weights.0.iter().flat_map(|conv| conv.weight.iter().chain(&conv.bias));
        all.copied().map(f64::from)
    }

    #[test]
    fn muons_autoencoder_learns_from_every_image_alike() {
        let of = |jittered, more: &[u64]| {
            let mut networks = networks();
            let loss = losses(&mut networks, &inputs(jittered, more), &muon()).autoencoder;
            (loss, networks.autoencoder.take_summed_gradient())
        };
        let (mean, sum) = of(0, &[1, 2]);
        let alone = [0, 1, 2].map(|image| of(image, &[]));
        let expected = alone.iter().map(|(loss, _)| loss).sum::<f32>() / 3.0;
        assert!((mean / expected - 1.0).abs() < 1e-4, "{mean}, not {expected}");

        let [a, b, c] = alone.each_ref().map(|(_, gradient)| values(gradient));
        let (mut error, mut norm) = (0.0, 0.0);
        for (sum, ((a, b), c)) in values(&sum).zip(a.zip(b).zip(c)) {
            error += (sum - (a + b + c)).powi(2);
            norm += sum * sum;
        }
        // The teacher's features of further images are rounded to half precision.
        assert!((error / norm).sqrt() < 1e-3, "{}", (error / norm).sqrt());
    }

    #[test]
    fn the_student_learns_the_same_whatever_teaches_the_autoencoder() {
        let of = |more: &[u64], plan: &AutoencoderPlan| {
            let mut networks = networks();
            let losses = losses(&mut networks, &inputs(1, more), plan);
            (losses.hard, losses.student_autoencoder, networks.take_gradients(plan).student)
        };
        let adam = of(&[], &AutoencoderPlan::Adam { dropout: None });
        assert!(of(&[2], &muon()) == adam);
    }

    #[test]
    fn an_update_by_muon_changes_every_layer_and_begins_the_sum_anew() {
        let mut networks = networks();
        let before = networks.weights();
        losses(&mut networks, &inputs(1, &[2]), &muon());
        networks.update(&StepPlan { adam: Adam::usual(1e-3, 0.0, 1), autoencoder: muon() });
        for (before, after) in before.iter().zip(networks.weights()) {
            for (before, after) in before.0.iter().zip(&after.0) {
                assert!(before.weight != after.weight && before.bias != after.bias);
            }
        }
        assert!(values(&networks.autoencoder.take_summed_gradient()).all(|value| value == 0.0));
    }
}
