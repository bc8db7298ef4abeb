//! A training in progress: student and autoencoder learn on the device, where teacher's features and
//! all else stay; only the losses come back, every few steps.

use crate::losses::{self, Valid};
use crate::network::{ConvTensors, Passed, Resizes, backward, backward_all, forward, forward_all};
use crate::optimizer;
use crate::outstanding::{Outstanding, all_finite, nan_unless};
use crate::parameters::{Parameters, joined, weights};
use crate::pdn::Pdn;
use crate::precision::StepNumbers;
use crate::transfer::{maps, numbers, read};
use burn_tensor::{DType, Device, Tensor, s};
use efficientad_engine::{
    AutoencoderInput, AutoencoderPlan, DROPOUT_LAYERS, Dropout, ENCODER_LAYERS, EngineError,
    Gradients, InputSize, Learner, LearnerOptions, LearnerState, Losses, STUDENT_CHANNELS,
    StepInputs, StepPlan, TEACHER_CHANNELS, TrainingNetworks, ValidMask, autoencoder_layers,
    pdn_layers,
};
use std::collections::HashMap;

pub(crate) struct GpuLearner {
    device: Device,
    numbers: StepNumbers,
    input: InputSize,
    teacher: Teacher,
    student: Parameters,
    autoencoder: Parameters,
    resizes: Resizes,
    outstanding: Outstanding,
}

/// The teacher, and its features of the training images, which never change.
struct Teacher {
    pdn: Pdn,
    kept: HashMap<usize, Tensor<4>>,
    room: usize,
}

impl Teacher {
    /// The features of an image without jitter: kept, or as they would be kept.
    fn plain_features(
        &mut self,
        number: Option<usize>,
        image: impl FnOnce() -> Tensor<4>,
    ) -> Tensor<4> {
        let kept = number.and_then(|number| self.kept.get(&number).cloned());
        let features = kept.unwrap_or_else(|| {
            let features = self.pdn.describe(image()).cast(DType::F32);
            // Half precision, if the device has it: results must not depend on the room.
            let features = match features.device().supports_dtype(DType::F16) {
                true => features.cast(DType::F16),
                false => features,
            };
            let bytes = features.shape().num_elements() * features.dtype().size();
            if let Some(number) = number.filter(|_| bytes <= self.room) {
                self.room -= bytes;
                self.kept.insert(number, features.clone());
            }
            features
        });
        features.cast(DType::F32)
    }
}

/// The losses of a step and the gradients of both networks, each as one row, on the device.
struct Learnt {
    /// Of the hardest features, of the autoencoder, of the student against it, and of the penalty photo
    /// if there is one.
    losses: Tensor<1>,
    student_gradient: Tensor<1>,
    autoencoder_gradient: Tensor<1>,
}

/// Losses from the numbers of [`Learnt::losses`].
fn losses_of(row: &[f32]) -> Losses {
    Losses {
        hard: row[0],
        autoencoder: row[1],
        student_autoencoder: row[2],
        penalty: row.get(3).copied(),
    }
}

impl GpuLearner {
    pub(crate) fn new(
        device: &Device,
        numbers: DType,
        networks: TrainingNetworks<'_>,
        options: LearnerOptions,
    ) -> Self {
        let TrainingNetworks { size, input, teacher, state } = networks;
        let layers = autoencoder_layers();
        Self {
            device: device.clone(),
            numbers: StepNumbers::new(numbers, input.feature_shape(1, TEACHER_CHANNELS).len()),
            input,
            teacher: Teacher {
                pdn: Pdn::new(device, numbers, (size, TEACHER_CHANNELS), teacher),
                kept: HashMap::new(),
                room: options.feature_cache_bytes,
            },
            student: Parameters::new(device, pdn_layers(size, STUDENT_CHANNELS), &state.student),
            resizes: Resizes::new(device, numbers, &layers, input),
            autoencoder: Parameters::new(device, layers, &state.autoencoder),
            outstanding: Outstanding::default(),
        }
    }

    fn learn(&mut self, inputs: &StepInputs, plan: &AutoencoderPlan) -> Learnt {
        let valid = self.valid(&inputs.valid);
        let batch = self.numbers.maps(maps(&self.device, inputs.batch.view()));
        let image = |number: usize| batch.clone().slice(s![number..number + 1, .., .., ..]);
        let jittered = image(batch.dims()[0] - 1);
        let plain_features = self.teacher.plain_features(inputs.image, || image(0));
        let jittered_features = self.teacher.pdn.describe(jittered.clone()).cast(DType::F32);

        let student = Student::forward(&self.student, self.numbers, batch.clone());
        let (prediction, predicting) = self.predict(jittered, plan.dropout());

        let (hard, of_plain) = losses::hard(plain_features, student.image(0), &valid);
        let (student_autoencoder, of_jittered) =
            losses::mean_square(student.autoencoder_half.clone(), prediction.clone(), &valid);
        let (penalty, teacher_half) = match inputs.has_photo() {
            true => {
                let (penalty, of_photo) = losses::penalty(student.image(1));
                (Some(penalty), Tensor::cat(vec![of_plain, of_photo], 0))
            }
            false => (None, of_plain),
        };
        let (mut autoencoder, of_prediction) =
            losses::mean_square(prediction, jittered_features, &valid);
        let of_prediction = match plan {
            AutoencoderPlan::Adam { .. } => of_prediction - of_jittered.clone(),
            AutoencoderPlan::Muon { .. } => of_prediction,
        };
        let mut autoencoder_gradient = self.backward(predicting, of_prediction);
        for more in &inputs.for_autoencoder {
            let (loss, gradient) = self.teach_autoencoder(more, plan);
            autoencoder = autoencoder + loss;
            autoencoder_gradient = autoencoder_gradient + gradient;
        }
        let autoencoder = autoencoder / (1 + inputs.for_autoencoder.len()) as f32;
        let losses = [hard, autoencoder, student_autoencoder].into_iter().chain(penalty);
        Learnt {
            losses: Tensor::cat(losses.collect(), 0),
            student_gradient: student.backward(&self.student, teacher_half, of_jittered),
            autoencoder_gradient,
        }
    }

    fn teach_autoencoder(
        &mut self,
        more: &AutoencoderInput,
        plan: &AutoencoderPlan,
    ) -> (Tensor<1>, Tensor<1>) {
        let valid = self.valid(&more.valid);
        let image = self.numbers.maps(maps(&self.device, more.input.view()));
        let features = self.teacher.plain_features(more.image, || image.clone());
        let (prediction, predicting) = self.predict(image, plan.dropout());
        let (loss, gradient) = losses::mean_square(prediction, features, &valid);
        (loss, self.backward(predicting, gradient))
    }

    fn valid(&self, valid: &ValidMask) -> Valid {
        Valid::new(&self.device, valid, self.input.feature_size())
    }

    /// Has the autoencoder predict the features of an image.
    fn predict(&self, image: Tensor<4>, dropout: Option<Dropout>) -> (Tensor<4>, Predicting) {
        let convs = self.autoencoder.convs(self.numbers.kind);
        let mut passed = Vec::with_capacity(convs.len());
        let mut maps = image;
        for (i, (layer, conv)) in self.autoencoder.layers.iter().zip(&convs).enumerate() {
            let (output, pass) = forward(layer, self.resizes.forward(i, maps), conv);
            let factors = dropout.and_then(|dropout| self.dropout_factors(dropout, i, &output));
            maps = match &factors {
                Some(factors) => output * factors.clone(),
                None => output,
            };
            passed.push((pass, factors));
        }
        let maps = maps.cast(DType::F32);
        (maps, Predicting { convs, passed })
    }

    /// What dropout multiplies the output of a layer by, if it is one that dropout follows.
    fn dropout_factors(&self, dropout: Dropout, i: usize, output: &Tensor<4>) -> Option<Tensor<4>> {
        let layer = i.checked_sub(ENCODER_LAYERS).filter(|&layer| layer < DROPOUT_LAYERS)?;
        let kept = dropout.kept(layer as u8, 0, output.shape().num_elements());
        let factors = kept.map(|kept| if kept { Dropout::KEPT_SCALE } else { 0.0 }).collect();
        Some(self.numbers.maps(numbers(&self.device, factors).reshape(output.dims())))
    }

    /// The gradients of the autoencoder's weights from that of the features that it predicted.
    fn backward(&self, predicting: Predicting, gradient: Tensor<4>) -> Tensor<1> {
        let Predicting { convs, passed } = predicting;
        let mut gradients = Vec::with_capacity(convs.len());
        let mut gradient = Some(self.numbers.gradient(gradient));
        let layers = self.autoencoder.layers.iter().zip(&convs).zip(passed).enumerate().rev();
        for (i, ((layer, conv), (passed, factors))) in layers {
            let of_output = gradient.take().expect("only the first layer has no input gradient");
            let of_output = match factors {
                Some(factors) => of_output * factors,
                None => of_output,
            };
            let (of_weights, of_input) = backward(layer, passed, conv, of_output, i > 0);
            gradients.push(of_weights);
            gradient = of_input.map(|of_input| self.resizes.backward(i, of_input));
        }
        gradients.reverse();
        self.numbers.unscaled(joined(gradients))
    }
}

/// What the autoencoder's backward pass needs of its forward pass.
struct Predicting {
    convs: Vec<ConvTensors>,
    /// Of each layer, with what dropout multiplied its output by.
    passed: Vec<(Passed, Option<Tensor<4>>)>,
}

/// A forward pass of the student over the images of a step: first those whose features are to be (or,
/// for the penalty photo, not to be) the teacher's, last the augmented image whose features are to be
/// the autoencoder's. Each needs only its half of the last layer.
struct Student {
    numbers: StepNumbers,
    convs: Vec<ConvTensors>,
    passed: Vec<Passed>,
    last_passed: [Passed; 2],
    teacher_half: Tensor<4>,
    autoencoder_half: Tensor<4>,
}

/// The halves of the student's channels: for the teacher, for the autoencoder.
fn halves(conv: &ConvTensors) -> [ConvTensors; 2] {
    [conv.channels(0..TEACHER_CHANNELS), conv.channels(TEACHER_CHANNELS..STUDENT_CHANNELS)]
}

impl Student {
    fn forward(student: &Parameters, numbers: StepNumbers, batch: Tensor<4>) -> Self {
        let convs = student.convs(numbers.kind);
        let last = convs.len() - 1;
        let (hidden, passed) = forward_all(&student.layers[..last], &convs[..last], batch);
        let images = hidden.dims()[0];
        let [for_teacher, for_autoencoder] = halves(&convs[last]);
        let of = |images: std::ops::Range<usize>, conv: &ConvTensors| {
            forward(&student.layers[last], hidden.clone().slice(s![images, .., .., ..]), conv)
        };
        let (teacher_half, first) = of(0..images - 1, &for_teacher);
        let (autoencoder_half, second) = of(images - 1..images, &for_autoencoder);
        Self {
            numbers,
            convs,
            passed,
            last_passed: [first, second],
            teacher_half: teacher_half.cast(DType::F32),
            autoencoder_half: autoencoder_half.cast(DType::F32),
        }
    }

    /// What is to be the teacher's features of an image of the step.
    fn image(&self, image: usize) -> Tensor<4> {
        self.teacher_half.clone().slice(s![image..image + 1, .., .., ..])
    }

    /// The gradients of all weights from those of both halves of the features.
    fn backward(
        self,
        student: &Parameters,
        teacher_half: Tensor<4>,
        autoencoder_half: Tensor<4>,
    ) -> Tensor<1> {
        let numbers = self.numbers;
        let [teacher_half, autoencoder_half] =
            [teacher_half, autoencoder_half].map(|gradient| numbers.gradient(gradient));
        let last = self.convs.len() - 1;
        let layer = &student.layers[last];
        let [first, second] = self.last_passed;
        let [for_teacher, for_autoencoder] = halves(&self.convs[last]);
        let (of_first, first) = backward(layer, first, &for_teacher, teacher_half, true);
        let (of_second, second) = backward(layer, second, &for_autoencoder, autoencoder_half, true);
        let hidden = Tensor::cat(first.into_iter().chain(second).collect(), 0);
        let mut gradients =
            backward_all(&student.layers[..last], &self.convs[..last], self.passed, hidden);
        gradients.push(ConvTensors {
            weight: Tensor::cat(vec![of_first.weight, of_second.weight], 1),
            bias: Tensor::cat(vec![of_first.bias, of_second.bias], 0),
        });
        numbers.unscaled(joined(gradients))
    }
}

impl Learner for GpuLearner {
    fn step(&mut self, inputs: &StepInputs, plan: &StepPlan) -> Result<Vec<Losses>, EngineError> {
        let Learnt { losses, student_gradient, autoencoder_gradient: gradient } =
            self.learn(inputs, &plan.autoencoder);
        let sound = [&losses, &student_gradient, &gradient]
            .map(all_finite)
            .into_iter()
            .reduce(Tensor::bool_and)
            .expect("three of them");
        optimizer::adam(&mut self.student, &plan.adam, student_gradient, &sound);
        match &plan.autoencoder {
            AutoencoderPlan::Adam { .. } => {
                optimizer::adam(&mut self.autoencoder, &plan.adam, gradient, &sound);
            }
            AutoencoderPlan::Muon { muon, adam } => {
                let by_muon = 0..self.autoencoder.layers.len() - 1;
                optimizer::muon(&mut self.autoencoder, by_muon, (muon, adam), gradient, &sound);
            }
        }
        let read = self.outstanding.add(nan_unless(&sound, losses))?;
        Ok(read.iter().map(|row| losses_of(row)).collect())
    }

    fn outstanding(&mut self) -> Result<Vec<Losses>, EngineError> {
        Ok(self.outstanding.read()?.iter().map(|row| losses_of(row)).collect())
    }

    fn gradients(
        &mut self,
        inputs: &StepInputs,
        plan: &AutoencoderPlan,
    ) -> Result<(Losses, Gradients), EngineError> {
        let learnt = self.learn(inputs, plan);
        let losses = losses_of(&read(learnt.losses)?);
        let gradients = Gradients {
            student: weights(&self.student.layers, &read(learnt.student_gradient)?),
            autoencoder: weights(&self.autoencoder.layers, &read(learnt.autoencoder_gradient)?),
        };
        Ok((losses, gradients))
    }

    fn state(&self) -> Result<LearnerState, EngineError> {
        Ok(LearnerState { student: self.student.state()?, autoencoder: self.autoencoder.state()? })
    }
}
