"""ONNX Runtime's numbers for the shared ResNet-50 trunk, for a test of crates/backbone.

    python3 tools/trunk_fixtures.py ../shared/teacher/resnet50v2_trunk_f16.onnx

Needs numpy and onnxruntime. Writes crates/backbone/tests/fixtures/trunk.json: some values of both layers for an
image made by formula.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

OUT = Path(__file__).parent.parent / "crates/backbone/tests/fixtures/trunk.json"
EVERY = 30011  # a prime, so that all rows, columns and channels have their turn


def main():
    c, y, x = np.meshgrid(np.arange(3), np.arange(512), np.arange(512), indexing="ij")
    values = ((c * 61 + y * 3 + x * 5 + (y // 32) * (x // 32) * 17) % 256).astype(np.float32) / 255
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    layers = session.run(["layer2", "layer3"], {"image": values[None]})
    result = {
        name: {"every": EVERY, "values": [round(float(v), 6) for v in layer.ravel()[::EVERY]]}
        for name, layer in zip(["layer2", "layer3"], layers)
    }
    OUT.write_text(json.dumps(result) + "\n")
    print({name: (layer.shape, len(result[name]["values"]), float(layer.max())) for name, layer in zip(result, layers)})


if __name__ == "__main__":
    main()
