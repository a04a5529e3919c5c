"""The rotating-sectors toy."""

import numpy as np
import numpy.testing as npt
import pytest

from everygroup.datasets import toy
from everygroup.errors import SettingsError


def test_shapes_groups_and_names() -> None:
    drawn = toy.rotating_sectors(20, 300, 0.8, n_test=50, n_validation=30, seed=1)
    assert drawn.train.images.shape == (320, 8)
    assert drawn.train.images.dtype == np.float32
    assert drawn.train.groups == drawn.test.groups == ("in", "out")
    assert np.bincount(drawn.train.group).tolist() == [20, 300]
    assert drawn.train.classes == ("a", "b", "c")
    assert drawn.validation is not None
    assert (len(drawn.validation), len(drawn.test)) == (30, 50)
    assert set(drawn.test.group) == set(drawn.validation.group) == {0}
    assert toy.rotating_sectors(5, 5, n_test=5).validation is None


def test_seeds() -> None:
    one, same, other = (toy.rotating_sectors(10, 20, n_test=30, seed=s) for s in (1, 1, 2))
    assert one.train.content_hash == same.train.content_hash
    assert one.test.content_hash == same.test.content_hash
    assert one.train.content_hash != other.train.content_hash
    with_validation = toy.rotating_sectors(10, 20, n_test=30, n_validation=7, seed=1)
    assert with_validation.train.content_hash == one.train.content_hash


@pytest.mark.parametrize("theta", [0.0, 0.8, 1.6])
def test_the_law_is_the_one_promised(theta: float) -> None:
    train = toy.rotating_sectors(20_000, 20_000, theta, n_test=10).train
    x, group = train.images.astype(float), train.group
    npt.assert_allclose([x[group == 0, 0].mean(), x[group == 1, 0].mean()], [1, -1], atol=0.03)
    npt.assert_allclose(x[:, 1:].std(axis=0), 1, atol=0.02)
    turned = np.arctan2(x[:, 2], x[:, 1]) + theta / (1 + np.exp(2 * x[:, 0]))
    noiseless = np.floor((turned % (2 * np.pi)) / (2 * np.pi / 3)).astype(int)
    # three borders, each missed by a normal angle: 3 * .25 * sqrt(2 / pi) / (2 pi)
    assert (noiseless != train.y).mean() == pytest.approx(3 * 0.25 * np.sqrt(2 / np.pi) / (2 * np.pi), abs=0.006)


@pytest.mark.parametrize(
    "arguments", [{"n_in": 0}, {"n_out": -1}, {"n_test": 0}, {"n_validation": -1}], ids=lambda a: next(iter(a))
)
def test_impossible_sizes_are_refused(arguments: dict) -> None:
    with pytest.raises(SettingsError, match=next(iter(arguments))):
        toy.rotating_sectors(**arguments)
