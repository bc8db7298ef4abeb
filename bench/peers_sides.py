"""The peers of peers.py: one EfficientAD network, run by PyTorch, ONNX Runtime and OpenVINO.

The network is written once, as plain PyTorch modules. The ONNX graph is made from those modules, and every side's map
is compared with PyTorch's before anything is timed.
"""

import platform

import numpy as np
import onnx
import onnxruntime
import openvino
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

FEATURES = 384
SIZE = 256
MAP_SIZE = 56
# Any fixed quantiles do: they cost the same as fitted ones.
QUANTILES = {"qa_st": 1.0, "qb_st": 2.0, "qa_ae": 1.5, "qb_ae": 3.0}
AGREEMENT = 1e-4


# --- The network --------------------------------------------------------------------------------------------------


def patch_description_network(size, features):
    if size == "small":
        layers = [
            nn.Conv2d(3, 128, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
            nn.Conv2d(128, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
            nn.Conv2d(256, 256, 3), nn.ReLU(), nn.Conv2d(256, features, 4),
        ]
    else:
        layers = [
            nn.Conv2d(3, 256, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
            nn.Conv2d(256, 512, 4), nn.ReLU(), nn.AvgPool2d(2, 2),
            nn.Conv2d(512, 512, 1), nn.ReLU(), nn.Conv2d(512, 512, 3), nn.ReLU(),
            nn.Conv2d(512, features, 4), nn.ReLU(), nn.Conv2d(features, features, 1),
        ]
    return nn.Sequential(*layers)


def autoencoder():
    channels = [3, 32, 32, 64, 64, 64]
    layers = []
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.ReLU()]
    layers.append(nn.Conv2d(64, 64, 8))
    for side in (3, 8, 15, 32, 63, 127):
        layers += [nn.Upsample(side, mode="bilinear"), nn.Conv2d(64, 64, 4, padding=2), nn.ReLU(), nn.Dropout(0.2)]
    layers += [nn.Upsample(MAP_SIZE, mode="bilinear"), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    layers.append(nn.Conv2d(64, FEATURES, 3, padding=1))
    return nn.Sequential(*layers)


class EfficientAd(nn.Module):
    """Image, ImageNet-normalised, to the combined and normalised 56x56 map."""

    def __init__(self, size):
        super().__init__()
        self.teacher = patch_description_network(size, FEATURES)
        self.student = patch_description_network(size, 2 * FEATURES)
        self.autoencoder = autoencoder()
        self.register_buffer("mean", 0.1 * torch.randn(1, FEATURES, 1, 1))
        self.register_buffer("std", 1 + 0.1 * torch.rand(1, FEATURES, 1, 1))
        self.teacher.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")

    @torch.no_grad()
    def target(self, image):
        return (self.teacher(image) - self.mean) / self.std

    def forward(self, image):
        student = self.student(image)
        map_st = (self.target(image) - student[:, :FEATURES]).pow(2).mean(1, keepdim=True)
        map_ae = (self.autoencoder(image) - student[:, FEATURES:]).pow(2).mean(1, keepdim=True)
        return normalise(map_st, "st") + normalise(map_ae, "ae")


def halved_scale(which):
    """Factor and offset that normalise one map, with the 1/2 of the combination in them."""
    low, high = QUANTILES[f"qa_{which}"], QUANTILES[f"qb_{which}"]
    factor = 0.5 * 0.1 / (high - low)
    return factor, -factor * low


def normalise(raw, which):
    factor, offset = halved_scale(which)
    return raw * factor + offset


# --- The same as ONNX ---------------------------------------------------------------------------------------------


class Graph:
    """Collects ONNX nodes and constants; each method returns the name of its output."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, values, dtype=np.float32):
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def add(self, operation, *inputs, **attributes):
        output = f"{operation.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [output], **attributes))
        return output

    def layer(self, module, x, channels):
        if isinstance(module, nn.Conv2d):
            weight, bias = (self.constant(t.detach().numpy()) for t in (module.weight, module.bias))
            return self.add(
                "Conv", x, weight, bias, kernel_shape=module.kernel_size, strides=module.stride, pads=2 * module.padding
            )
        if isinstance(module, nn.ReLU):
            return self.add("Relu", x)
        if isinstance(module, nn.AvgPool2d):
            return self.add("AveragePool", x, kernel_shape=[module.kernel_size] * 2, strides=[module.stride] * 2)
        if isinstance(module, nn.Upsample):
            sizes = self.constant([1, channels, module.size, module.size], np.int64)
            return self.add(
                "Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
            )
        return x  # dropout

    def sequential(self, modules, x):
        channels = 3
        for module in modules:
            x = self.layer(module, x, channels)
            channels = getattr(module, "out_channels", channels)
        return x

    def map(self, left, right, which):
        difference = self.add("Sub", left, right)
        squared = self.add("Mul", difference, difference)
        raw = self.add("ReduceMean", squared, self.constant([1], np.int64), keepdims=1)
        factor, offset = halved_scale(which)
        return self.add("Add", self.add("Mul", raw, self.constant(factor)), self.constant(offset))


def onnx_model(network):
    graph = Graph()
    teacher = graph.sequential(network.teacher, "image")
    teacher = graph.add("Sub", teacher, graph.constant(network.mean.numpy()))
    teacher = graph.add("Div", teacher, graph.constant(network.std.numpy()))
    student = graph.sequential(network.student, "image")
    halves = ["student_teacher", "student_autoencoder"]
    graph.nodes.append(helper.make_node("Split", [student], halves, axis=1, num_outputs=2))
    maps = [
        graph.map(teacher, halves[0], "st"),
        graph.map(graph.sequential(network.autoencoder, "image"), halves[1], "ae"),
    ]
    graph.nodes.append(helper.make_node("Add", maps, ["map"]))
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIZE, SIZE])]
    outputs = [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, MAP_SIZE, MAP_SIZE])]
    body = helper.make_graph(graph.nodes, "efficientad", inputs, outputs, graph.constants)
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


# --- Inspections --------------------------------------------------------------------------------------------------


def onnxruntime_inspector(model, image, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"image": image})[0]


def openvino_inspector(model, image, threads):
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",  # the default may be bfloat16, which no other side uses
    }
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(model, b""), "CPU", settings)
    return lambda: compiled([image])[0]


def pytorch_inspector(network, image, layout):
    network = network.to(memory_format=layout)
    image = torch.from_numpy(image).to(memory_format=layout)

    @torch.inference_mode()
    def inspect():
        return network(image).numpy()

    return inspect


# --- Training -----------------------------------------------------------------------------------------------------


def trainer(size, layout, penalty):
    """One step of the method: hard student loss, autoencoder loss, their difference, and the penalty if asked for."""
    network = EfficientAd(size).train().to(memory_format=layout)
    image, changed, photo = (torch.randn(1, 3, SIZE, SIZE).to(memory_format=layout) for _ in range(3))
    trained = [*network.student.parameters(), *network.autoencoder.parameters()]
    optimiser = torch.optim.Adam(trained, lr=1e-4, weight_decay=1e-5)

    def step():
        squared = (network.target(image) - network.student(image)[:, :FEATURES]).pow(2)
        threshold = torch.quantile(squared.detach().flatten(), 0.999)
        loss = squared[squared >= threshold].mean()
        if penalty:
            loss = loss + network.student(photo)[:, :FEATURES].pow(2).mean()
        rebuilt = network.autoencoder(changed)
        loss = loss + (network.target(changed) - rebuilt).pow(2).mean()
        loss = loss + (rebuilt - network.student(changed)[:, FEATURES:]).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


# --- All of them --------------------------------------------------------------------------------------------------


def check_agreement(inspectors):
    """Every side must compute the same map, or the times compare nothing."""
    maps = {side: np.array(inspect()).ravel() for side, inspect in inspectors.items()}
    reference = maps["PyTorch"]
    for side, values in maps.items():
        deviation = np.linalg.norm(values - reference) / np.linalg.norm(reference)
        if not deviation < AGREEMENT:
            raise RuntimeError(f"{side}'s map deviates from PyTorch's by {deviation:.1e} in the 2-norm")


def make(size, threads):
    """({side: inspect}, {side: step}); every side uses `threads` threads."""
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    layouts = {"PyTorch": torch.contiguous_format, "PyTorch channels-last": torch.channels_last}
    image = torch.randn(1, 3, SIZE, SIZE).numpy()
    network = EfficientAd(size).eval()
    model = onnx_model(network)
    inspectors = {
        "ONNX Runtime": onnxruntime_inspector(model, image, threads),
        "OpenVINO": openvino_inspector(model, image, threads),
    }
    for side, layout in layouts.items():
        twin = EfficientAd(size).eval()
        twin.load_state_dict(network.state_dict())
        inspectors[side] = pytorch_inspector(twin, image, layout)
    check_agreement(inspectors)
    trainers = {
        f"{side} {'with' if penalty else 'without'} penalty": trainer(size, layout, penalty)
        for side, layout in layouts.items()
        for penalty in (True, False)
    }
    return inspectors, trainers


def versions():
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "onnxruntime": onnxruntime.__version__,
        "openvino": openvino.__version__.split("-")[0],
    }
