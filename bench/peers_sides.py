"""The peers of peers.py: one EfficientAD model, run by PyTorch, ONNX Runtime and OpenVINO.

Training steps are in peers_training.py. ONNX Runtime and OpenVINO run the graph that `efficientad export` writes. For
PyTorch the network is stated here as plain modules that take the graph's weights. Every map is compared with PyTorch's
before anything is timed.
"""

import copy
import importlib.metadata
import os
import platform
import statistics
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

os.environ["NNCF_CI"] = "1"  # NNCF reports its use to its makers otherwise

import nncf
import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from onnx import numpy_helper
from PIL import Image
from torch import nn
from torch.nn.functional import interpolate, pad

import peers_training
from networks import FEATURES, SIZE, autoencoder_of, student_of, teacher_of
from peers_training import first_line, milliseconds

BATCH = 8
CALIBRATION_IMAGES = 20
REFERENCE = "PyTorch"
# Of every float32 map from PyTorch's, in the relative 2-norm.
AGREEMENT = 1e-4


# --- The network --------------------------------------------------------------------------------------------------


class EfficientAd(nn.Module):
    """Image, ImageNet-normalised, to the combined and normalised map; the teacher's weights normalise its features."""

    def __init__(self, size, constants):
        super().__init__()
        self.teacher, self.student = teacher_of(constants, size), student_of(constants, size)
        self.autoencoder = autoencoder_of(constants)
        # Of models that weigh places; 1 of those that do not.
        self.weights = constants.get("student.of_autoencoder.weights", 1.0)
        self.range_st, self.range_ae = (
            [constants[f"student.of_{which}.{end}"].item() for end in ("lower", "scale")]
            for which in ("teacher", "autoencoder")
        )

    def forward(self, image):
        student = self.student(image)
        map_st = (self.teacher(image) - student[:, :FEATURES]).pow(2).mean(1, keepdim=True)
        map_ae = (self.autoencoder(image) - student[:, FEATURES:]).pow(2).mean(1, keepdim=True) * self.weights
        return pad(normalise(map_st, *self.range_st) + normalise(map_ae, *self.range_ae), [4] * 4)


def normalise(raw, lower, scale):
    return (raw - lower) * scale


# --- Images and graphs --------------------------------------------------------------------------------------------


def load_image(file):
    """As EfficientAD's networks take it: 1x3x256x256, ImageNet-normalised."""
    pixels = Image.open(file).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    image = (np.asarray(pixels) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)


def map_graph(file):
    """The exported graph without the score, which the other sides do not compute."""
    return onnx.utils.Extractor(onnx.load(file)).extract_model(["image"], ["map"])


def openvino_model(graph):
    model = openvino.Core().read_model(graph.SerializeToString(), b"")
    model.reshape([1, 3, SIZE, SIZE])
    return model


def write_quantised(graph, photos, file):
    """int8 as NNCF's post-training quantisation makes it when nothing but photos is given."""
    images = [load_image(photo) for photo in photos[:CALIBRATION_IMAGES]]
    quantised = nncf.quantize(openvino_model(map_graph(graph)), nncf.Dataset(images), subset_size=len(images))
    openvino.save_model(quantised, file, compress_to_fp16=False)


# --- Inspections --------------------------------------------------------------------------------------------------


@dataclass
class Inspector:
    name: str
    exact: bool  # float32 throughout
    inspect: Callable  # () -> map
    inspect_many: Callable  # (number of images) -> None

    def median_inspection(self, repeats):
        self.inspect()  # wakes the side's threads and fills the caches after the side before it
        return statistics.median(milliseconds(self.inspect) for _ in range(repeats))

    def images_per_second(self, count):
        return 1000 * count / milliseconds(lambda: self.inspect_many(count))


def onnxruntime_inspector(graph, image, threads):
    def session(threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])

    shared, single = session(threads), session(1)
    callers = ThreadPoolExecutor(threads)

    def inspect_many(count):
        list(callers.map(lambda _: single.run(None, {"image": image}), range(count)))

    return Inspector("ONNX Runtime", True, lambda: shared.run(None, {"image": image})[0], inspect_many)


def openvino_inspector(name, model, image, threads, precision):
    def compiled(hint):
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": hint,
            "INFERENCE_PRECISION_HINT": precision,  # the default may be bfloat16
        }
        return openvino.Core().compile_model(model, "CPU", settings)

    latency, throughput = compiled("LATENCY"), openvino.AsyncInferQueue(compiled("THROUGHPUT"))

    def inspect_many(count):
        for _ in range(count):
            throughput.start_async([image])
        throughput.wait_all()

    return Inspector(name, name == "OpenVINO", lambda: latency([image])[0], inspect_many)


def pytorch_inspector(name, network, image, layout):
    image = torch.from_numpy(image).to(memory_format=layout)
    batch = image.repeat(BATCH, 1, 1, 1).to(memory_format=layout)

    @torch.no_grad()
    def inspect():
        return network(image).numpy()

    @torch.no_grad()
    def inspect_many(count):
        for _ in range(count // BATCH):
            network(batch)

    return Inspector(name, True, inspect, inspect_many)


def has_bfloat16():
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


# --- All of them --------------------------------------------------------------------------------------------------


@dataclass
class Peers:
    inspectors: list
    steps: dict  # {side: {with penalty: peers_training.Training}}
    step_deviations: dict  # {side: {of what: how far from plain PyTorch's}}
    skipped: dict  # {side: reason}


def make(models, size, threads, photo, inspections, steps):
    """Every side uses `threads` threads. Sides for inspections or training steps are made if these are asked for."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    graph = map_graph(models / f"{size}.onnx")
    constants = {tensor.name: torch.tensor(numpy_helper.to_array(tensor)) for tensor in graph.graph.initializer}
    peers = Peers([], {}, {}, {})
    if inspections:
        network, image = EfficientAd(size, constants).eval(), load_image(photo)
        make_inspectors(peers, graph, models / f"{size}-int8.xml", network, image, threads)
    if steps:
        peers.steps, peers.step_deviations, skipped = peers_training.make(size, constants, threads)
        peers.skipped |= skipped
    return peers


def make_inspectors(peers, graph, quantised, network, image, threads):
    inspectors, skipped = peers.inspectors, peers.skipped
    inspectors.append(onnxruntime_inspector(graph, image, threads))
    model = openvino_model(graph)
    inspectors.append(openvino_inspector("OpenVINO", model, image, threads, "f32"))
    if has_bfloat16():
        inspectors.append(openvino_inspector("OpenVINO bf16", model, image, threads, "bf16"))
    else:
        skipped["OpenVINO bf16"] = "the CPU has no bfloat16 instructions"
    quantised = openvino.Core().read_model(quantised)
    inspectors.append(openvino_inspector("OpenVINO int8", quantised, image, threads, "f32"))
    for side, layout in ((REFERENCE, torch.contiguous_format), ("PyTorch channels-last", torch.channels_last)):
        network_of_side = copy.deepcopy(network).to(memory_format=layout)
        inspectors.append(pytorch_inspector(side, network_of_side, image, layout))
    compiled = torch.compile(network_of_side, dynamic=False, options={"cpp.threads": threads, "freezing": True})
    try:
        side = pytorch_inspector("PyTorch compiled", compiled, image, layout)
        side.inspect()
        side.inspect_many(BATCH)
        inspectors.append(side)
    except Exception as error:  # whatever a missing or unfit C++ compiler leads to
        skipped["PyTorch compiled"] = first_line(error)


def map_deviations(peers, ours, write_our_map):
    """{side: relative 2-norm of its map less PyTorch's}; float32 sides must agree, or the times compare nothing."""
    maps = {side.name: np.array(side.inspect()) for side in peers.inspectors}
    reference = maps.pop(REFERENCE)
    result = {}
    with tempfile.TemporaryDirectory() as folder:
        write_our_map(folder)
        our_map = np.asarray(Image.open(next(Path(folder).rglob("*.tiff"))))
        resized = interpolate(torch.from_numpy(reference), our_map.shape, mode="bilinear").numpy()[0, 0]
        result[ours] = relative_norm(our_map, resized)
    result |= {side: relative_norm(values, reference) for side, values in maps.items()}
    exact = {ours, *(side.name for side in peers.inspectors if side.exact)}
    for side in exact & result.keys():
        if not result[side] < AGREEMENT:
            raise RuntimeError(f"{side}'s map deviates from {REFERENCE}'s by {result[side]:.1e} in the 2-norm")
    return result


def relative_norm(values, reference):
    return float(np.linalg.norm(values - reference) / np.linalg.norm(reference))


def versions():
    packages = ("torch", "onnxruntime", "openvino", "nncf")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}
