"""Cohorts in memory become prepared folders, and come back as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.testing as npt
import pytest

from everygroup.cohort import Cohort
from everygroup.cohort.outcome import TARGETS
from everygroup.datasets import read_cohort, save_cohort, simulate
from everygroup.errors import CohortError, OutputError

Make = Callable[..., Cohort]


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_comes_back(tmp_path: Path, target: Any) -> None:
    cohort = simulate(target, n=60, image_size=16).cohort
    again = read_cohort(save_cohort(cohort, tmp_path / "out"))
    assert again.content_hash == cohort.content_hash
    assert (again.target, again.classes, again.groups) == (target, cohort.classes, cohort.groups)
    assert again.provenance["settings"] == cohort.provenance["settings"]
    npt.assert_array_equal(again.units, cohort.units)
    assert save_cohort(cohort, tmp_path / "out") == tmp_path / "out"  # the same again


def test_a_part_is_saved_alone(tmp_path: Path) -> None:
    whole = simulate("mask", n=60, image_size=16).cohort
    part = whole.where(np.arange(10, 25))
    again = read_cohort(save_cohort(part, tmp_path / "out"))
    assert len(again.images) == 15
    npt.assert_array_equal(again.truth_batch(slice(None)), part.truth_batch(slice(None)))
    npt.assert_array_equal(again.batch(slice(None)), part.batch(slice(None)))


def test_other_columns_and_groups_may_be_named(tmp_path: Path) -> None:
    out = save_cohort(simulate("labels", n=60, image_size=16).cohort, tmp_path / "out")
    other = read_cohort(out, target="classes", label="diagnosis", group="sex")
    assert other.groups == ("female", "male") and other.classes == ("keratosis", "melanoma", "naevus", "vascular")
    one = read_cohort(out, target="labels", label="irregular")
    assert one.classes == ("irregular",) and one.groups == ("light", "dark")


def test_nothing_of_others_is_replaced(tmp_path: Path, tiny_cohort: Make) -> None:
    cohort = tiny_cohort(40)
    save_cohort(cohort, tmp_path / "out")
    with pytest.raises(OutputError, match="holds another cohort"):
        save_cohort(tiny_cohort(30), tmp_path / "out")
    assert len(read_cohort(save_cohort(tiny_cohort(30), tmp_path / "out", overwrite=True))) == 30
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "table.csv").write_text("a\n1\n")
    with pytest.raises(OutputError, match=r"table\.csv: is there already"):
        save_cohort(cohort, tmp_path / "mine")


def test_what_a_folder_cannot_hold_is_refused(tmp_path: Path) -> None:
    floats = Cohort.from_arrays(np.zeros((4, 3, 3, 1), np.float32), list("abab"), sensitive_features=list("fmfm"))
    with pytest.raises(CohortError, match="float32"):
        save_cohort(floats, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_vectors_come_back_as_they_were(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    cohort = Cohort.from_arrays(x, list("abab"), sensitive_features=list("fmfm"))
    again = read_cohort(save_cohort(cohort, tmp_path / "out"))
    np.testing.assert_array_equal(again.batch(slice(None)), x)
    assert again.classes == cohort.classes and again.groups == cohort.groups
