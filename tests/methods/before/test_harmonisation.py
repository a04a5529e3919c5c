"""Harmonisation: what is estimated, what stays, and what happens to a site that training never saw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from everygroup.cohort import Cohort, Split, split_cohort
from everygroup.datasets import simulated
from everygroup.errors import CohortError, SettingsError
from everygroup.methods import Lab, create_method
from everygroup.methods.before.combat import ComBat, estimated
from everygroup.methods.before.z_score import ZScore
from everygroup.models import RoutedModel
from everygroup.models.transforms.pictures import (
    edges,
    ground_alone,
    high_frequencies,
    lesion,
    lesion_alone,
    otsu,
    standardised,
    without_colour,
)
from everygroup.settings import TrainSettings


def sites(n: int = 600, *, seed: int = 0, p: int = 20) -> Cohort:
    """Features with a shift and a scale of each of three sites, and an effect of age."""
    rng = np.random.default_rng(seed)
    site, age = rng.integers(0, 3, n), rng.uniform(20, 80, n)
    x = rng.standard_normal((n, p)) * np.array([1.0, 1.5, 0.7])[site][:, None]
    x += np.array([0.0, 2.0, -1.0])[site][:, None] + 0.05 * (age - 50)[:, None]
    y = (x[:, 0] > 0).astype(int)
    columns = {"site": [f"s{s}" for s in site]}
    import pandas as pd

    return Cohort.from_arrays(
        x.astype(np.float32), y, classes=["no", "yes"], sensitive_features=columns,
        extra=pd.DataFrame({"age": age}), ids=[f"i{seed}-{i}" for i in range(n)],
    )  # fmt: skip


@pytest.fixture(scope="module")
def lab(vector_settings: TrainSettings) -> Lab:
    split = split_cohort(sites())
    return Lab(split.train, split.validation, vector_settings.but(updates=15))


def test_combat_removes_shift_and_scale_and_keeps_the_covariate(lab: Lab) -> None:
    seen = ComBat(keep=["age"]).prepare(lab).train
    x, age = seen.batch(slice(None)).astype(float), seen.table["age"].to_numpy()
    of_site = [x[seen.group == g] - 0.05 * (age[seen.group == g] - 50)[:, None] for g in range(3)]
    n = min(map(len, of_site))
    for part in of_site[1:]:
        assert np.abs(part.mean(0) - of_site[0].mean(0)).mean() < 3 * np.sqrt(2 / n)
        assert np.abs(np.log(part.std(0) / of_site[0].std(0))).mean() < 0.1
    slope = np.polyfit(age, x.mean(1), 1)[0]
    assert slope == pytest.approx(0.05, rel=0.05)


def test_without_shrinking_the_batches_have_one_mean_and_one_spread(lab: Lab) -> None:
    seen = ComBat(shrink=False).prepare(lab).train
    x = seen.batch(slice(None)).astype(float)
    mean = np.stack([x[seen.group == g].mean(0) for g in range(3)])
    spread = np.stack([x[seen.group == g].std(0, ddof=1) for g in range(3)])
    np.testing.assert_allclose(mean, np.tile(mean[:1], (3, 1)), atol=1e-4)
    np.testing.assert_allclose(spread, np.tile(spread[:1], (3, 1)), rtol=1e-4)
    shifted = ComBat(shrink=False, mean_only=True).prepare(lab).train.batch(slice(None)).astype(float)
    np.testing.assert_allclose(np.stack([shifted[seen.group == g].mean(0) for g in range(3)]), mean, atol=1e-4)


def test_a_reference_stays_as_it_is_and_one_batch_alone_too(lab: Lab) -> None:
    seen = ComBat(reference="s1").prepare(lab).train
    inside = seen.group == 1
    np.testing.assert_allclose(seen.batch(inside.nonzero()[0]), lab.train.batch(inside.nonzero()[0]), atol=1e-5)
    alone = Lab(lab.train.in_group("s0").with_groups(np.zeros(200)[: (lab.train.group == 0).sum()], ["s0"]),
                lab.validation.in_group("s0").with_groups(np.zeros((lab.validation.group == 0).sum()), ["s0"]),
                lab.settings)  # fmt: skip
    assert ComBat().prepare(alone).transforms == ()
    with pytest.raises(SettingsError, match="no batch 'x'"):
        ComBat(reference="x").prepare(lab)


def test_shrinking_draws_towards_the_mean_over_features() -> None:
    rng = np.random.default_rng(0)
    place = np.repeat([0, 1], 8)
    y = rng.standard_normal((16, 200)) + np.where(place == 1, 1.0, 0.0)[:, None]
    own, drawn = (estimated(y, place, np.zeros((16, 0)), 2, shrink=s) for s in (False, True))
    assert drawn["gamma"][1].std() < 0.5 * own["gamma"][1].std()
    assert drawn["gamma"][1].mean() == pytest.approx(own["gamma"][1].mean(), abs=0.02)
    assert drawn["delta"][1].std() < 0.5 * own["delta"][1].std()


def test_an_unseen_site_is_refused_or_left_as_it_is(lab: Lab, tmp_path: Path) -> None:
    new = sites(30, seed=5)
    other = Cohort.from_table(
        new.batch(slice(None)), new.table.assign(site="elsewhere"), label=new.label, group="site",
        id_column="id", classes=new.classes, groups=["s0", "s1", "s2"],
    )  # fmt: skip
    for otherwise in ("refuse", "reference"):
        model = create_method(f"combat(otherwise={otherwise})").fit(lab.train, lab.validation, settings=lab.settings)
        model.save(tmp_path / otherwise)
        again = RoutedModel.load(tmp_path / otherwise)
        np.testing.assert_array_equal(again.predict_proba(new), model.predict_proba(new))
        if otherwise == "refuse":
            with pytest.raises(CohortError, match="elsewhere"):
                model.predict_proba(other)
        else:
            assert np.isfinite(model.predict_proba(other)).all()


def test_z_scores_bring_groups_to_the_whole(lab: Lab) -> None:
    seen = ZScore().prepare(lab).train
    x, whole = seen.batch(slice(None)).astype(float), lab.train.batch(slice(None)).astype(float)
    for g in range(3):
        np.testing.assert_allclose(x[seen.group == g].mean(0), whole.mean(0), atol=1e-4)
        np.testing.assert_allclose(x[seen.group == g].std(0), whole.std(0), rtol=1e-3)
    by_column = ZScore(over="column", column="site").prepare(lab).train.batch(slice(None))
    np.testing.assert_allclose(by_column, x, atol=1e-5)
    with pytest.raises(SettingsError, match="belong together"):
        create_method("z_score(over=column)").check(lab)
    with pytest.raises(SettingsError, match="for images"):
        create_method("z_score(over=image)").check(lab)


def pictures() -> np.ndarray:
    """A dark disc on an even ground, floats (4, 32, 32, 3)."""
    grid = np.indices((32, 32)) - 15.5
    disc = (grid**2).sum(0) < 64
    x = np.where(disc[None, ..., None], 0.3, 0.7) + np.zeros((4, 1, 1, 3))
    return (x + 0.01 * np.random.default_rng(0).standard_normal(x.shape)).astype(np.float32)


def test_pictures_are_standardised_drawn_and_masked() -> None:
    x = pictures()
    z = standardised(x)
    np.testing.assert_allclose(z.mean((1, 2, 3)), 0.5, atol=0.01)
    np.testing.assert_allclose(standardised(np.clip(0.5 * x + 0.1, 0, 1)), z, atol=1e-5)
    tint = x + np.float32([0.05, -0.05 * 0.299 / 0.587, 0])  # another colour of the same brightness
    for change in (edges, without_colour):
        np.testing.assert_allclose(change(tint), change(x), atol=1e-5)
    np.testing.assert_allclose(high_frequencies(x + 0.05), high_frequencies(x), atol=1e-5)
    drawn = edges(x)
    assert drawn[:, 14:18, 14:18].mean() > 0.9 and drawn.min() < 0.6
    inside = lesion(x)
    disc = ((np.indices((32, 32)) - 15.5) ** 2).sum(0) < 64
    assert inside[:, disc].all() and inside.mean() < 0.35
    alone, ground = lesion_alone(x), ground_alone(x)
    assert np.ptp(alone[0][~inside[0]], axis=0).max() == 0 and np.ptp(ground[0][inside[0]], axis=0).max() == 0
    np.testing.assert_array_equal(alone[inside], x[inside])
    even = np.full((1, 32, 32, 3), 0.5, np.float32)
    np.testing.assert_array_equal(lesion_alone(even), even)
    cut = otsu(np.array([0.1, 0.11, 0.12, 0.9, 0.91]))  # the variance is the same wherever in the gap the cut lies
    assert 0.12 <= cut < 0.9


def test_pictures_are_seen_so_at_prediction_too(tmp_path: Path) -> None:
    split: Split = split_cohort(simulated.dermatology(90, image_size=16, seed=0).cohort)
    settings = TrainSettings.make({"updates": 3, "batch_size": 16})
    for method in ("edges(kind=grey)", "mask(inverse=true)", "z_score"):
        model = create_method(method).fit(split.train, split.validation, settings=settings)
        model.save(tmp_path / method)
        again = RoutedModel.load(tmp_path / method)
        np.testing.assert_array_equal(again.predict_proba(split.test), model.predict_proba(split.test))
    grey = create_method("edges(kind=grey)").fit(split.train, split.validation, settings=settings)
    x = split.test.batch(slice(None))
    bright = (x @ np.array([0.299, 0.587, 0.114])).round().astype(np.uint8)
    without = split.test.with_images(np.repeat(bright[..., None], 3, -1))
    np.testing.assert_allclose(grey.predict_proba(without), grey.predict_proba(split.test), atol=5e-3)
