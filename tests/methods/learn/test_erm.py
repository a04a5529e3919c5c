"""ERM, and the control where each group has the epoch best on its own validation samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Spare, Store
from everygroup.models import RoutedModel
from everygroup.settings import TrainSettings
from everygroup.training import Trained


@pytest.fixture(scope="module")
def split(make_vectors: Callable[..., Cohort]) -> Split:
    return split_cohort(make_vectors(300, missing=15, apart=0.5))


@pytest.fixture(scope="module")
def settings(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=40, batch_size=8, lr=0.3, schedule="constant")


def named(store: Store, name: str) -> Trained:
    (found,) = [t for t in store._trained.values() if t.log[0]["model"] == name]
    return found


def test_each_group_has_the_epoch_best_on_its_own_validation_samples(
    split: Split, settings: TrainSettings, tmp_path: Path
) -> None:
    store, plain = Store(), ERM()
    model = ERM(selection_by="group").fit(split.train, split.validation, settings=settings, store=store)
    erm = plain.fit(split.train, split.validation, settings=settings, store=store)
    assert len(store._trained) == ERM(selection_by="group").cost(model.groups) == 3
    assert plain.cost(model.groups) == 1
    assert model.route == {"g0": "g0", "g1": "g1"}
    records = [named(store, name).log for name in ("erm", "erm[g0]", "erm[g1]")]
    assert len(records[0]) > 1
    for log in records[1:]:  # the very same training
        assert [r["train_loss"] for r in log] == [r["train_loss"] for r in records[0]]
    for g, log in zip(model.groups, records[1:], strict=True):
        f1 = [r["validation_macro_f1"] for r in log]
        assert model.info["networks"][g]["epoch"] == 1 + int(np.argmax(f1))
    epochs = {name: record["epoch"] for name, record in model.info["networks"].items()}
    assert len(set(epochs.values())) > 1  # else the control would control nothing here
    for g in model.groups:
        same = all(
            torch.equal(v, erm.networks["pooled"].state_dict()[k]) for k, v in model.networks[g].state_dict().items()
        )
        assert same == (epochs[g] == epochs["pooled"])
    missing = split.train.where(split.train.group < 0)
    np.testing.assert_array_equal(model.predict_proba(missing), erm.predict_proba(missing))
    assert set(model.predict(missing).table["route"]) == {"pooled"}
    model.save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(split.test), model.predict_proba(split.test))


def test_is_chosen_as_spares_networks_are(split: Split, settings: TrainSettings) -> None:
    """With equal weights nothing but the choice of the epoch tells SPARE from ERM, and the control has it too."""
    uniform = Spare(temperature=1e30, min_group=10).fit(split.train, split.validation, settings=settings)
    control = ERM(selection_by="group").fit(split.train, split.validation, settings=settings)
    known = split.test.where(split.test.group >= 0)
    np.testing.assert_array_equal(uniform.predict_proba(known), control.predict_proba(known))


def test_nothing_to_choose_is_erm(split: Split, settings: TrainSettings) -> None:
    last, store = settings.but(selection="last"), Store()
    models = [
        ERM(selection_by=s).fit(split.train, split.validation, settings=last, store=store)
        for s in ("group", "everybody")
    ]
    assert len(store._trained) == 1
    np.testing.assert_array_equal(*(m.predict_proba(split.test) for m in models))


def test_a_group_without_validation_samples_is_answered_as_everybody(split: Split, settings: TrainSettings) -> None:
    only = split.validation.where(split.validation.group == 0)
    model = ERM(selection_by="group").fit(split.train, only, settings=settings)
    assert model.route == {"g0": "g0", "g1": "pooled"}


def test_an_unknown_way_of_choosing() -> None:
    with pytest.raises(SettingsError, match="selection_by = 'worst': Input should be 'everybody' or 'group'"):
        ERM(selection_by="worst")
