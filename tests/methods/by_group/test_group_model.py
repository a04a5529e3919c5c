"""GroupModel: one network per group, and what happens to groups too small for one."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort, split_from_parts
from everygroup.errors import SettingsError, TrainingError
from everygroup.methods import ERM, GroupModel, Spare, Store
from everygroup.settings import TrainSettings


def relabelled(cohort: Cohort, group: np.ndarray) -> Cohort:
    names = np.array([*(f"g{i}" for i in range(int(group.max()) + 1)), ""])
    y = [cohort.classes[k] for k in cohort.y]
    return Cohort.from_arrays(cohort.batch(slice(None)), y, sensitive_features={"a": names[group]}, ids=cohort.ids)


def test_opposite_label_rules_need_group_models(vector_settings: TrainSettings) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 3)).astype(np.float32)
    group = rng.integers(0, 2, 300)
    y = ((x[:, 0] > 0) ^ (group == 1)).astype(int)
    split = split_cohort(Cohort.from_arrays(x, y, classes=["n", "p"], sensitive_features=[f"g{g}" for g in group]))

    def accuracy(method: object) -> float:
        model = method.fit(split.train, split.validation, settings=vector_settings)  # type: ignore[attr-defined]
        return float((model.predict_proba(split.test).argmax(1) == split.test.y).mean())

    assert accuracy(GroupModel()) > 0.85
    assert accuracy(ERM()) < 0.7


def test_each_network_sees_its_group_only(two: Split, vector_settings: TrainSettings) -> None:
    model = GroupModel().fit(two.train, two.validation, settings=vector_settings)
    flipped = two.train.y.copy()
    flipped[two.train.group == 1] = 1 - flipped[two.train.group == 1]
    changed = Cohort.from_arrays(
        two.train.batch(slice(None)),
        flipped,
        classes=two.train.classes,
        sensitive_features={"a": [two.train.groups[g] for g in two.train.group]},
        ids=two.train.ids,
    )
    other = GroupModel().fit(changed, two.validation, settings=vector_settings)
    g0 = {k: v.numpy() for k, v in model.networks["g0"].state_dict().items()}
    for k, v in other.networks["g0"].state_dict().items():
        np.testing.assert_array_equal(v.numpy(), g0[k])
    assert not np.array_equal(
        model.networks["g1"].body.head.weight.detach(), other.networks["g1"].body.head.weight.detach()
    )


def test_same_number_of_updates_for_small_groups(two: Split, vector_settings: TrainSettings) -> None:
    settings = vector_settings.but(updates=None, epochs=3)
    store = Store()
    GroupModel().fit(two.train, two.validation, settings=settings, store=store)
    ERM().fit(two.train, two.validation, settings=settings, store=store)
    last = store.log.table.groupby("model")["updates"].last()
    assert last.nunique() == 1
    assert last.iloc[0] == settings.n_updates(len(two.train))


@pytest.mark.parametrize("method", [GroupModel, Spare])
def test_small_and_one_class_groups(method: type, two: Split, vector_settings: TrainSettings) -> None:
    train_group, validation_group = two.train.group.copy(), two.validation.group.copy()
    train_group[:3] = 2
    validation_group[:1] = 2
    test_group = two.test.group.copy()
    test_group[:2] = 2
    parts = [
        relabelled(c, g)
        for c, g in ((two.train, train_group), (two.validation, validation_group), (two.test, test_group))
    ]
    with pytest.raises(TrainingError, match="'g2' has only 3 training samples") as error:
        method().fit(*parts[:2], settings=vector_settings)
    assert "--bins" in error.value.fix
    model = method(small_groups="erm").fit(*parts[:2], settings=vector_settings)
    assert model.route == {"g0": "g0", "g1": "g1", "g2": "pooled"}
    assert set(model.predict(parts[2]).table["route"]) == {"recorded: g0", "recorded: g1", "recorded: g2"}

    one_class = two.train.group.copy()
    one_class[two.train.y == 1] = 0
    with pytest.raises(TrainingError, match=r"'g1' has .* fewer than two classes"):
        method().fit(relabelled(two.train, one_class), two.validation, settings=vector_settings)
    with pytest.raises(SettingsError, match="small_groups"):
        method(small_groups="drop").fit(two.train, two.validation, settings=vector_settings)


def test_no_validation_samples_of_a_group(two: Split, vector_settings: TrainSettings) -> None:
    validation = two.validation.where(two.validation.group == 0)
    with pytest.raises(TrainingError, match="'g1' has no validation samples"):
        GroupModel().fit(two.train, validation, settings=vector_settings)


def test_no_groups_at_all(vector_settings: TrainSettings) -> None:
    x = np.random.default_rng(0).standard_normal((60, 3)).astype(np.float32)
    cohort = Cohort.from_arrays(x, ["n", "p"] * 30, sensitive_features=[""] * 60)
    split = split_from_parts(cohort, np.repeat(["train", "validation", "test"], 20))
    with pytest.raises(SettingsError, match="the attribute is missing everywhere"):
        GroupModel().fit(split.train, split.validation, settings=vector_settings)
    model = ERM().fit(split.train, split.validation, settings=vector_settings.but(updates=5))
    assert set(model.predict(split.test).table["route"]) == {"pooled"}
