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
from sklearn.utils import estimator_checks


@pytest.fixture(scope="module")
def arrays(data):
    files = sorted((data / "train" / "good").iterdir())
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])


@pytest.fixture(scope="module")
def fitted(arrays):
    return AnomalyDetector(steps=STEPS).fit(arrays)


# The checks of scikit-learn that need no data. The others fit tables of numbers, which are no photos; `check_estimator`
# itself leaves them out of an estimator whose tags say so. What they would find is tested below.
CHECKS = [
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_estimators_unfitted",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
]


@pytest.mark.parametrize("check", CHECKS)
def test_it_is_an_estimator(check):
    getattr(estimator_checks, check)("AnomalyDetector", AnomalyDetector())


def test_scikit_learns_own_choice_of_checks_passes():
    with pytest.warns(estimator_checks.SkipTestWarning, match="three_d_array=True"):
        results = estimator_checks.check_estimator(AnomalyDetector())
    assert [it["status"] for it in results] == ["passed"] * len(results) and results


# check_fit_idempotent, check_dict_unchanged, check_dont_overwrite_parameters, check_estimators_overwrite_params,
# check_estimators_fit_returns_self, check_fit_score_takes_y, check_readonly_memmap_input
def test_fitting_again_is_the_same_and_changes_no_parameter(arrays, fitted, tmp_path):
    np.save(tmp_path / "photos.npy", arrays)
    read_only = np.load(tmp_path / "photos.npy", mmap_mode="r")
    again = AnomalyDetector(steps=STEPS)
    parameters = again.get_params()
    assert again.fit(read_only, np.zeros(len(read_only))) is again
    assert again.get_params() == parameters and again.model_ == fitted.model_
    assert {it for it in vars(again) if not it.startswith("_")} == {*parameters, "model_", "offset_"}


# check_methods_subset_invariance, check_methods_sample_order_invariance, check_outliers_train
def test_a_photo_is_judged_alike_in_any_company(fitted, photos):
    scores = fitted.score_samples(photos)
    assert (fitted.score_samples(photos[::-1])[::-1] == scores).all()
    assert [fitted.score_samples([photo])[0] for photo in photos] == list(scores)
    decisions = fitted.decision_function(photos)
    assert decisions.dtype == np.float64 and (decisions == scores - fitted.offset_).all()
    assert set(fitted.predict(photos)) <= {-1, 1} and ((decisions > 0) == (fitted.predict(photos) == 1)).all()


# check_estimators_dtypes, check_complex_data, check_dtype_object, check_estimators_empty_data_messages, check_fit1d
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ([np.zeros((8, 8), np.float64)] * 10, "float64"),
        ([np.zeros((8, 8), np.complex128)] * 10, "complex128"),
        (np.zeros((10, 4), np.uint8), r"shape \(4,\)"),
        (np.zeros((0, 8, 8), np.uint8), "no photos"),
    ],
)
def test_what_is_no_photo_is_a_value_error(wrong, reason):
    with pytest.raises(ValueError, match=reason):
        AnomalyDetector().fit(wrong)


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
