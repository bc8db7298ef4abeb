"""Writes the backbone that the tests of `efficientad pretrain` use: three convolutions with random weights.

    python3 tools/tiny_backbone.py

Needs numpy and onnx. Writes crates/backbone/tests/fixtures/tiny_backbone.onnx: input `image` 1x3x512x512, tensors
`fine` 1x16x64x64 and `coarse` 1x24x32x32 inside, output `pooled` 1x24.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).parent.parent / "crates/backbone/tests/fixtures/tiny_backbone.onnx"


def main():
    random = np.random.default_rng(0)
    nodes, weights = [], []
    layers = [("fine", "image", 3, 16, 8, 8, 0), ("coarse", "fine", 16, 24, 3, 2, 1)]
    for name, source, inputs, outputs, kernel, stride, pad in layers:
        shape = (outputs, inputs, kernel, kernel)
        weight = random.normal(0, np.sqrt(2 / (inputs * kernel * kernel)), shape)
        # Filters that see contrast only, so that none is dead on any photo.
        weight -= weight.mean((1, 2, 3), keepdims=True)
        for part, values in [("weight", weight), ("bias", random.normal(0.1, 0.05, outputs))]:
            weights.append(numpy_helper.from_array(values.astype(np.float32), f"{name}.{part}"))
        nodes.append(
            helper.make_node(
                "Conv", [source, f"{name}.weight", f"{name}.bias"], [f"{name}.sum"], f"{name}.conv",
                kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4,
            )
        )
        nodes.append(helper.make_node("Relu", [f"{name}.sum"], [name], f"{name}.relu"))
    nodes.append(helper.make_node("GlobalAveragePool", ["coarse"], ["pooled.map"], "pool"))
    nodes.append(helper.make_node("Flatten", ["pooled.map"], ["pooled"], "flatten"))
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["N", 24])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, OUT)
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
