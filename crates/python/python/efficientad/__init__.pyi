import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Union, overload

import numpy as np
import numpy.typing as npt

__version__: str

Path = Union[str, os.PathLike[str]]
Report = dict[str, Any]
Progress = Union[bool, Callable[[str, int, int, Union[Report, None]], object], None]
# A path, the bytes of an image file, height × width or height × width × 3 of uint8 or uint16, a PIL image, or
# whatever speaks DLPack.
Image = Any

class EfficientADError(Exception):
    path: Union[os.PathLike[str], None]
    reason: str

class ImageError(EfficientADError): ...
class ModelError(EfficientADError): ...
class DataError(EfficientADError): ...
class EfficientADWarning(UserWarning): ...

class Region:
    @property
    def box(self) -> tuple[int, int, int, int]: ...
    @property
    def area(self) -> int: ...
    @property
    def peak(self) -> tuple[float, int, int]: ...
    @property
    def centroid(self) -> tuple[float, float]: ...

class Inspection:
    @property
    def path(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def anomalous(self) -> Union[bool, None]: ...
    @property
    def p_value(self) -> Union[float, None]: ...
    @property
    def region_count(self) -> Union[int, None]: ...
    @property
    def regions(self) -> Union[list[Region], None]: ...
    @property
    def map(self) -> npt.NDArray[np.float32]: ...
    def to_json(self) -> str: ...

class Detector:
    def __init__(
        self,
        path: Path,
        *,
        threads: Union[int, None] = None,
        threshold: Union[float, None] = None,
        false_reject: Union[float, None] = None,
    ) -> None: ...
    @property
    def path(self) -> os.PathLike[str]: ...
    @property
    def sha256(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def engine(self) -> str: ...
    @property
    def threshold(self) -> Union[float, None]: ...
    @property
    def promise(self) -> Union[str, None]: ...
    @property
    def info(self) -> Report: ...
    def with_threshold(self, threshold: float) -> Detector: ...
    def with_false_reject(self, false_reject: float) -> Detector: ...
    def inspect(self, image: Image) -> Inspection: ...
    @overload
    def inspect_batch(
        self, images: Iterable[Image], *, return_errors: Literal[False] = False
    ) -> list[Inspection]: ...
    @overload
    def inspect_batch(
        self, images: Iterable[Image], *, return_errors: bool
    ) -> list[Union[Inspection, EfficientADError]]: ...

def train(
    data: Path,
    out: Path,
    *,
    recipe: Union[Literal["fast", "paper"], None] = None,
    steps: Union[int, None] = None,
    size: Union[Literal["small", "medium"], None] = None,
    input: Union[int, tuple[int, int], None] = None,
    seed: Union[int, None] = None,
    learning_rate: Union[float, None] = None,
    position_weights: bool = True,
    tile: Union[int, None] = None,
    overlap: Union[int, None] = None,
    letterbox: bool = False,
    region: Union[Path, None] = None,
    exclude: Union[Path, None] = None,
    validation: Union[Path, None] = None,
    photos: Union[Path, None] = None,
    teacher: Union[Path, None] = None,
    false_reject: Union[float, None] = None,
    continue_from: Union[Path, None] = None,
    old: Union[Path, Sequence[Path]] = (),
    resume: bool = False,
    checkpoint_every: Union[int, str, None] = None,
    orientation: Union[Literal["stored", "exif"], None] = None,
    bits: Union[int, None] = None,
    range: Union[tuple[float, float], None] = None,
    threads: Union[int, None] = None,
    progress: Progress = None,
) -> Report: ...
def calibrate(
    model: Path,
    good: Union[Path, Sequence[Path]],
    *,
    out: Union[Path, None] = None,
    defects: Union[Path, None] = None,
    false_reject: Union[float, None] = None,
    surely_good: bool = False,
    threads: Union[int, None] = None,
    progress: Progress = None,
) -> Report: ...
def evaluate(
    model: Union[Path, Detector],
    data: Path,
    *,
    out: Union[Path, None] = None,
    report: Union[Path, None] = None,
    mask_threshold: Union[int, None] = None,
    invert_masks: bool = False,
    threads: Union[int, None] = None,
    progress: Progress = None,
) -> Report: ...
def import_weights(
    files: Union[Path, Sequence[Path]],
    out: Path,
    *,
    good: Union[Path, None] = None,
    threads: Union[int, None] = None,
    progress: Progress = None,
) -> Report: ...
def export_onnx(model: Path, out: Path, *, input: Literal["normalized", "u8"] = "normalized") -> None: ...
