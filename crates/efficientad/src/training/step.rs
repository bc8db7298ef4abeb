//! One training step: features, losses, gradients, update.

use super::autoencoder::TrainableAutoencoder;
use super::conv::weights;
use super::dropout::Dropout;
use super::features::FeatureCache;
use super::inputs::StepInputs;
use super::losses::{Losses, TeacherFeatures, autoencoder_losses, hard_loss, penalty};
use super::student::TrainableStudent;
use crate::network::{HiddenMaps, InputSize, Pdn, PdnSize, TEACHER_CHANNELS, Weights};
use efficientad_kernels::{Adam, Tensor, TensorView, Workspace};
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
        dropout: Option<Dropout>,
    ) -> Losses {
        Arc::clone(self.workspace.cpu()).run(|| {
            if !inputs.image.is_some_and(|image| features.has(image)) {
                self.describe(inputs.plain());
                features.insert(inputs.image, self.teacher_features.data());
            }
            self.losses_given(features.get(inputs.image), inputs, dropout)
        })
    }

    /// As [`StepNetworks::losses`], with the teacher's features of the image without jitter given.
    pub(crate) fn losses_given<T: Copy>(
        &mut self,
        plain: &[T],
        inputs: &StepInputs,
        dropout: Option<Dropout>,
    ) -> Losses
    where
        [T]: TeacherFeatures,
    {
        self.describe(inputs.jittered());
        let workspace = &mut self.workspace;
        self.student.forward(workspace, inputs.batch.view());
        self.autoencoder.forward(workspace, inputs.jittered(), dropout);

        let (cpu, counted) = (workspace.cpu(), &inputs.counted);
        let plain = counted.gather(plain, TEACHER_CHANNELS);
        let teacher_half = &mut self.student.teacher_half;
        let hard =
            counted.change(teacher_half.images_mut(0..1).data, TEACHER_CHANNELS, |student| {
                hard_loss(cpu, &plain[..], student)
            });
        let penalty = inputs.has_photo().then(|| penalty(cpu, teacher_half.images_mut(1..2).data));
        let (prediction, gradient) = self.autoencoder.features_and_gradient();
        let teacher = counted.gather(self.teacher_features.data(), TEACHER_CHANNELS);
        let prediction = counted.gather(prediction.data(), TEACHER_CHANNELS);
        let student = self.student.autoencoder_half.data_mut();
        let (autoencoder, student_autoencoder) =
            counted.change(student, TEACHER_CHANNELS, |student| {
                counted.change(gradient.data_mut(), TEACHER_CHANNELS, |gradient| {
                    autoencoder_losses(cpu, &teacher, &prediction, student, gradient)
                })
            });

        self.autoencoder.backward(workspace, inputs.jittered(), dropout);
        self.student.backward(workspace, inputs.batch.view());
        Losses { hard, penalty, autoencoder, student_autoencoder }
    }

    /// Updates all weights by the gradients of the last losses.
    pub(crate) fn update(&mut self, adam: &Adam) {
        let cpu = self.workspace.cpu();
        let convs = self.student.pdn.convs.iter_mut().chain(&mut self.autoencoder.convs);
        cpu.run(|| convs.for_each(|conv| conv.update(cpu, adam)));
    }

    /// The weights of the student and the autoencoder as they are now.
    pub(crate) fn weights(&self) -> [Weights; 2] {
        [weights(&self.student.pdn.convs), weights(&self.autoencoder.convs)]
    }
}
