"""Lists of parts, as `efficientad train-parts` reads them."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Union

from .. import DataError
from ._files import PathLike, absolute, is_url, located, read

Parts = Union[Mapping[str, PathLike], Iterable[tuple[str, PathLike]], PathLike]

_MAX_LIST = 1 << 24
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Part(NamedTuple):
    """A name, and the folder or URL of its photos."""

    name: str
    photos: str


def parts_of(parts: Parts) -> list[Part]:
    """The parts of a mapping, of pairs or of a list's file, each with a name of its own."""
    pairs: Iterable[tuple[str, PathLike]]
    if isinstance(parts, (str, os.PathLike)):
        source, pairs = os.fspath(parts), _read(os.fspath(parts))
    else:
        source, pairs = "parts", parts.items() if isinstance(parts, Mapping) else parts
    found: dict[str, Part] = {}
    for name, photos in pairs:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise located(
                DataError,
                source,
                f"{name!r} is no name of a part: 1 to 64 letters a to z, digits, dots, dashes and underscores, the "
                "first a letter or digit",
            )
        if not os.fspath(photos):
            raise located(DataError, source, f"the part {name} has no photos; give their folder")
        if name.lower() in found:
            raise located(DataError, source, f"the part {name} is there twice; leave one")
        found[name.lower()] = Part(name, absolute(photos))
    if not found:
        raise located(DataError, source, "there are no parts in this list")
    return list(found.values())


def _read(url: str) -> list[tuple[str, str]]:
    """The lines of a list; folders are meant from the list's own."""
    try:
        text = read(url, _MAX_LIST, DataError).decode("utf-8-sig")
        rows = [[field.strip() for field in row] for row in csv.reader(io.StringIO(text, ""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise located(DataError, url, f"no list of parts: {error}") from error
    columns = [column.lower() for column in rows[0]] if rows else []
    if not {"part", "photos"} <= set(columns):
        raise located(DataError, url, "the first line of a list of parts is: part,photos")
    if any(len(row) != len(columns) for row in rows):
        raise located(DataError, url, f"every line must have {len(columns)} fields, as the first has")
    folder = url.rpartition("/")[0] if is_url(url) else os.path.dirname(os.path.abspath(url))
    part, photos = columns.index("part"), columns.index("photos")
    return [(row[part], row[photos] and _joined(folder, row[photos])) for row in rows[1:]]


def _joined(folder: str, photos: str) -> str:
    return photos if is_url(photos) or photos.startswith("/") else f"{folder}/{photos}"
