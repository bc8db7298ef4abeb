import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol, Union, final, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

__version__: str

_Path = Union[str, os.PathLike[str]]
_Report = dict[str, Any]
_Progress = Union[bool, Callable[[str, int, int, Union[_Report, None]], object], None]
# A path, the bytes of an image file, an array of uint8 or uint16, (height, width) or (height, width, 3), a PIL image,
# or whatever speaks DLPack.
_Image = Any

# Photos as PyTorch's map-style datasets have them; an item may have a label beside its photo.
class _Dataset(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...

class EfficientADError(Exception):
    path: Union[os.PathLike[str], None]
    reason: str

class ImageError(EfficientADError): ...
class ModelError(EfficientADError): ...
class DataError(EfficientADError): ...
class EfficientADWarning(UserWarning): ...

@final
class Region:
    @property
    def box(self) -> tuple[int, int, int, int]: ...
    @property
    def area(self) -> int: ...
    @property
    def peak(self) -> tuple[float, int, int]: ...
    @property
    def centroid(self) -> tuple[float, float]: ...

@final
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

@final
class Detector:
    def __new__(
        cls,
        path: _Path,
        *,
        threads: Union[int, None] = None,
        device: Union[str, None] = None,
        precision: Union[str, None] = None,
        threshold: Union[float, None] = None,
        false_reject: Union[float, None] = None,
    ) -> Self: ...
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
    def info(self) -> _Report: ...
    def with_threshold(self, threshold: float) -> Detector: ...
    def with_false_reject(self, false_reject: float) -> Detector: ...
    def inspect(self, image: _Image) -> Inspection: ...
    @overload
    def inspect_batch(
        self, images: Iterable[_Image], *, return_errors: Literal[False] = False
    ) -> list[Inspection]: ...
    @overload
    def inspect_batch(
        self, images: Iterable[_Image], *, return_errors: bool
    ) -> list[Union[Inspection, EfficientADError]]: ...

def train(
    data: Union[_Path, _Dataset],
    out: _Path,
    *,
    recipe: Union[Literal["fast", "paper"], None] = None,
    steps: Union[int, None] = None,
    size: Union[Literal["small", "medium"], None] = None,
    input: Union[int, tuple[int, int], None] = None,
    seed: Union[int, None] = None,
    learning_rate: Union[float, None] = None,
    channel_weights: bool = True,
    position_weights: bool = True,
    augment: Union[str, Sequence[str]] = (),
    tile: Union[int, None] = None,
    overlap: Union[int, None] = None,
    letterbox: bool = False,
    region: Union[_Path, None] = None,
    exclude: Union[_Path, None] = None,
    validation: Union[_Path, _Dataset, None] = None,
    photos: Union[_Path, None] = None,
    teacher: Union[_Path, None] = None,
    false_reject: Union[float, None] = None,
    continue_from: Union[_Path, None] = None,
    old: Union[_Path, Sequence[_Path]] = (),
    resume: bool = False,
    checkpoint_every: Union[int, str, None] = None,
    orientation: Union[Literal["stored", "exif"], None] = None,
    bits: Union[int, None] = None,
    range: Union[tuple[float, float], None] = None,
    threads: Union[int, None] = None,
    device: Union[str, None] = None,
    precision: Union[str, None] = None,
    progress: _Progress = None,
) -> _Report: ...
def calibrate(
    model: _Path,
    good: Union[_Path, Sequence[_Path]],
    *,
    out: Union[_Path, None] = None,
    defects: Union[_Path, None] = None,
    false_reject: Union[float, None] = None,
    surely_good: bool = False,
    threads: Union[int, None] = None,
    device: Union[str, None] = None,
    precision: Union[str, None] = None,
    progress: _Progress = None,
) -> _Report: ...
def evaluate(
    model: Union[_Path, Detector],
    data: _Path,
    *,
    out: Union[_Path, None] = None,
    report: Union[_Path, None] = None,
    mask_threshold: Union[int, None] = None,
    invert_masks: bool = False,
    threads: Union[int, None] = None,
    device: Union[str, None] = None,
    precision: Union[str, None] = None,
    progress: _Progress = None,
) -> _Report: ...
def import_weights(
    files: Union[_Path, Sequence[_Path]],
    out: _Path,
    *,
    good: Union[_Path, None] = None,
    threads: Union[int, None] = None,
    progress: _Progress = None,
) -> _Report: ...
def export_onnx(model: _Path, out: _Path, *, input: Literal["normalized", "u8"] = "normalized") -> None: ...
