#!/usr/bin/env python3
"""Write five steps of PyTorch's Muon that the Rust optimizer is compared with.

    python3 tools/muon_fixtures.py

Needs PyTorch 2.9 or later, which has `torch.optim.Muon`; the committed file was made with 2.15. Matrices are made by
the hash of parity_fixtures.py, output × input as in PyTorch. PyTorch's Muon rounds to bfloat16 on the way; here it is
kept from that, and all is float64.
"""

from pathlib import Path

import torch
from parity_fixtures import Tensors, short, summary, write

OUTPUTS, INPUTS = 64, 160
STEPS = 5
MUON = {"lr": 0.02, "momentum": 0.9}
SAMPLES = 64


def muon_series():
    """The parameter after each of five steps, as a summary."""
    torch.bfloat16 = torch.float64
    tensors = Tensors()
    tensors.make("muon.parameter", (OUTPUTS, INPUTS), 0.1)
    parameter = tensors.values["muon.parameter"].double().requires_grad_(True)
    optimizer = torch.optim.Muon([parameter], weight_decay=0, nesterov=True, **MUON)
    gradients = [f"muon.gradient{step}" for step in range(1, STEPS + 1)]
    after = []
    for name in gradients:
        tensors.make(name, (OUTPUTS, INPUTS), 0.5)
        parameter.grad = tensors.values[name].double()
        optimizer.step()
        now = parameter.detach()
        after.append(summary(now, now.float(), SAMPLES))
    return {
        **{name: short(value) for name, value in MUON.items()},
        "parameter": "muon.parameter", "gradients": gradients, "after": after, "torch": torch.__version__,
        "tensors": tensors.recipes,
    }


if __name__ == "__main__":
    write(muon_series(), Path(__file__).resolve().parent.parent / "crates/engine-conformance/fixtures/muon.json")
