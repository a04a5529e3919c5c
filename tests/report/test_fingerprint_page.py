"""The fingerprint's page: warnings first, all parts there, nothing loaded, names from data escaped."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.check import fingerprint, look_at_images, mean_images
from everygroup.cohort import Cohort, split_cohort
from everygroup.report import write_fingerprint_page

SCRIPT = "<script>alert(1)</script>"
N = 120


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)
    images[7] = images[3]
    y = [SCRIPT if k % 2 else "benign" for k in range(N)]
    sex = [f"male{SCRIPT}" if k % 4 < 2 else "female" for k in range(N)]
    extra = pd.DataFrame({"age": rng.integers(20, 80, N), SCRIPT: [None if k % 2 and k % 3 else "x" for k in range(N)]})
    ids = [f"{SCRIPT}{k}" for k in range(N)]
    provenance = {"name": f"set {SCRIPT}"}
    return Cohort.from_arrays(images, y, sensitive_features={"sex": sex}, extra=extra, ids=ids, provenance=provenance)


def page_of(cohort: Cohort, path: Path, *, means: bool = False, of_patients: bool = True) -> str:
    split = split_cohort(cohort, seed=0)
    found = look_at_images(cohort, split).added_to(fingerprint(cohort, split))
    drawn = mean_images(cohort) if means else None
    write_fingerprint_page(path, found, means=drawn, of_patients=of_patients, command=f"everygroup check {SCRIPT}")
    return path.read_text(encoding="utf-8")


def test_names_from_data_are_text(cohort: Cohort, tmp_path: Path) -> None:
    page = page_of(cohort, tmp_path / "page.html")
    assert SCRIPT not in page
    assert "&lt;script&gt;alert(1)" in page
    assert page.count("<script") == 1


def test_warnings_come_first_and_every_part_is_there(cohort: Cohort, tmp_path: Path) -> None:
    page = page_of(cohort, tmp_path / "page.html")
    sections = re.findall(r'<section id="(\w+)"', page)
    assert sections == ["answer", "asked", "cells", "ages", "prevalence", "missing", "copies", "again"]
    first = page[page.index('<section id="answer"') : page.index('<section id="asked"')]
    assert "What could mislead" in first and "byte-identical" in first
    assert "What was asked" not in page
    assert page.count('class="chart"') >= 4


def test_nothing_is_loaded_and_no_picture_is_shown_unless_asked(cohort: Cohort, tmp_path: Path) -> None:
    page = page_of(cohort, tmp_path / "page.html")
    assert "<img" not in page
    assert not re.findall(r'(?:src|href)="(?!#|data:)', page)
    assert "default-src 'none'" in page
    with_means = page_of(cohort, tmp_path / "means.html", means=True)
    assert with_means.count("<img") == 1
    assert 'id="means"' in with_means and "keep the page where those may be kept" in with_means
    of_nobody = page_of(cohort, tmp_path / "simulated.html", means=True, of_patients=False)
    assert of_nobody.count("<img") == 1 and "may be kept" not in of_nobody


def test_the_tables_hold_the_fingerprints_numbers(cohort: Cohort, tmp_path: Path) -> None:
    page = page_of(cohort, tmp_path / "page.html")
    rates = fingerprint(cohort).prevalence
    row = rates[(rates["group"] == "female") & (rates["label"] == "benign")].iloc[0]
    assert f"{row['rate']:.3f} ({row['low']:.3f} to {row['high']:.3f})" in page


def test_a_cohort_without_faults_says_so(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (N, 2, 2, 3), dtype=np.uint8)
    clean = Cohort.from_arrays(
        images, ["a", "b"] * (N // 2), sensitive_features={"sex": ["f", "f", "m", "m"] * (N // 4)}
    )
    write_fingerprint_page(tmp_path / "page.html", fingerprint(clean))
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Nothing was found that this check looks for." in page
    assert "No column has missing values." in page and 'id="ages"' not in page
