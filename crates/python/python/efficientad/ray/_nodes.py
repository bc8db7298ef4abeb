"""What nodes must have in common, so that they compute the same bits."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Union

import ray

from .. import EfficientADError, __version__

INSTRUCTION_SET = "EFFICIENTAD_INSTRUCTION_SET"


def node() -> str:
    """What this node is called in tables and errors."""
    return f"{socket.gethostname()} ({ray.get_runtime_context().get_node_id()[:8]})"


@dataclass(frozen=True)
class Agreement:
    """The version of this package, and the instruction set if one is asked for."""

    version: str
    instruction_set: Union[str, None]

    @classmethod
    def of(cls, instruction_set: Union[str, None]) -> Agreement:
        """That of the driver, which may have an instruction set in its environment."""
        return cls(__version__, instruction_set or os.environ.get(INSTRUCTION_SET))

    def _check_version(self) -> None:
        if __version__ != self.version:
            raise EfficientADError(
                f"node {node()}: efficientad {__version__} is installed, and {self.version} where the job was begun; "
                "install the same on all nodes"
            )

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Computes by the instruction set meanwhile, if one is asked for; workers are used again by others."""
        self._check_version()
        before = os.environ.get(INSTRUCTION_SET)
        if self.instruction_set is not None:
            os.environ[INSTRUCTION_SET] = self.instruction_set
        try:
            yield
        finally:
            os.environ.pop(INSTRUCTION_SET, None)
            if before is not None:
                os.environ[INSTRUCTION_SET] = before
