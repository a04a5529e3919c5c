"""What is drawn, weighed and made: closed forms, and what may not leave training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.datasets import simulated
from everygroup.methods import Lab, create_method
from everygroup.methods.before.fill_cells import FillCells
from everygroup.methods.before.opposite_tone import OppositeTone
from everygroup.methods.before.reweighing import Reweighing
from everygroup.methods.before.stratified_batches import StratifiedBatches
from everygroup.settings import TrainSettings
from everygroup.training.batches import index_batches
from everygroup.training.heads import evened


def cohort_of(size: dict[tuple[int, int], int]) -> Cohort:
    """Vectors with so many samples of every (group, class)."""
    rng = np.random.default_rng(0)
    group = np.concatenate([np.full(n, g) for (g, _), n in size.items()])
    y = np.concatenate([np.full(n, k) for (_, k), n in size.items()])
    x = rng.standard_normal((len(y), 3)).astype(np.float32)
    names = [f"g{g}" if g >= 0 else "" for g in group]
    return Cohort.from_arrays(x, y, classes=["no", "yes"], sensitive_features={"a": names}, groups=["g0", "g1"])


def lab_of(train: Cohort, settings: TrainSettings | None = None) -> Lab:
    checked = cohort_of({(0, 0): 5, (0, 1): 5, (1, 0): 5, (1, 1): 5})
    checked = Cohort.from_arrays(
        checked.batch(slice(None)), checked.y, classes=["no", "yes"],
        sensitive_features={"a": [f"g{g}" for g in checked.group]}, ids=[f"v{i}" for i in range(20)],
    )  # fmt: skip
    return Lab(train, checked, settings or TrainSettings.make({"backbone": "linear", "optimiser": "adamw"}))


def test_weights_make_group_and_diagnosis_independent_and_keep_the_groups_sizes() -> None:
    lab = lab_of(cohort_of({(0, 0): 30, (0, 1): 10, (1, 0): 20, (1, 1): 40}))
    weights = Reweighing().prepare(lab).weights
    assert weights is not None
    y, group = lab.train.y, lab.train.group
    cell = {(g, k): weights[(group == g) & (y == k)] for g in range(2) for k in range(2)}
    assert {key: round(float(v[0]), 6) for key, v in cell.items()} == {
        (0, 0): 0.666667, (0, 1): 2.0, (1, 0): 1.5, (1, 1): 0.75,
    }  # fmt: skip
    for g, n in enumerate((40, 60)):
        assert weights[group == g].sum() == pytest.approx(n)
        assert weights[(group == g) & (y == 1)].sum() / n == pytest.approx(0.5)


def test_other_weights_and_missing_groups() -> None:
    lab = lab_of(cohort_of({(0, 0): 30, (0, 1): 10, (1, 0): 2, (1, 1): 8, (-1, 0): 3}))
    for kind in ("independence", "inverse", "effective_number"):
        weights = Reweighing(kind=kind).prepare(lab).weights
        assert weights is not None and np.isfinite(weights).all()
        assert (weights[lab.train.group < 0] == 1).all() and weights[lab.known].mean() == pytest.approx(1)
    few, many = (Reweighing(kind="effective_number", beta=b).prepare(lab).weights for b in (0.001, 0.9999))
    assert few is not None and many is not None
    group = lab.train.group
    ratio = [float(w[group == 1][0] / w[group == 0][0]) for w in (few, many)]
    assert ratio == pytest.approx([1, 4], abs=0.02)  # beta near 0: no weights; near 1: inverse sizes
    twice = Reweighing().prepare(Reweighing().prepare(lab)).weights
    once = Reweighing().prepare(lab).weights
    assert once is not None and twice is not None
    np.testing.assert_allclose(twice, once**2)


def test_every_batch_has_as_many_of_each_group() -> None:
    lab = StratifiedBatches().prepare(lab_of(cohort_of({(0, 0): 60, (0, 1): 20, (1, 0): 5, (1, 1): 5, (-1, 1): 10})))
    assert lab.strata is not None
    drawn = list(index_batches(100, 21, 3, start=0, stop=40, strata=lab.strata))
    counts = np.array([[np.sum(lab.train.group[b] == g) for g in (0, 1, -1)] for b in drawn])
    assert (counts[:, 2] == 2).all() and (np.abs(counts[:, 0] - counts[:, 1]) <= 1).all()
    assert (counts.sum(1) == 21).all() and counts[:, 0].mean() == pytest.approx(9.5, abs=0.35)
    again = list(index_batches(100, 21, 3, start=20, stop=21, strata=lab.strata))
    np.testing.assert_array_equal(again[0], drawn[20])
    everyone = np.concatenate(drawn)
    assert set(everyone[lab.train.group[everyone] == 1]) == set(np.flatnonzero(lab.train.group == 1))
    weight = evened(lab.strata)
    assert weight[lab.train.group == 0].sum() == pytest.approx(weight[lab.train.group == 1].sum())


def test_cells_become_equal_with_samples_between_neighbours() -> None:
    lab = lab_of(cohort_of({(0, 0): 30, (0, 1): 10, (1, 0): 6, (1, 1): 12}))
    filled = FillCells(k=3).prepare(lab)
    size = [[int(((filled.train.group == g) & (filled.train.y == k)).sum()) for k in range(2)] for g in range(2)]
    assert size == [[30, 30], [12, 12]]
    assert filled.n_updates == lab.n_updates and len(filled.validation) == len(lab.validation)
    assert set(filled.train.units) == set(lab.train.units)
    made = filled.train.batch(slice(None))[len(lab.train) :]
    own = lab.train.batch(slice(None))
    for x, y, g in zip(made, filled.train.y[58:], filled.train.group[58:], strict=True):
        inside = own[(lab.train.y == y) & (lab.train.group == g)]
        assert (x >= inside.min(0) - 1e-5).all() and (x <= inside.max(0) + 1e-5).all()
    half = FillCells(share=0.5).prepare(lab).train
    assert len(half) == 58 + 10 + 3
    weighted = FillCells().prepare(Reweighing().prepare(lab))
    assert weighted.weights is not None and len(weighted.weights) == len(weighted.train)


def test_pictures_are_made_of_two_of_a_cell() -> None:
    split = split_cohort(simulated.dermatology(120, image_size=16, seed=0).cohort)
    lab = Lab(split.train, split.validation, TrainSettings.make())
    filled = FillCells().prepare(lab)
    assert filled.train.batch(slice(0, 2)).dtype == np.uint8 and len(filled.train) > len(lab.train)
    np.testing.assert_array_equal(filled.train.batch(np.arange(5)), lab.train.batch(np.arange(5)))


def test_a_made_image_has_the_other_groups_tone_and_its_own_contrast() -> None:
    from everygroup.check.colour import lab as to_lab

    split = split_cohort(simulated.dermatology(160, image_size=16, seed=0, tone_fractions=(0.5, 0.5)).cohort)
    lab = Lab(split.train, split.validation, TrainSettings.make())
    train = OppositeTone().prepare(lab).train
    n = len(lab.train)
    colour = to_lab(train.batch(slice(None))).mean((1, 2))
    for g in range(2):
        real, made = colour[:n][train.group[:n] == g].mean(0), colour[n:][train.group[n:] == g].mean(0)
        assert np.abs(real - made)[[0, 2]].max() < 3
    of = [lab.train.ids.tolist().index(i.split(" (")[0]) for i in train.ids[n:]]
    spread = [train.batch(i).astype(float).std((1, 2)).mean() for i in (np.array(of), np.arange(n, len(train)))]
    assert spread[1] == pytest.approx(spread[0], rel=0.2)
    assert (train.y[n:] == lab.train.y[of]).all() and (train.group[n:] != lab.train.group[of]).all()


def test_what_is_made_is_never_predicted_on(two: Split, vector_settings: TrainSettings) -> None:
    model = create_method("fill_cells").fit(two.train, two.validation, settings=vector_settings.but(updates=10))
    assert model.transforms == () and len(model.predict(two.test).ids) == len(two.test)


def test_strata_and_weights_reach_solved_heads(
    make_vectors: Callable[..., Cohort], head_settings: TrainSettings
) -> None:
    split = split_cohort(make_vectors(200, seed=3))
    plain = create_method("erm").fit(split.train, split.validation, settings=head_settings)
    for method in ("reweighing", "stratified_batches(over=cell)"):
        other = create_method(method).fit(split.train, split.validation, settings=head_settings)
        assert not np.array_equal(other.predict_proba(split.test), plain.predict_proba(split.test))
