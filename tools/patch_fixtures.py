"""Targets of distillation by PyTorch, literally as the paper's appendix defines them, for the tests of
crates/pretraining.

    python3 tools/patch_fixtures.py

Needs PyTorch. Writes crates/pretraining/tests/fixtures/targets.json: for layers of a small and of a large network,
filled with numbers by formula, all 384 channels at some of the 56x56 locations.
"""

import json
from pathlib import Path

import torch
from torch.nn.functional import adaptive_avg_pool1d, interpolate, unfold

OUT = Path(__file__).parent.parent / "crates/pretraining/tests/fixtures/targets.json"
CHANNELS = [(40, 112), (512, 1024)]
LOCATIONS = [(0, 0), (0, 55), (55, 0), (27, 31), (10, 44), (55, 55)]


def maps(channels, side, salt):
    """Numbers that a test can make again exactly."""
    c, y, x = torch.meshgrid(torch.arange(channels), torch.arange(side), torch.arange(side), indexing="ij")
    mixed = (c * 7919 + y * 104729 + x * 1299709 + salt * 31337 + c * y * 13 + y * x * 7) % 1009
    return (mixed.double() / 1009)[None]


def patches(layer):
    """1xCxHxW to 1x1024xHxW."""
    _, channels, height, width = layer.shape
    unfolded = unfold(layer, 3, padding=1)  # 1 x C*9 x locations, channel by channel
    averaged = adaptive_avg_pool1d(unfolded.transpose(1, 2), 1024)
    return averaged.transpose(1, 2).reshape(1, 1024, height, width)


def target(fine, coarse):
    """56x56x384."""
    fine, coarse = patches(fine), patches(coarse)
    coarse = interpolate(coarse, size=(64, 64), mode="bilinear", align_corners=False)
    both = torch.cat([fine, coarse], 1)[0].reshape(2048, 64 * 64).T
    features = adaptive_avg_pool1d(both[None], 384)[0].reshape(64, 64, 384)
    return features[4:60, 4:60]


def case(fine_channels, coarse_channels):
    features = target(maps(fine_channels, 64, 1), maps(coarse_channels, 32, 2))
    locations = [
        {"row": row, "column": column, "features": [round(v, 7) for v in features[row, column].tolist()]}
        for row, column in LOCATIONS
    ]
    return {"fine_channels": fine_channels, "coarse_channels": coarse_channels, "locations": locations}


if __name__ == "__main__":
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([case(*channels) for channels in CHANNELS]) + "\n")
    print(f"{OUT}: {OUT.stat().st_size} bytes")
