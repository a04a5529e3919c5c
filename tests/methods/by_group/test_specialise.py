"""specialise on small networks: its guard, its controls, and none of its passes."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.methods import Auto, Ensemble, Mixture, Specialise, Store
from everygroup.methods.lab import Lab
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings


@pytest.fixture(scope="module")
def split() -> Split:
    """Two groups on vectors; the small one has a rule of its own that its look does not tell."""
    rng = np.random.default_rng(0)
    n = 900
    group = (rng.random(n) < 0.3).astype(int)
    x = rng.standard_normal((n, 4)).astype(np.float32)
    y = np.where(group == 1, x[:, 1] > 0, x[:, 0] > 0).astype(int)
    names = {"g": [("big", "small")[g] for g in group]}
    return split_cohort(Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features=names))


@pytest.fixture(scope="module")
def settings() -> TrainSettings:
    changes = {"backbone": "mlp", "augment": "none", "updates": 60, "batch_size": 32, "lr": 3e-2}
    return TrainSettings.make(changes)


@pytest.fixture(scope="module")
def store() -> Store:
    return Store()


def accuracy(model: RoutedModel, cohort: Cohort) -> float:
    return float((model.predict_proba(cohort).argmax(1) == cohort.y).mean())


@pytest.mark.parametrize("guard", ["likelihood", "auc", "none"])
def test_a_group_with_a_rule_of_its_own_gains(split: Split, settings: TrainSettings, store: Store, guard: str) -> None:
    options = {"members": 2, "passes": 4, "rates": (1.0,), "guard": guard}
    model = Specialise(**options).fit(split.train, split.validation, settings=settings, store=store)
    ensemble = Ensemble(members=2).fit(split.train, split.validation, settings=settings, store=store)
    small = split.test.in_group("small")
    assert accuracy(model, small) > accuracy(ensemble, small) + 0.05
    assert model.info["specialised"]["small"]["share"] > 0.5
    assert {type(step).__name__ for step in model.steps} == {"AffineLogits"}


def test_controls_take_other_samples(split: Split, settings: TrainSettings, store: Store) -> None:
    lab = Lab(split.train, split.validation, settings, store)
    member = lab.erm()
    found = {on: Specialise(on=on, rates=(1.0,))._continued(lab, 1, member) for on in ("group", "random", "everybody")}
    assert found["group"].chosen["validation_loss"] < found["everybody"].chosen["validation_loss"]
    assert found["group"].chosen["validation_loss"] < found["random"].chosen["validation_loss"]
    passes = -(-int(lab.group_sizes[1]) // settings.batch_size)
    assert {one.updates for one in found.values() if one is not member} == {2 * passes}


def test_no_pass_is_one_of_the_choices(split: Split, settings: TrainSettings, store: Store) -> None:
    hasty = Specialise(members=1, passes=1, rates=(1.0,), calibrate=False, on="random")
    wild = settings.but(lr=1.0, clip_norm=None)
    ensemble = Lab(split.train, split.validation, settings, store).erm()
    lab = Lab(split.train, split.validation, wild, store)
    assert hasty._continued(lab, 0, ensemble) is ensemble  # a learning rate of 1 only does harm


def test_auto_takes_what_fits_the_network(split: Split, settings: TrainSettings, images: Split) -> None:
    heads = TrainSettings.make({"backbone": "linear"})
    assert isinstance(Auto().chosen(Lab(split.train, split.validation, heads)), Mixture)
    scratch = Lab(images.train, images.validation, heads.but(backbone="auto"))
    assert isinstance(Auto().chosen(scratch), Mixture)
    assert isinstance(Auto().chosen(scratch.but(settings=scratch.settings.but(pretrained=True))), Specialise)
