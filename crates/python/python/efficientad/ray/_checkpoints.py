"""Where a training finds its checkpoint and leaves it."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Union

from ._files import Folder

# Seconds between looks whether there is a new checkpoint.
_LOOK_EVERY = 0.5


class Checkpoints:
    """A model's file and its checkpoint: in a shared folder, where they are written at once; or on this node, copied from
    and to an object store whenever they are written anew.
    """

    def __init__(self, folder: Folder, name: str, here: Path, notes: list[str]) -> None:
        self.name = name
        self._folder = folder
        self._checkpoint = f"{name}.checkpoint"
        self._notes = notes
        self._is_shared = folder.is_local
        # Where the training writes.
        self.out = Path(folder.path(name)) if self._is_shared else here / name
        self.is_begun = folder.exists(self._checkpoint)
        # A model beside a checkpoint is one whose end was not seen.
        self.is_finished = folder.exists(name) and not self.is_begun
        self._copied: Union[tuple[int, int], None] = None
        self._ended = threading.Event()
        self._copier = threading.Thread(target=self._copy_until_ended, daemon=True)

    def __enter__(self) -> Checkpoints:
        if not self._is_shared and not self.is_finished:
            if self.is_begun:
                self._folder.fetch(self._checkpoint, self._local_checkpoint)
                self._copied = self._state()
            self._copier.start()
        return self

    def __exit__(
        self,
        kind: Union[type[BaseException], None],
        error: Union[BaseException, None],
        trace: Union[TracebackType, None],
    ) -> None:
        if self._copier.is_alive():
            self._end_copies()
            self._copy()

    def fetch_model(self) -> Path:
        """The finished model, on this node."""
        if not self._is_shared:
            self._folder.fetch(self.name, self.out)
        return self.out

    def finish(self) -> None:
        """Leaves the model where it belongs; its checkpoint is needed no more."""
        if not self._is_shared:
            self._end_copies()
            self._folder.put(self.out, self.name)
            self._folder.remove(self._checkpoint)

    @property
    def _local_checkpoint(self) -> Path:
        return self.out.with_name(self._checkpoint)

    def _end_copies(self) -> None:
        self._ended.set()
        self._copier.join()

    def _copy_until_ended(self) -> None:
        while not self._ended.wait(_LOOK_EVERY):
            self._copy()

    def _copy(self) -> None:
        """Copies the checkpoint if it is another one than before; the training goes on if that fails."""
        state = self._state()
        if state is None or state == self._copied:
            return
        try:
            self._folder.put(self._local_checkpoint, self._checkpoint)
            self._copied = state
        except Exception as error:  # Each store has its own.
            self._notes.append(f"no checkpoint in {self._folder.url}, but training goes on: {error}")
            self._copied = state

    def _state(self) -> Union[tuple[int, int], None]:
        try:
            status = os.stat(self._local_checkpoint)
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino
