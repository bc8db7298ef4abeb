"""EfficientAD's training step in PyTorch, in a plain form and in a strong one that does less for the same.

Every form takes the same weights, images and penalty photo to the same four losses, their gradients and an update by
Adam with weight decay. `make` compares what each computes with the plain form before anything is timed.
"""

import math
import statistics
import time

import torch
from torch import nn
from torch.nn.functional import conv2d

from networks import FEATURES, SIZE, autoencoder_of, student_of, teacher_of

PLAIN, STRONG, CHANNELS_LAST = "PyTorch plain", "PyTorch batched", ", channels-last"
COMPILED = f"{STRONG}{CHANNELS_LAST}, compiled"
HARD = 0.999  # the quantile from which on the student's squared errors count
# Of losses and gradients from the plain form's, given the same features of the teacher, in the relative 2-norm; of the
# update, given the same gradients.
AGREEMENT = {"losses": 1e-5, "gradients": 1e-3, "update": 1e-5}
# Of the plain form's losses and gradients when the teacher's features of the image are kept in half precision.
AGREEMENT_OF_HALF = 5e-3


# --- The losses, in two forms -------------------------------------------------------------------------------------


def plain_losses(networks, batch, features):
    """Every image through the whole student; the teacher describes both images, unless given the first's features."""
    image, *photo, jittered = batch.split(1)
    if features is None:
        features = networks.teacher(image)
    squared = (features - networks.student(image)[:, :FEATURES]).pow(2)
    hard = squared[squared >= torch.quantile(squared.detach().flatten(), HARD)].mean()
    rebuilt = networks.autoencoder(jittered)
    losses = [
        hard,
        (networks.teacher(jittered) - rebuilt).pow(2).mean(),
        (rebuilt - networks.student(jittered)[:, FEATURES:]).pow(2).mean(),
        *(networks.student(each)[:, :FEATURES].pow(2).mean() for each in photo),
    ]
    return torch.stack(losses)


def strong_losses(networks, batch, features):
    """All images through the student at once, each through the half of its last layer that a loss looks at; the
    teacher's features of the image are known, in half precision; the largest errors are chosen without sorting all."""
    jittered = batch[-1:]
    trunk, last = networks.student[:-1](batch), networks.student[-1]
    of_teacher = conv2d(trunk[:-1], last.weight[:FEATURES], last.bias[:FEATURES])
    of_autoencoder = conv2d(trunk[-1:], last.weight[FEATURES:], last.bias[FEATURES:])
    squared = (features - of_teacher[:1]).pow(2).flatten()
    above_quantile = len(squared) - 1 - math.floor(HARD * (len(squared) - 1))
    rebuilt = networks.autoencoder(jittered)
    losses = [
        squared.topk(above_quantile, sorted=False).values.mean(),
        (networks.teacher(jittered) - rebuilt).pow(2).mean(),
        (rebuilt - of_autoencoder).pow(2).mean(),
        *(photo.pow(2).mean() for photo in of_teacher[1:]),
    ]
    return torch.stack(losses)


# --- A training ---------------------------------------------------------------------------------------------------


class Networks(nn.Module):
    """Of a model; the teacher's weights normalise its features."""

    def __init__(self, size, constants):
        super().__init__()
        self.teacher, self.student = teacher_of(constants, size), student_of(constants, size)
        self.autoencoder = autoencoder_of(constants)


class Training:
    """Steps of one form, on the same image, photo and jittered image again and again."""

    def __init__(self, size, constants, layout, batch, losses, strong):
        self.networks = Networks(size, constants).to(memory_format=layout)
        self.trained = [*self.networks.student.parameters(), *self.networks.autoencoder.parameters()]
        self.optimiser = torch.optim.Adam(self.trained, lr=1e-4, weight_decay=1e-5, fused=strong)
        self.batch = batch.to(memory_format=layout)
        self.losses = losses
        self.features = None
        if strong:
            self.keep_features()

    @torch.no_grad()
    def keep_features(self):
        """As a training does after its first look at an image."""
        self.features = self.networks.teacher(self.batch[:1]).half()

    def gradients(self):
        """Leaves the gradients in the parameters; the losses."""
        self.optimiser.zero_grad()
        losses = self.losses(self.networks, self.batch, self.features)
        losses.sum().backward()
        return losses.detach()

    def step(self):
        self.gradients()
        self.optimiser.step()

    def median_step(self, repeats):
        """In milliseconds, after one that wakes the threads and fills the caches."""
        self.step()
        return statistics.median(milliseconds(self.step) for _ in range(repeats))


def milliseconds(action):
    start = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - start)


def first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# --- The same in every form ---------------------------------------------------------------------------------------


def without_dropout(training):
    """Losses and gradients of the weights as they are; dropout draws other places in other layouts."""
    training.networks.eval()
    losses = training.gradients()
    training.networks.train()
    return losses, [parameter.grad.clone() for parameter in training.trained]


@torch.no_grad()
def update_by(training, gradients):
    """What a step by these gradients changes in the weights."""
    before = [parameter.clone() for parameter in training.trained]
    for parameter, gradient in zip(training.trained, gradients, strict=True):
        parameter.grad.copy_(gradient)
    training.optimiser.step()
    return [after - before for after, before in zip(training.trained, before, strict=True)]


def relative_norm(values, reference):
    difference = sum((a.double() - b.double()).square().sum() for a, b in zip(values, reference, strict=True))
    return float((difference / sum(b.double().square().sum() for b in reference)).sqrt())


class Reference:
    """The plain form on the first weights: with the teacher's own features, and with those in half precision."""

    def __init__(self, size, constants, batch):
        training = Training(size, constants, torch.contiguous_format, batch, plain_losses, strong=False)
        self.exact = without_dropout(training)
        training.keep_features()
        self.half = without_dropout(training)
        self.update = update_by(training, self.exact[1])
        for kept, own in zip(self.half, self.exact, strict=True):
            demand(f"{PLAIN} with features in half precision", relative_norm(kept, own), AGREEMENT_OF_HALF)

    def deviation(self, side, training):
        """By how much a training's first step differs, which must be little; takes a step."""
        losses, gradients = self.exact if training.features is None else self.half
        own_losses, own_gradients = without_dropout(training)
        result = {
            "losses": relative_norm(own_losses, losses),
            "gradients": relative_norm(own_gradients, gradients),
            "update": relative_norm(update_by(training, self.exact[1]), self.update),
        }
        for what, value in result.items():
            demand(f"{side}: {what}", value, AGREEMENT[what])
        return result


def demand(what, value, tolerance):
    if not value < tolerance:
        raise RuntimeError(f"{what} deviates from {PLAIN}'s by {value:.1e} in the relative 2-norm, not {tolerance:.0e}")


# --- All of them --------------------------------------------------------------------------------------------------


def forms(threads):
    """{side: (layout, losses, whether strong)}"""
    # A graph that breaks, or is compiled too often, is an error: it would be run uncompiled otherwise.
    compiled = torch.compile(strong_losses, dynamic=False, fullgraph=True, options={"cpp.threads": threads})
    return {
        PLAIN: (torch.contiguous_format, plain_losses, False),
        PLAIN + CHANNELS_LAST: (torch.channels_last, plain_losses, False),
        STRONG: (torch.contiguous_format, strong_losses, True),
        STRONG + CHANNELS_LAST: (torch.channels_last, strong_losses, True),
        COMPILED: (torch.channels_last, compiled, True),
    }


def make(size, constants, threads):
    """{side: {with penalty: Training}}, {side: how far its step is from the plain one}, {side: why it is left out}."""
    noise = torch.randn(3, 3, SIZE, SIZE)
    batches = {True: noise, False: noise[[0, 2]]}
    references = {penalty: Reference(size, constants, batch) for penalty, batch in batches.items()}
    steps, deviations, skipped = {}, {}, {}
    for side, (layout, losses, strong) in forms(threads).items():
        trainings = {
            penalty: Training(size, constants, layout, batch, losses, strong) for penalty, batch in batches.items()
        }
        try:
            for training in trainings.values():
                training.gradients()
        except Exception as error:  # whatever a missing or unfit C++ compiler leads to
            if side != COMPILED:
                raise
            skipped[side] = first_line(error)
            continue
        found = [references[penalty].deviation(side, training) for penalty, training in trainings.items()]
        deviations[side] = {what: max(each[what] for each in found) for what in AGREEMENT}
        steps[side] = trainings
    return steps, deviations, skipped
