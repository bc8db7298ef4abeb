"""An outlier detector as scikit-learn has them, of photos."""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from . import DataError, Detector, ImageError, train


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Learns what photos of good parts look like.

    Photos are an array of uint8 or uint16, (n, height, width) or (n, height, width, 3), or a sequence of paths, arrays,
    PIL images or bytes of image files.

    Parameters
    ----------
    recipe, steps, size : as of `efficientad.train`
    false_reject : share of good parts that may be called anomalous, from 0 to 1; 0.05 on average if None
    random_state : seed; the same seed gives the same model, bit for bit
    threads : as many as the CPU runs if None
    options : further keywords of `efficientad.train`, as a dict

    Attributes
    ----------
    model_ : bytes of the model's file
    offset_ : minus the threshold
    """

    def __init__(
        self, recipe=None, steps=None, size=None, false_reject=None, random_state=0, threads=None, options=None
    ):
        self.recipe = recipe
        self.steps = steps
        self.size = size
        self.false_reject = false_reject
        self.random_state = random_state
        self.threads = threads
        self.options = options

    def fit(self, X, y=None):
        """Learns from photos of good parts; `y` is not used."""
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "model"
            try:
                train(
                    list(X),
                    model,
                    recipe=self.recipe,
                    steps=self.steps,
                    size=self.size,
                    false_reject=self.false_reject,
                    seed=self.random_state,
                    threads=self.threads,
                    **(self.options or {}),
                )
            except (DataError, ImageError) as error:
                # As scikit-learn calls data that an estimator can't be fitted to.
                raise ValueError(str(error)) from error
            self.model_ = model.read_bytes()
        self._open()
        self.offset_ = -self._detector.threshold
        return self

    def score_samples(self, X):
        """Minus the anomaly scores: the higher, the more usual."""
        check_is_fitted(self, "model_")
        return -np.array([it.score for it in self._open().inspect_batch(X)], dtype=np.float64)

    def decision_function(self, X):
        """`score_samples` less `offset_`: above 0 for what is usual."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """1 for good parts, -1 for what reaches the threshold."""
        return np.where(self.decision_function(X) > 0, 1, -1)

    def _open(self):
        if getattr(self, "_detector", None) is None:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model"
                path.write_bytes(self.model_)
                self._detector = Detector(path, threads=self.threads)
        return self._detector

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "_detector"}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags
