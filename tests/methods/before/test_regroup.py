"""Training may see other groups than those that are audited."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.datasets import simulated
from everygroup.errors import SettingsError
from everygroup.methods import Lab, create_method
from everygroup.methods.before.regroup import Regroup
from everygroup.settings import TrainSettings


def lab_of(split: Split, settings: TrainSettings) -> Lab:
    return Lab(split.train, split.validation, settings)


@pytest.fixture(scope="module")
def crossed() -> Split:
    """Two attributes: groups by `a`, while `b` is finer (b1, b2 in a1), and `c` has nothing to do with either."""
    rng = np.random.default_rng(0)
    b = rng.integers(0, 4, 240)
    x = rng.standard_normal((240, 4)).astype(np.float32)
    x[:, 0] += 6 * b
    columns = {
        "a": [f"a{v // 2}" for v in b],
        "b": [f"b{v}" for v in b],
        "c": [f"c{v}" for v in rng.integers(0, 3, 240)],
    }
    y = (x[:, 1] > 0).astype(int)
    return split_cohort(Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features=columns, group="a"))


def test_other_columns_make_the_groups_of_training(crossed: Split, vector_settings: TrainSettings) -> None:
    lab = Regroup(by=["c"]).prepare(lab_of(crossed, vector_settings))
    assert lab.train.groups == ("c0", "c1", "c2") and lab.merged_from is not None
    assert lab.merged_from.train.groups == ("a0", "a1") and lab.places is None
    model = create_method("regroup(by=[c]) + group_dro").fit(
        crossed.train, crossed.validation, settings=vector_settings
    )
    assert model.groups == ("a0", "a1") and set(model.route.values()) == {"pooled"}
    asked = create_method("group_dro").fit(crossed.train, crossed.validation, settings=vector_settings)
    assert not np.array_equal(model.predict_proba(crossed.test), asked.predict_proba(crossed.test))


def test_a_method_that_is_told_the_group_follows_only_where_it_can_be(
    crossed: Split, vector_settings: TrainSettings
) -> None:
    with pytest.raises(SettingsError, match="has to be told a patient's group"):
        create_method("regroup(by=[c]) + group_model").fit(crossed.train, crossed.validation, settings=vector_settings)
    finer = Cohort.from_arrays(
        crossed.train.batch(slice(None)), crossed.train.y, classes=["no", "yes"],
        sensitive_features=crossed.train.table[["a", "b", "c"]], group="b",
    )  # fmt: skip
    split = split_cohort(finer)
    model = create_method("regroup(by=[a]) + group_model").fit(split.train, split.validation, settings=vector_settings)
    assert model.groups == ("b0", "b1", "b2", "b3")
    assert model.route == {"b0": "a0", "b1": "a0", "b2": "a1", "b3": "a1"}


def test_noise_exchanges_the_groups_of_whole_patients(
    make_vectors: Callable[..., Cohort], vector_settings: TrainSettings
) -> None:
    whole = make_vectors(1200, groups=3)
    cohort = whole.with_units(np.array([f"p{i // 3}" for i in range(1200)]))
    split = split_cohort(cohort)
    lab = lab_of(split, vector_settings)
    changed = Regroup(noise=0.3).prepare(lab)
    moved = changed.train.group != lab.train.group
    assert abs(moved.mean() - 0.3) < 0.06
    by_unit = [
        len(set((changed.train.group - lab.train.group)[lab.train.units == u] % 3)) for u in set(lab.train.units)
    ]
    assert set(by_unit) == {1}
    assert changed.train.groups == lab.train.groups and changed.merged_from is None
    hidden = Regroup(hide=0.5).prepare(lab).train.group
    assert abs((hidden < 0).mean() - 0.5) < 0.08 and (hidden[hidden >= 0] == lab.train.group[hidden >= 0]).all()
    nothing = Regroup().prepare(lab)
    np.testing.assert_array_equal(nothing.train.group, lab.train.group)


def test_clusters_find_groups_that_lie_apart(crossed: Split, vector_settings: TrainSettings) -> None:
    lab = lab_of(crossed, vector_settings)
    found = Regroup(pseudo="clusters", n=4).prepare(lab)
    assert found.train.groups == tuple(f"clusters {i}" for i in (1, 2, 3, 4))
    again = Regroup(pseudo="clusters", n=4).prepare(lab)
    np.testing.assert_array_equal(found.train.group, again.train.group)
    np.testing.assert_array_equal(found.validation.group, again.validation.group)
    told = crossed.validation.table["b"].to_numpy()
    shares = [np.unique(told[found.validation.group == g], return_counts=True)[1] for g in range(4)]
    assert sum(s.max() for s in shares) / len(told) > 0.9


def test_tones_are_read_off_the_skin() -> None:
    split = split_cohort(simulated.dermatology(160, image_size=24, seed=0, tone_fractions=(0.5, 0.5)).cohort)
    lab = Regroup(pseudo="tone").prepare(Lab(split.train, split.validation, TrainSettings.make()))
    seen, told = lab.train.group, split.train.group
    known = (seen >= 0) & (told >= 0)
    agree = (seen[known] == told[known]).mean()
    assert max(agree, 1 - agree) > 0.85
    vectors = np.zeros((8, 3), np.float32)
    part = Cohort.from_arrays(vectors, ["a", "b"] * 4, sensitive_features=["u", "v"] * 4, ids=range(8))
    with pytest.raises(SettingsError, match="colour of skin"):
        Regroup(pseudo="tone").prepare(Lab(part.where(np.arange(4)), part.where(np.arange(4, 8)), TrainSettings.make()))


def test_two_partitions_at_once_are_refused() -> None:
    with pytest.raises(SettingsError, match="both by and pseudo"):
        create_method("regroup(by=[a], pseudo=random)")
