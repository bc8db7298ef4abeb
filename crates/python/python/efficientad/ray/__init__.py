"""Scoring and training on a Ray cluster: `pip install "efficientad[ray]"`.

>>> import ray
>>> from efficientad.ray import score, train_many
>>> verdicts = score(ray.data.read_binary_files("photos", include_paths=True), "part.model")  # doctest: +SKIP
>>> table = train_many({"bracket": "photos/bracket", "cover": "photos/cover"}, "models")  # doctest: +SKIP
"""

try:
    import ray.data  # noqa: F401
except ImportError as _error:
    raise ImportError('efficientad.ray needs Ray with its data sets: pip install "efficientad[ray]"') from _error

from ._scoring import score
from ._training import train_many

__all__ = ["score", "train_many"]
