"""Progress as a bar of tqdm."""

from __future__ import annotations

from typing import Any, Union


class Bar:
    """Shows a bar for each stage of a job; to be given as `progress`."""

    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError("progress=True shows bars of tqdm: pip install tqdm, or give a callable") from error
        self._tqdm = tqdm
        self._bar: Any = None
        self._stage: Union[str, None] = None

    def __call__(self, stage: str, done: int, total: int, report: Union[dict[str, Any], None]) -> None:
        if stage != self._stage:
            self.close()
            self._bar, self._stage = self._tqdm(total=total, desc=stage), stage
        if report is not None:
            self._bar.set_postfix({name: f"{loss:.4f}" for name, loss in report["losses"].items() if loss is not None})
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Ends the last bar."""
        if self._bar is not None:
            self._bar.close()
