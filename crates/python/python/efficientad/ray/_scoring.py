"""Photos of a Ray data set, judged by actors."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Union

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, Dataset

from .. import Detector, EfficientADError, ImageError, Inspection, ModelError
from ._files import MAX_MODEL, MAX_PHOTO, PathLike, absolute, is_url, located, opened, read
from ._nodes import INSTRUCTION_SET, Agreement, node

# What a row gets.
_RESULTS: dict[str, tuple[pa.DataType, Callable[[Inspection], Any]]] = {
    "score": (pa.float32(), lambda it: it.score),
    "anomalous": (pa.bool_(), lambda it: it.anomalous),
    "p_value": (pa.float64(), lambda it: it.p_value),
    "region_count": (pa.int64(), lambda it: it.region_count),
}
# Where photos are looked for, in this order: as read_images, read_binary_files and from_items call them.
_COLUMNS = ("image", "bytes", "path", "item")


def score(
    ds: Dataset,
    model: Union[PathLike, bytes],
    *,
    column: Union[str, None] = None,
    keep_photos: bool = False,
    concurrency: Union[int, tuple[int, int], None] = None,
    num_cpus: float = 1,
    batch_size: int = 32,
    threshold: Union[float, None] = None,
    false_reject: Union[float, None] = None,
    instruction_set: Union[str, None] = None,
    **ray_remote_args: Any,
) -> Dataset:
    """Judges the photos of a data set by a pool of actors, each of which opens the model once.

    Args:
        ds: Rows with photos: paths or URLs (`from_items`), bytes of files (`read_binary_files`), or arrays
            (`read_images`). Paths must be seen by all nodes.
        model: Path or fsspec URL of the model's file, as the caller sees it, or its bytes.
        column: Where the photos are; the first of image, bytes, path and item that is there if None.
        keep_photos: Whether bytes and arrays stay in the rows. Paths always do.
        concurrency: Number of actors, or (least, most); as many as the cluster has CPUs for if None.
        num_cpus: CPUs of each actor, and threads of its detector.
        batch_size: Photos that an actor takes at a time.
        threshold, false_reject: As of `efficientad.Detector`.
        instruction_set: "avx512", "avx2", "neon" or "portable" on all nodes. If None, a node that would not compute as
            the caller does is refused.
        ray_remote_args: Further words for the actors, as resources={"inspection": 1}.

    Returns:
        The data set with the columns score, anomalous, p_value and region_count, and `error`: null, or why the photo
        could not be judged; then the others are null. As always with Ray, nothing is done until rows are asked for.

    Raises:
        ModelError: The file is no model.
        ValueError: There is no such column, or one that results would be called. Where only reading tells which columns
            there are, it comes from Ray later.
    """
    name = "bytes" if isinstance(model, bytes) else absolute(model)
    content = model if isinstance(model, bytes) else read(name, MAX_MODEL, ModelError)
    thresholds = {"threshold": threshold, "false_reject": false_reject}
    agreement = Agreement.of(instruction_set)
    schema = ds.schema(fetch_if_missing=False)
    if schema is not None:
        _column_of_photos(column, schema.names)
    with opened(content, name, threads=1, **thresholds) as detector:
        engine = detector.engine
    return ds.map_batches(
        _Scorer,
        batch_size=batch_size,
        batch_format="pyarrow",
        compute=_pool(concurrency),
        num_cpus=num_cpus,
        udf_modifying_row_count=False,
        fn_constructor_kwargs={
            "model": ray.put(content),
            "name": name,
            "options": {"threads": max(1, int(num_cpus)), **thresholds},
            "agreement": agreement,
            "engine": None if agreement.instruction_set else engine,
            "column": column,
            "keep_photos": keep_photos,
        },
        **ray_remote_args,
    )


def _pool(concurrency: Union[int, tuple[int, int], None]) -> ActorPoolStrategy:
    if isinstance(concurrency, int):
        return ActorPoolStrategy(size=concurrency)
    least, most = concurrency or (1, None)
    return ActorPoolStrategy(min_size=least, max_size=most)


class _Scorer:
    """An actor: a detector, and threads that judge rows."""

    def __init__(
        self,
        model: ray.ObjectRef[bytes],
        name: str,
        options: dict[str, Any],
        agreement: Agreement,
        engine: Union[str, None],
        column: Union[str, None],
        keep_photos: bool,
    ) -> None:
        with agreement.kept(), opened(ray.get(model), name, **options) as detector:
            self._detector: Detector = detector
        if engine is not None and detector.engine != engine:
            raise EfficientADError(
                f"node {node()} computes by {detector.engine}, the caller by {engine}, which rounds otherwise: give "
                f'instruction_set= (or {INSTRUCTION_SET}), such as "avx2", that all of them have'
            )
        self._column = column
        self._keep_photos = keep_photos
        self._threads = ThreadPoolExecutor(options["threads"])

    def __call__(self, batch: pa.Table) -> pa.Table:
        column = _column_of_photos(self._column, batch.column_names)
        photos = batch.column(column)
        found = list(self._threads.map(lambda row: self._judge(photos[row]), range(len(photos))))
        if not self._keep_photos and not _is_text(photos.type):
            batch = batch.drop_columns([column])
        inspections = [it if isinstance(it, Inspection) else None for it in found]
        for name, (kind, value) in _RESULTS.items():
            values = [None if it is None else value(it) for it in inspections]
            batch = batch.append_column(name, pa.array(values, kind))
        errors = [it if isinstance(it, str) else None for it in found]
        return batch.append_column("error", pa.array(errors, pa.string()))

    def _judge(self, scalar: pa.Scalar) -> Union[Inspection, str]:
        """What the detector says about a row, or why it says nothing."""
        try:
            photo = scalar.as_py()
            if photo is None:
                return "there is no photo in this row, but null"
            if isinstance(photo, str) and is_url(photo):
                return self._inspect_url(photo)
            return self._detector.inspect(photo)
        except (EfficientADError, TypeError, ValueError) as error:
            return str(error)

    def _inspect_url(self, url: str) -> Inspection:
        content = read(url, MAX_PHOTO, ImageError)
        try:
            return self._detector.inspect(content)
        except ImageError as error:
            raise located(ImageError, url, error.reason) from None


def _column_of_photos(column: Union[str, None], columns: list[str]) -> str:
    """The column of photos, of rows that have room for what is found."""
    taken = [it for it in [*_RESULTS, "error"] if it in columns]
    if taken:
        raise ValueError(f"the rows have {', '.join(taken)} already: rename or drop these columns before")
    wanted = _COLUMNS if column is None else (column,)
    for name in wanted:
        if name in columns:
            return name
    raise ValueError(f"the rows have no column {' or '.join(wanted)}, but {', '.join(columns)}: give column=")


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
