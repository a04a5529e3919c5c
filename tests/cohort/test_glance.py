"""What a notebook shows of a cohort."""

from __future__ import annotations

import numpy as np
import pytest

from everygroup.cohort import Cohort


@pytest.fixture
def cohort() -> Cohort:
    sex = ["f", "m", "m", None] * 10
    return Cohort.from_arrays(
        np.zeros((40, 4, 4, 3), dtype=np.uint8),
        ["a<b", "b"] * 20,
        sensitive_features={"sex": sex},
        units=[f"p{i // 2}" for i in range(40)],
    )


def test_by_group_counts_samples_patients_and_labels(cohort: Cohort) -> None:
    frame = cohort.by_group
    assert frame.index.tolist() == ["f", "m", "missing"]
    assert frame.to_dict("list") == {"n": [10, 20, 10], "n_units": [10, 20, 10], "a<b": [10, 10, 0], "b": [0, 10, 10]}
    assert cohort.where(cohort.group >= 0).by_group.index.tolist() == ["f", "m"]


def test_the_page_is_escaped_and_loads_nothing(cohort: Cohort) -> None:
    page = cohort._repr_html_()
    assert "a&lt;b" in page and "a<b" not in page and "20 (unit)" in page and "<th>missing</th><td>10</td>" in page
    assert not any(outside in page for outside in ("<script", "src=", "href=", "url("))


def test_the_chart_shows_every_cell(cohort: Cohort) -> None:
    shown = cohort.plot()._repr_mimebundle_()["text/html"]  # type: ignore[attr-defined]
    assert "<svg" in shown and "missing" in shown and "src=" not in shown
    assert "missing" not in cohort.where(cohort.group >= 0).plot()._repr_mimebundle_()["text/html"]  # type: ignore[attr-defined]
