"""Visual inspection by EfficientAD: learns from photos of good parts, finds parts that are not good.

>>> import efficientad
>>> detector = efficientad.Detector("part.model")  # doctest: +SKIP
>>> detector.inspect("photo.png").anomalous  # doctest: +SKIP
False
"""

from ._native import (
    DataError,
    Detector,
    EfficientADError,
    EfficientADWarning,
    ImageError,
    Inspection,
    ModelError,
    Region,
    __version__,
    export_onnx,
)
from ._jobs import calibrate, evaluate, import_weights, train

__all__ = [
    "DataError",
    "Detector",
    "EfficientADError",
    "EfficientADWarning",
    "ImageError",
    "Inspection",
    "ModelError",
    "Region",
    "__version__",
    "calibrate",
    "evaluate",
    "export_onnx",
    "import_weights",
    "train",
]

# What they are made without: attributes of every exception.
EfficientADError.path = None
EfficientADError.reason = ""
