"""Files of the driver, of shared folders and of object stores, by fsspec."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Union
from uuid import uuid4

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from .. import DataError, Detector, ImageError, ModelError

PathLike = Union[str, "os.PathLike[str]"]
# As those of the program: of a model, and of a photo's file.
MAX_MODEL = 1 << 30
MAX_PHOTO = 1 << 30


def absolute(path: PathLike) -> str:
    """A path that means the same in other working folders; a URL as it is."""
    text = os.fspath(path)
    return text if is_url(text) else os.path.abspath(text)


def is_url(text: str) -> bool:
    return "://" in text or "::" in text


def read(url: str, limit: int, kind: Union[type[ImageError], type[ModelError], type[DataError]]) -> bytes:
    """The content of a file or URL."""
    try:
        fs, path = url_to_fs(url)
        with fs.open(path, "rb") as file:
            content: bytes = file.read(limit + 1)
    except FileNotFoundError as error:
        raise located(kind, url, "no such file; check the path, and whether this node sees it") from error
    except Exception as error:  # Each store has its own.
        raise located(kind, url, f"{type(error).__name__}: {error}") from error
    if len(content) > limit:
        raise located(kind, url, f"it has more than {limit >> 20} MiB; give a smaller file")
    return content


def located(kind: Any, path: str, reason: str) -> Any:
    """An exception of this package about a file."""
    error = kind(f"{path}: {reason}")
    error.path, error.reason = path, reason
    return error


@contextmanager
def opened(content: bytes, name: str, **options: Any) -> Iterator[Detector]:
    """A detector of a model's bytes; errors call the model by its name."""
    with tempfile.TemporaryDirectory(prefix="efficientad-") as folder:
        path = Path(folder) / "model"
        path.write_bytes(content)
        try:
            detector = Detector(path, **options)
        except ModelError as error:
            raise located(ModelError, name, error.reason) from None
        yield detector


class Folder:
    """A folder that all nodes see: a shared one, or one of an object store."""

    def __init__(self, url: PathLike) -> None:
        self.url = absolute(url)
        self._fs, self._root = url_to_fs(self.url)

    @property
    def is_local(self) -> bool:
        return isinstance(self._fs, LocalFileSystem)

    def create(self) -> None:
        self._fs.makedirs(self._root, exist_ok=True)

    def path(self, name: str) -> str:
        """The file as the file system calls it: of a shared folder, its path."""
        return f"{self._root.rstrip('/')}/{name}"

    def name_of(self, name: str) -> str:
        """The file as users call it."""
        return self.path(name) if self.is_local else f"{self.url.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self.path(name)))

    def fetch(self, name: str, to: Path) -> None:
        self._fs.get_file(self.path(name), str(to))

    def put(self, source: Path, name: str) -> None:
        """Copies a file there; its name stands for the whole new file or the whole earlier one."""
        temporary = self.path(f".{name}.{uuid4().hex}.tmp")
        try:
            # A file that is replaced meanwhile stays open as it was.
            with source.open("rb") as file, self._fs.open(temporary, "wb") as out:
                shutil.copyfileobj(file, out, 1 << 20)
            self._fs.mv(temporary, self.path(name))
        except BaseException:
            self._remove_quietly(temporary)
            raise

    def remove(self, name: str) -> None:
        if self.exists(name):
            self._fs.rm_file(self.path(name))

    def _remove_quietly(self, path: str) -> None:
        try:
            self._fs.rm_file(path)
        except Exception:  # What was going wrong matters more.
            pass


def fetch_folder(url: str, to: Path) -> None:
    """Copies the photos of a URL into a folder of this node."""
    fs, root = url_to_fs(url)
    root = root.rstrip("/")
    names = sorted(path[len(root) + 1 :] for path in fs.find(root))
    if not names:
        raise located(DataError, url, "no files here; check the URL")
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise located(DataError, url, f"the file {name!r} would lie elsewhere; rename it")
    places = [to / name for name in names]
    for folder in {place.parent for place in places}:
        folder.mkdir(parents=True, exist_ok=True)
    fs.get([f"{root}/{name}" for name in names], [str(place) for place in places])
