#!/usr/bin/env python3
"""Writes the PyTorch files that crates/weights/tests reads: real torch.save output with few channels.

Needs PyTorch 1.6 or newer (written and checked with Debian's python3-torch 1.13):

    python3 tools/foreign_fixtures.py crates/weights/tests/fixtures

Parameter number t (in the order of the module or dict) holds ((7 i + 13 t) mod 64) / 64 - 1/2 at position i, which
is exact in every floating-point type, so the tests need no file of expected numbers. Two runs differ only in the two
legacy files of networks, where PyTorch uses memory addresses as keys.
"""

import os
import sys
import zipfile
from collections import OrderedDict

import torch
from torch import nn

C1, C2, C3 = 2, 4, 4
TEACHER, STUDENT = 6, 12


def values(t, shape):
    count = 1
    for length in shape:
        count *= length
    flat = torch.tensor([((7 * i + 13 * t) % 64) / 64 - 0.5 for i in range(count)])
    return flat.reshape(shape)


def filled(named_shapes):
    return OrderedDict((name, values(t, shape)) for t, (name, shape) in enumerate(named_shapes))


def fill_module(module):
    with torch.no_grad():
        for t, parameter in enumerate(module.parameters()):
            parameter.copy_(values(t, parameter.shape))
    return module


def pdn_small(out):
    return fill_module(nn.Sequential(
        nn.Conv2d(3, C1, 4), nn.ReLU(inplace=True), nn.AvgPool2d(2, 2),
        nn.Conv2d(C1, C2, 4), nn.ReLU(inplace=True), nn.AvgPool2d(2, 2),
        nn.Conv2d(C2, C3, 3), nn.ReLU(inplace=True),
        nn.Conv2d(C3, out, 4)))


def pdn_medium(out):
    return fill_module(nn.Sequential(
        nn.Conv2d(3, C1, 4), nn.ReLU(inplace=True), nn.AvgPool2d(2, 2),
        nn.Conv2d(C1, C2, 4), nn.ReLU(inplace=True), nn.AvgPool2d(2, 2),
        nn.Conv2d(C2, C2, 1), nn.ReLU(inplace=True),
        nn.Conv2d(C2, C2, 3), nn.ReLU(inplace=True),
        nn.Conv2d(C2, out, 4), nn.ReLU(inplace=True),
        nn.Conv2d(out, out, 1)))


def autoencoder(out, c=2):
    layers = [nn.Conv2d(3, c, 4, 2, 1), nn.ReLU(inplace=True)]
    for _ in range(4):
        layers += [nn.Conv2d(c, c, 4, 2, 1), nn.ReLU(inplace=True)]
    layers += [nn.Conv2d(c, c, 8)]
    for size in (3, 8, 15, 32, 63, 127):
        layers += [nn.Upsample(size=size, mode="bilinear"), nn.Conv2d(c, c, 4, 1, 2),
                   nn.ReLU(inplace=True), nn.Dropout(0.2)]
    layers += [nn.Upsample(size=56, mode="bilinear"), nn.Conv2d(c, c, 3, 1, 1), nn.ReLU(inplace=True),
               nn.Conv2d(c, out, 3, 1, 1)]
    return fill_module(nn.Sequential(*layers))


def conv(name, o, i, k):
    return [(name + ".weight", (o, i, k, k)), (name + ".bias", (o,))]


def named_pdn_small(prefix, out):
    return (conv(prefix + "conv1", C1, 3, 4) + conv(prefix + "conv2", C2, C1, 4)
            + conv(prefix + "conv3", C3, C2, 3) + conv(prefix + "conv4", out, C3, 4))


def anomalib_shapes(prefix, c=2):
    shapes = named_pdn_small(prefix + "teacher.", TEACHER) + named_pdn_small(prefix + "student.", STUDENT)
    shapes += conv(prefix + "ae.encoder.enconv1", c, 3, 4)
    for k in range(2, 6):
        shapes += conv(prefix + "ae.encoder.enconv%d" % k, c, c, 4)
    shapes += conv(prefix + "ae.encoder.enconv6", c, c, 8)
    for k in range(1, 7):
        shapes += conv(prefix + "ae.decoder.deconv%d" % k, c, c, 4)
    shapes += conv(prefix + "ae.decoder.deconv7", c, c, 3) + conv(prefix + "ae.decoder.deconv8", TEACHER, c, 3)
    shapes += [(prefix + "mean_std.mean", (1, TEACHER, 1, 1)), (prefix + "mean_std.std", (1, TEACHER, 1, 1))]
    return shapes + [(prefix + "quantiles." + q, ()) for q in ("qa_st", "qb_st", "qa_ae", "qb_ae")]


def anomalib_checkpoint():
    """The keys of a Lightning checkpoint, with the kinds of value that stand beside the state dict."""
    state = filled(anomalib_shapes("model."))
    state["image_threshold.value"] = torch.tensor(0.5)
    return {
        "epoch": 0, "global_step": 70000, "pytorch-lightning_version": "2.2.0", "state_dict": state,
        "loops": {"fit_loop": {"state_dict": {}, "done": True}}, "callbacks": {"Timer": {"seconds": 1.5}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(2)}},
                              "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.999), "amsgrad": False}]}],
        "lr_schedulers": [], "hparams_name": "kwargs",
        "hyper_parameters": {"model_size": "small", "classes": {1, 2}, "big": 2 ** 80, "blob": b"\x00\x01", "none": None},
    }


def strided():
    """A state dict whose tensors are transposed, share one storage with an offset, or have other number types."""
    state = pdn_small(TEACHER).state_dict()
    state["0.weight"] = state["0.weight"].permute(2, 3, 0, 1).contiguous().permute(2, 3, 0, 1)
    shared = torch.cat([torch.full((5,), 9.0), state["3.weight"].flatten(), state["3.bias"]])
    n = state["3.weight"].numel()
    state["3.weight"], state["3.bias"] = shared[5:5 + n].reshape(C2, C1, 4, 4), shared[5 + n:]
    state["6.weight"], state["6.bias"] = state["6.weight"].half(), state["6.bias"].bfloat16()
    state["8.weight"] = state["8.weight"].double()
    state["8.bias"] = torch.arange(TEACHER, dtype=torch.int64)
    return state


def deflated(path, out):
    """The same archive, its entries compressed."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in archive.namelist():
            packed.writestr(zipfile.ZipInfo(name), archive.read(name), zipfile.ZIP_DEFLATED)


class Malicious:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def main(folder):
    import webbrowser
    os.makedirs(folder, exist_ok=True)

    def save(name, what, **options):
        torch.save(what, os.path.join(folder, name), **options)

    old = {"_use_new_zipfile_serialization": False}
    save("pdn_small_state.pth", pdn_small(TEACHER).state_dict())
    save("pdn_medium_state.pth", pdn_medium(TEACHER).state_dict())
    save("pdn_small_module.pth", pdn_small(STUDENT))
    save("autoencoder_state.pth", autoencoder(TEACHER).state_dict())
    save("autoencoder_module.pth", autoencoder(TEACHER))
    save("pdn_small_state_legacy.pth", pdn_small(TEACHER).state_dict(), **old)
    save("pdn_small_module_legacy.pth", pdn_small(STUDENT), **old)
    save("anomalib_teacher.pth", filled(named_pdn_small("", TEACHER)))
    save("anomalib_model.ckpt", anomalib_checkpoint())
    save("strided.pth", strided())
    save("expanded.pth", OrderedDict([("0.weight", torch.zeros(1).expand(2, 3, 4, 4))] + list(pdn_small(6).state_dict().items())[1:]))
    save("int8.pth", OrderedDict((k, v.to(torch.int8)) for k, v in pdn_small(TEACHER).state_dict().items()))
    save("protocol4.pth", pdn_small(TEACHER).state_dict(), pickle_protocol=4)
    save("other_network.pth", fill_module(nn.Linear(2, 2)).state_dict())
    save("numbers.pth", {"a": 1, "b": [2, 3]})
    touch = Malicious(os.system, "touch pickle-ran")
    save("malicious.pth", touch)
    save("malicious_legacy.pth", touch, **old)
    save("malicious_inside.pth", {"state_dict": pdn_small(TEACHER).state_dict(), "extra": touch})
    save("unknown_call.pth", Malicious(webbrowser.open, "file:///pickle-ran"))
    deflated(os.path.join(folder, "pdn_small_state.pth"), os.path.join(folder, "deflated.pth"))
    torch.jit.save(torch.jit.script(nn.ReLU()), os.path.join(folder, "script.pt"))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
