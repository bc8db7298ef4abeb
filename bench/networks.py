"""EfficientAD's networks as plain PyTorch modules, whose layers have the numbers of nelson1425/EfficientAD."""

import torch
from torch import nn

FEATURES = 384
SIZE = 256
MAP_SIZE = 56


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


def load_layers(network, weights, *prefixes):
    """Gives the layers of a network, in order, the weights and biases that a model or its graph has under the prefixes.

    Layers are numbered from 1 under each prefix.
    """
    names = [
        name.removesuffix(".weight")
        for prefix in prefixes
        for name in sorted(weights)
        if name.startswith(prefix) and name.endswith(".weight")
    ]
    layers = [layer for layer in network if hasattr(layer, "weight")]
    with torch.no_grad():
        for layer, name in zip(layers, names, strict=True):
            layer.weight.copy_(weights[f"{name}.weight"])
            layer.bias.copy_(weights[f"{name}.bias"])
    return network


def teacher_of(weights, size="small"):
    return load_layers(patch_description_network(size, FEATURES), weights, "teacher.conv").requires_grad_(False)


def student_of(weights, size="small"):
    return load_layers(patch_description_network(size, 2 * FEATURES), weights, "student.conv")


def autoencoder_of(weights):
    return load_layers(autoencoder(), weights, "autoencoder.encoder.conv", "autoencoder.decoder.conv")
