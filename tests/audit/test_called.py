"""Classes that only say 0 and 1 go by the disease their column is called after; what is stored keeps its names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import audit_table
from everygroup.audit.called import called, disease_of, named_metric
from everygroup.audit.words import cases_of
from everygroup.report import write_brief, write_model_card, write_report


@pytest.mark.parametrize(
    ("column", "disease"),
    [
        ("melanoma", "melanoma"),
        ("Pleural_Effusion", "Pleural Effusion"),
        ("y_true_melanoma", "melanoma"),
        ("hasGlaucoma", "Glaucoma"),
        ("melanoma label", "melanoma"),
        *(
            (c, "")
            for c in ("y", "label", "Diagnosis", "dx", "true_label", "outcome_1", "ground truth", "y_test", "gt")
        ),
    ],
)
def test_the_disease_is_what_a_column_is_called_after(column: str, disease: str) -> None:
    assert disease_of(column) == disease


def test_only_classes_without_names_are_called_after_their_column() -> None:
    assert called(["0", "1"], "melanoma") == {"0": "no melanoma", "1": "melanoma"}
    assert called(["1", "0"], "melanoma") == {"0": "no melanoma", "1": "melanoma"}, "whichever is the positive one"
    assert called(["False", "True"], "melanoma") == {"False": "no melanoma", "True": "melanoma"}
    assert called(["0", "1"], "diagnosis") == {} == called(["1", "2"], "melanoma") == called(["0", "1", "2"], "stage")
    assert called(["nevus", "melanoma"], "lesion") == {}
    assert named_metric("recall[1]", {"1": "melanoma"}) == "recall[melanoma]"
    assert named_metric("recall[10]", {"1": "melanoma"}) == "recall[10]"


def test_the_other_class_is_spoken_of_without_the_disease() -> None:
    assert (
        cases_of("1", "melanoma") == cases_of("melanoma", "melanoma") == ("cases of melanoma", "cases without melanoma")
    )
    assert cases_of("0", "melanoma") == cases_of("no melanoma", "melanoma")
    assert cases_of("0", "melanoma") == ("cases without melanoma", "cases of melanoma")
    assert cases_of("1", "dx") == ("positive cases", "negative cases")
    assert cases_of("nevus", "dx") == ("cases of nevus", "cases without nevus")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    n = 400
    y = rng.integers(0, 2, n)
    score = np.clip(0.5 * y + rng.uniform(0, 0.5, n), 0, 1)
    sex = np.where(rng.random(n) < 0.5, "f", "m").astype(object)
    sex[:13] = "other"
    y[:9], y[9:13] = 0, 1
    pd.DataFrame({"melanoma": y, "score": score, "sex": sex}).to_csv(tmp_path / "preds.csv", index=False)
    return tmp_path / "preds.csv"


def test_pages_say_melanoma_and_files_keep_1(table: Path, tmp_path: Path) -> None:
    options = {"y_true": "melanoma", "groups": ["sex"], "n_boot": 20}
    found = audit_table(table, metrics=["sensitivity", "recall[1]", "recall[0]"], **options)
    assert found.settings["positive"] == "1" and found.settings["classes"] == ["0", "1"]
    assert set(found.cells["label"]) == {"0", "1"} and "recall[1]" in set(found.table["metric"])
    asked = {"question": found.settings["asked"], "audit": found, "title": "Audit"}
    brief = write_brief(tmp_path / "brief.html", **asked).read_text(encoding="utf-8")
    report = write_report(tmp_path / "report.html", **asked).read_text(encoding="utf-8")
    card = write_model_card(tmp_path / "card.md", found, title="Audit", question=asked["question"]).read_text()
    assert "cases without melanoma" in brief.replace("\u00a0", " ") and "<dt>disease is</dt><dd>melanoma</dd>" in brief
    for page in (report, card):
        assert "melanoma" in page and not re.search(r"(?:recall|prevalence)\[[01]\]", page)
    assert "no melanoma" in report
    flags = " ".join(map(str, found.flags))
    assert "fewer than 10 samples of no melanoma, melanoma in group other" in flags, flags
    written = found.write(tmp_path / "out")
    stored = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert stored["settings"]["positive"] == "1" and any(p.name == "cells.csv" for p in written)
    assert set(pd.read_csv(tmp_path / "out" / "cells.csv")["label"].astype(str)) == {"0", "1"}


def test_a_general_column_leaves_the_classes_as_they_are(table: Path, tmp_path: Path) -> None:
    pd.read_csv(table).rename(columns={"melanoma": "label"}).to_csv(table, index=False)
    found = audit_table(table, groups=["sex"], n_boot=20)
    page = write_report(tmp_path / "r.html", title="A", question={}, audit=found).read_text(encoding="utf-8")
    assert "prevalence[1]" in page or "Recall" in page
    assert "no label" not in page and "positive cases" in page.replace("\u00a0", " ")
