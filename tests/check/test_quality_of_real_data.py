"""The published sets, where they are: counts as described, and the copies that are known."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from everygroup.check import fingerprint
from everygroup.check.tone_agreement import compare_tones
from everygroup.imaging import find_duplicates

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def cases(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.setenv("EVERYGROUP_DATA", str(data_folder))
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield {case.name: case for case in importlib.import_module("data_quality_sets").CASES}
    for name in ("data_quality_sets", "common"):
        sys.modules.pop(name, None)


def read(cases: dict[str, Any], name: str, data_folder: Path) -> Any:
    case = cases[name]
    if not (data_folder / case.folder / "metadata.csv").exists():
        pytest.skip(f"the data set {case.folder} is not here")
    return case, case.read()


def test_pad_ufes_20(cases: dict[str, Any], data_folder: Path) -> None:
    case, cohort = read(cases, "pad-ufes-20", data_folder)
    assert case.check(cohort) == []
    found = find_duplicates(cohort)
    pairs = {frozenset(p) for p in zip(found.pairs["id_a"], found.pairs["id_b"], strict=True)}
    assert pairs == {frozenset(pair) for pair in case.copies}, "the three known pairs and no other"
    assert found.pairs["same_unit"].all() and (~found.pairs["same_label"]).sum() == 2
    said = fingerprint(cohort).warnings
    assert any("'skin_type' and 'sex'" in w and "exactly the same 332 images" in w and "SEK (110)" in w for w in said)
    tones = compare_tones(cohort, n_boot=20).agreement
    recorded = tones[tones["recorded"] == "skin_type"]
    assert len(recorded) == 8 and recorded["n"].between(490, 511).all() and recorded["kappa"].max() < 0.3


def test_chest_xrays_of_different_patients_are_no_copies(cases: dict[str, Any], data_folder: Path) -> None:
    case, cohort = read(cases, "chestxray14", data_folder)
    assert case.check(cohort) == []
    assert find_duplicates(cohort).pairs.empty


def test_a_wrong_count_is_noticed(cases: dict[str, Any], data_folder: Path) -> None:
    case, cohort = read(cases, "chestxray14", data_folder)
    assert case.check(cohort.where(range(999)))
