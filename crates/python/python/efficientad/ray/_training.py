"""A model for each part, by a Ray task each."""

from __future__ import annotations

import inspect
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.exceptions import RayTaskError

from .. import DataError, Detector, EfficientADWarning, ImageError, ModelError, train
from ._checkpoints import Checkpoints
from ._files import Folder, PathLike, absolute, fetch_folder, is_url
from ._nodes import Agreement, node
from ._parts import Part, Parts, parts_of

_Row = dict[str, Any]
_Resources = Mapping[str, float]

_SCHEMA = pa.schema(
    [
        ("part", pa.string()),
        ("photos", pa.string()),
        ("status", pa.string()),
        ("model", pa.string()),
        ("sha256", pa.string()),
        ("steps", pa.int64()),
        ("threshold", pa.float32()),
        ("promise", pa.string()),
        ("engine", pa.string()),
        ("skipped", pa.int64()),
        ("resumed", pa.bool_()),
        ("warnings", pa.list_(pa.string())),
        ("seconds", pa.float64()),
        ("node", pa.string()),
        ("error", pa.string()),
    ]
)
TABLE = "parts.parquet"
# Options that are files or folders, which workers would look for elsewhere.
_PATHS = ("region", "exclude", "validation", "photos", "teacher", "continue_from")
# What this module says itself.
_OWN = ("data", "out", "resume", "progress")
# For a last checkpoint of trainings that are stopped.
_GRACE = 60


def train_many(
    parts: Parts,
    models: PathLike,
    *,
    num_cpus: float = 1,
    resources: Union[_Resources, Callable[[str], _Resources], None] = None,
    max_retries: int = 3,
    instruction_set: Union[str, None] = None,
    progress: Union[bool, Callable[[str, int, int, Union[_Row, None]], object], None] = None,
    ray_remote_args: Union[Mapping[str, Any], None] = None,
    **options: Any,
) -> pa.Table:
    """Trains a model for each part, as `efficientad train` does, by a Ray task each.

    A part whose model is there is left alone. A training that was stopped, or whose node was lost, goes on from its
    last checkpoint, on whatever node; its model is that of a training that never stopped, byte for byte.

    Args:
        parts: Names with folders of photos (or data sets), as a mapping or pairs, or a list's file (CSV with the columns
            part and photos). Folders must be seen by all nodes; those of fsspec URLs are copied to the node.
        models: Folder for models and checkpoints that all nodes see, or an fsspec URL of one.
        num_cpus: CPUs of each training, and its threads unless threads= says another number.
        resources: Of Ray, that a node must have, or a callable of the part's name that returns them.
        max_retries: How often a part is tried again whose node or worker was lost, or whose files could not be read or
            written for reasons of the system; -1 is always.
        instruction_set: "avx512", "avx2", "neon" or "portable" on all nodes, so that a training can go on where
            processors differ. If None, it can not: the part fails.
        progress: True for a bar of tqdm, or a callable of (stage: str, done: int, total: int, row: dict or None).
        ray_remote_args: Further words for the tasks, as {"memory": 2 << 30}.
        options: As of `efficientad.train`, the same for all parts.

    Returns:
        A table with a row for each part, in their order, which is also in `parts.parquet` beside the models: part, photos,
        status ("trained", "kept" if its model was there, "failed"), model, sha256, steps, threshold, promise, engine
        (the arithmetic), skipped (number of unreadable photos), resumed (whether the last try went on from a
        checkpoint), warnings, seconds (of the last try), node, and error, why it failed.

    Raises:
        DataError: The list is none.
        TypeError, ValueError: An option can't be so.
    """
    listed = parts_of(parts)
    options = _checked({"threads": max(1, int(num_cpus)), **options})
    folder = Folder(models)
    folder.create()
    agreement = Agreement.of(instruction_set)
    tags = resources if callable(resources) else lambda _: resources or {}
    task = ray.remote(_train_part)
    tasks: dict[ray.ObjectRef[_Row], Part] = {}
    for part in listed:
        words = {
            "num_cpus": num_cpus,
            "resources": dict(tags(part.name)),
            "max_retries": max_retries,
            "retry_exceptions": True,
            "name": f"train {part.name}",
            **(ray_remote_args or {}),
        }
        tasks[task.options(**words).remote(_Training(part, folder.url, agreement, options))] = part
    rows = {}
    with _stopped_together(tasks), _told(progress) as tell:
        for part, row in _finished(tasks, folder):
            rows[part.name] = row
            if row["error"] is not None:
                warnings.warn(f"{part.name}: {row['error']}", EfficientADWarning, stacklevel=2)
            tell("parts", len(rows), len(listed), row)
    table = pa.Table.from_pylist([rows[part.name] for part in listed], _SCHEMA)
    with tempfile.TemporaryDirectory(prefix="efficientad-") as here:
        pq.write_table(table, Path(here) / TABLE)
        folder.put(Path(here) / TABLE, TABLE)
    return table


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """Options that are some, found out before the first training."""
    for name in _OWN:
        if name in options:
            raise TypeError(f"{name}= is no option of train_many, which gives it to each training itself")
    inspect.signature(train).bind("data", "out", **options)
    options = {name: _placed(name, value) for name, value in options.items()}
    with tempfile.TemporaryDirectory(prefix="efficientad-") as empty:
        try:
            train(empty, Path(empty) / "model", **options)
        except (DataError, ImageError, ModelError):
            pass  # There are no photos; files of options are the nodes' matter.
    return options


def _placed(name: str, value: Any) -> Any:
    if name == "old":
        several = [value] if isinstance(value, (str, os.PathLike)) else value
        return [absolute(folder) for folder in several]
    is_path = name in _PATHS and value is not None and value != "none"
    return absolute(value) if is_path else value


@contextmanager
def _told(progress: Any) -> Iterator[Callable[[str, int, int, Union[_Row, None]], object]]:
    if progress is not True:
        yield progress or (lambda *_: None)
        return
    from .._progress import Bar

    bar = Bar()
    try:
        yield lambda stage, done, total, _: bar(stage, done, total, None)
    finally:
        bar.close()


@contextmanager
def _stopped_together(tasks: Mapping[ray.ObjectRef[_Row], Part]) -> Iterator[None]:
    """Stops what is not finished if the caller is stopped; trainings leave a last checkpoint."""
    try:
        yield
    except BaseException:
        for ref in tasks:
            ray.cancel(ref)
        ray.wait(list(tasks), num_returns=len(tasks), timeout=_GRACE)
        raise


def _finished(tasks: Mapping[ray.ObjectRef[_Row], Part], folder: Folder) -> Iterator[tuple[Part, _Row]]:
    waiting = list(tasks)
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=1)
        for ref in done:
            part = tasks[ref]
            try:
                yield part, ray.get(ref)
            except ray.exceptions.RayError as error:
                cause = error.cause if isinstance(error, RayTaskError) else error
                reason = f"{cause}".strip() or type(cause).__name__
                yield part, _row(part, folder, status="failed", error=f"after the last of its tries: {reason}")


def _row(part: Part, folder: Folder, **known: Any) -> _Row:
    row = dict.fromkeys(_SCHEMA.names)
    return {**row, "part": part.name, "photos": part.photos, "warnings": [], **known}


@dataclass(frozen=True)
class _Training:
    """What a node is told."""

    part: Part
    models: str
    agreement: Agreement
    options: dict[str, Any]


def _train_part(training: _Training) -> _Row:
    """Trains a part on this node. What another try would meet again is the row's error; the rest is raised, for Ray."""
    began = time.monotonic()
    folder = Folder(training.models)
    row = _row(training.part, folder, node=node())
    notes: list[str] = row["warnings"]
    try:
        with training.agreement.kept(), warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", EfficientADWarning)
            row.update(_work(training, folder, notes))
        notes += [str(it.message) for it in said if issubclass(it.category, EfficientADWarning)]
    except (DataError, ImageError, ModelError, TypeError, ValueError) as error:
        row.update(status="failed", error=str(error))
    return {**row, "seconds": time.monotonic() - began}


def _work(training: _Training, folder: Folder, notes: list[str]) -> _Row:
    """Trains into the folder of models; what is known of the model then."""
    with tempfile.TemporaryDirectory(prefix="efficientad-") as here:
        with Checkpoints(folder, f"{training.part.name}.model", Path(here), notes) as files:
            if files.is_finished:
                return {"status": "kept", **_described(files.fetch_model(), folder, files.name)}
            photos = training.part.photos
            if is_url(photos):
                fetch_folder(photos, Path(here) / "photos")
                photos = str(Path(here) / "photos")
            result = train(photos, files.out, resume=files.is_begun, **training.options)
            row = _described(files.out, folder, files.name)
            files.finish()
    return {"status": "trained", "resumed": files.is_begun, "skipped": result["skipped"], **row}


def _described(model: Path, folder: Folder, name: str) -> _Row:
    detector = Detector(model, threads=1)
    recipe = detector.info.get("recipe") or {}
    return {
        "model": folder.name_of(name),
        "sha256": detector.sha256,
        "steps": recipe.get("steps"),
        "threshold": detector.threshold,
        "promise": detector.promise,
        "engine": detector.engine,
    }
