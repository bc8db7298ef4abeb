"""The estimator is an outlier detector as scikit-learn has them, and says what the program says."""

import pickle

import efficientad
import numpy as np
import pytest
from conftest import STEPS
from efficientad.sklearn import AnomalyDetector
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import (
    check_estimator_cloneable,
    check_estimator_repr,
    check_get_params_invariance,
    check_no_attributes_set_in_init,
    check_parameters_default_constructible,
    check_set_params,
)


@pytest.fixture(scope="module")
def arrays(data):
    files = sorted((data / "train" / "good").iterdir())
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


@pytest.fixture(scope="module")
def fitted(arrays):
    return AnomalyDetector(steps=STEPS).fit(arrays)


@pytest.mark.parametrize(
    "check",
    [
        check_estimator_cloneable,
        check_estimator_repr,
        check_get_params_invariance,
        check_no_attributes_set_in_init,
        check_parameters_default_constructible,
        check_set_params,
    ],
)
def test_it_is_an_estimator(check):
    check("AnomalyDetector", AnomalyDetector())


def test_it_judges_as_a_detector_does(fitted, photos, tmp_path):
    (tmp_path / "m").write_bytes(fitted.model_)
    detector = efficientad.Detector(tmp_path / "m")
    expected = detector.inspect_batch(photos)
    assert (fitted.score_samples(photos) == [-it.score for it in expected]).all()
    assert (fitted.predict(photos) == [-1 if it.anomalous else 1 for it in expected]).all()
    assert fitted.offset_ == -detector.threshold
    assert (fitted.decision_function(photos) == fitted.score_samples(photos) + detector.threshold).all()


def test_paths_and_arrays_are_the_same_photos(fitted, data):
    again = AnomalyDetector(steps=STEPS).fit(sorted((data / "train" / "good").iterdir()))
    photos = sorted((data / "test").rglob("*.png"))
    assert (again.score_samples(photos) == fitted.score_samples(photos)).all()


def test_it_is_cloned_and_pickled(fitted, photos):
    with pytest.raises(NotFittedError):
        clone(fitted).predict(photos)
    other = pickle.loads(pickle.dumps(fitted))
    assert (other.score_samples(photos) == fitted.score_samples(photos)).all()
    wrong = [np.zeros((8, 8), np.float64)] * 10
    with pytest.raises(ValueError, match="float64"):
        AnomalyDetector().fit(wrong)
