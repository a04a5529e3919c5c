"""Every method on vectors of three classes and three groups, one of them often missing: it trains, or says why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import Store, create_method, list_methods, method_class
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings

IMAGES = ("batch norm", "convolutions", "images")
OPTIONS = {
    "distilled": {"teacher": "erm"},
    "mixture": {"candidates": ["group_model(small_groups=erm)"]},
    "subset_erm": {"groups": ["g0", "g1"]},
}


@pytest.fixture(scope="module")
def three() -> Split:
    rng = np.random.default_rng(0)
    group, y = rng.integers(0, 3, 260), rng.integers(0, 3, 260)
    x = rng.standard_normal((260, 5)).astype(np.float32)
    x[np.arange(260), y] += 2.5
    x[:, 3] += group
    names = [f"g{g}" if i % 10 else "" for i, g in enumerate(group)]
    classes = ["a", "b", "c"]
    ids = [f"s{i}" for i in range(260)]
    return split_cohort(Cohort.from_arrays(x, y, classes=classes, sensitive_features={"site": names}, ids=ids))


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


@pytest.mark.parametrize("name", list_methods())
def test_it_trains_and_comes_back_or_says_why_not(name: str, three: Split, store: Store, tmp_path: Path) -> None:
    info = method_class(name).info
    settings = TrainSettings.make({"backbone": "mlp", "augment": "none", "updates": 8, "batch_size": 64, "lr": 0.02})
    method = create_method(name, OPTIONS.get(name, {}))
    refused = info.needs in IMAGES or info.two_classes or info.max_groups == 2
    refused |= info.needs == "linear head"
    if refused:
        with pytest.raises(SettingsError) as caught:
            method.fit(three.train, three.validation, settings=settings, store=store)
        assert caught.value.fix
        return
    model = method.fit(three.train, three.validation, settings=settings, store=store)
    score = model.predict_proba(three.test)
    assert score.shape == (len(three.test), 3) and np.isfinite(score).all()
    np.testing.assert_allclose(score.sum(1), 1, atol=1e-9)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(RoutedModel.load(tmp_path / "model").predict_proba(three.test), score)
