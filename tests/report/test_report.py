from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from everygroup import console
from everygroup.errors import OutputError
from everygroup.figures import image_strip
from everygroup.report import MAX_BYTES, write_report
from everygroup.report import write as write_module

from .conftest import HOSTILE, FakeAudit, comparison, table

LEAST = ["answer", "groups", "gaps", "method", "limits", "downloads"]
VOID = {"meta", "img", "br", "link", "input", "hr"}
QUESTION = {"cohort": "simulated", "label": "dx", "method": "spare", "baseline": "erm", "seed": 0, "n": 300}


class Page(HTMLParser):
    """Parse a page strictly: every element that opens closes, in order."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def weights(names: tuple[str, ...] = ("young", "old"), n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(t, names[i % len(names)], *rng.gamma(2, 0.3, 2)) for t in names for i in range(n)]
    frame = pd.DataFrame(rows, columns=["target_group", "source_group", "utility", "similarity"])
    return frame.assign(weight=np.exp(-(frame["utility"] + frame["similarity"]) / 2))


def log(model: str = "erm") -> pd.DataFrame:
    epochs = np.arange(1, 6)
    return pd.DataFrame({"model": model, "epoch": epochs, "train_loss": 1 / epochs, "validation_macro_f1": 0.5}).assign(
        selected=epochs == 3
    )


def everything(name: str = "old") -> dict[str, Any]:
    """Every optional part, with `name` wherever a text may come from data."""
    groups = ("young", name)
    cells = pd.DataFrame(
        {"attribute": "age", "label": ["nv", name], "group": groups, "value": [0.5, np.nan], "n": [9, 0]}
    )
    strip = image_strip(np.zeros((2, 8, 8, 3), np.uint8), [name, "w = 0.1"])
    compared = comparison(groups=groups)
    return {
        "title": f"Report {name}",
        "question": QUESTION | {"note": name, "split": {"hash": name}, "command": f"everygroup fit {name}"},
        "audit": [
            FakeAudit(table("erm", groups=groups, better=-0.05)),
            FakeAudit(table(groups=groups), compared, cells.assign(method="spare"), flags=(f"To heed: {name}",)),
        ],
        "fingerprint": {
            "name": name,
            "cells": [{"part": "all", "label": name, "group": g, "n": 5} for g in groups],
            "units": [{"part": name, "n": i} for i in range(30)],
            "duplicates": {"sets": 0},
            "warnings": (name,),
        },
        "log": log(name),
        "weights": weights(groups),
        "weight_summary": pd.DataFrame({"target_group": groups, "effective_sample_size": [55.1, 1234.5]}),
        "image_strips": [(name, strip)],
        "methods": [{"name": name, "families": ["a", "b"], "paper": None}],
        "environment": {"python": "3.11", "machine": {"cpu": name}, "nothing": None},
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(tmp_path_factory.mktemp("whole") / "report.html", **everything())


def test_the_whole_report_stands_alone(whole: Path) -> None:
    path, page = whole, Page(whole)
    assert path.stat().st_size <= MAX_BYTES
    assert page.all("script") == [{}] and not page.all("link") and not page.all("iframe")
    for _, attrs in page.tags:
        for key in ("src", "href", "xlink:href", "action", "srcset"):
            assert str(attrs.get(key) or "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import", page.source)
    policy = next(a for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"]) and "unsafe" not in str(policy["content"])
    for element, directive in (("script", "script-src"), ("style", "style-src")):
        text = page.source.split(f"<{element}>")[1].split(f"</{element}>")[0]
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in str(policy["content"])
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_order_of_the_parts(whole: Path) -> None:
    page = Page(whole)
    ids = [attrs["id"] for attrs in page.all("section")]
    assert " ".join(map(str, ids)) == (
        "answer pictures groups changes cells gaps tradeoff weights training cohort heed asked method limits downloads "
        "environment"
    )
    targets = {a["href"] for a in page.all("a") if str(a["href"]).startswith("#")}
    assert targets == {f"#{i}" for i in ids}


def test_keyboard_and_screen_reader(whole: Path) -> None:
    page = Page(whole)
    assert page.all("html")[0]["lang"] == "en"
    assert all(len(page.all(tag)) == 1 for tag in ("main", "nav", "header", "footer", "h1"))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs["aria-labelledby"] in ids for attrs in page.all("section"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attrs.get("scope") in ("col", "row") for attrs in page.all("th"))
    assert all(attrs.get("alt") for attrs in page.all("img"))
    svgs = page.all("svg")
    assert svgs and all(attrs.get("role") == "img" and attrs.get("aria-label") for attrs in svgs)
    assert "prefers-color-scheme: dark" in page.source and "@media print" in page.source


def test_names_from_data_cannot_break_out(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "r.html", **everything(HOSTILE)))
    assert page.all("script") == [{}] and page.source.count("</script>") == 1
    assert {attrs["src"][:15] for attrs in page.all("img")} == {"data:image/png;"}  # type: ignore[index]
    assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert 'alert("x")' in page.text  # shown, as text
    assert "\x00" not in page.source and "\u202e" not in page.source


def test_undefined_values_say_so(tmp_path: Path) -> None:
    rows = table()
    rows.loc[rows["group"] == "old", ["value", "low", "high"]] = np.nan
    page = Page(write_report(tmp_path / "r.html", title="t", question={}, audit=FakeAudit(rows)))
    assert "undefined" in page.text
    assert not re.search(r"\bnan\b|\bNone\b|<NA>", page.text, re.IGNORECASE)
    assert "large enough to be compared" in page.text  # an undefined group is not the worst one


def test_only_an_audit_is_needed(tmp_path: Path) -> None:
    page = Page(write_report(tmp_path / "r.html", title="", question={}, audit=FakeAudit(table())))
    assert [a["id"] for a in page.all("section")] == LEAST
    assert (
        "Its F1 (macro) is 0.700 in old patients (n = 100), 0.800 in young patients (n = 100); unlikely to be chance "
        "(p < 0.001)."
    ) in page.text


def test_only_pictures_of_patients_ask_for_care(tmp_path: Path, whole: Path) -> None:
    care = "This page shows patients' images: keep it where those may be kept."
    assert care in Page(whole).text
    simulated = Page(write_report(tmp_path / "r.html", of_patients=False, **everything()))
    assert care not in simulated.text and "data:image/png" in simulated.source


def test_empty_parts_are_left_out(tmp_path: Path) -> None:
    given = {"weights": pd.DataFrame(), "log": pd.DataFrame(), "weight_summary": pd.DataFrame(), "fingerprint": {}}
    given |= {"image_strips": [], "methods": [], "environment": {}}
    audit = FakeAudit(table(), pd.DataFrame(), pd.DataFrame())
    page = Page(write_report(tmp_path / "r.html", title="t", question={}, audit=audit, **given))
    assert [a["id"] for a in page.all("section")] == LEAST


def test_downloads_hold_the_numbers(tmp_path: Path) -> None:
    rows = table(groups=("young", "=1+1"))
    page = Page(write_report(tmp_path / "r.html", title="t", question={}, audit=FakeAudit(rows)))
    link = next(a for a in page.all("a") if a.get("download") == "audit.csv")
    text = unquote(str(link["href"]).split(",", 1)[1])
    read = list(csv.DictReader(io.StringIO(text)))
    assert len(read) == len(rows)
    assert float(read[0]["value"]) == pytest.approx(rows["value"][0])
    assert "'=1+1" in {row["group"] for row in read}  # a spreadsheet must not run it


def test_comparison_with_the_change_only(tmp_path: Path) -> None:
    only = comparison().drop(columns=["baseline_value", "value", "baseline"]).rename(columns={"change": "value"})
    audit = FakeAudit(table(), only.drop(columns="method"))
    page = Page(write_report(tmp_path / "r.html", title="t", question={"baseline": "erm"}, audit=audit))
    assert "Against erm, of 2 groups 2 improved, 0 got worse and 0 showed no clear change in F1 (macro)" in page.text


def test_a_page_that_grows_too_big_is_reduced(tmp_path: Path) -> None:
    groups = tuple(f"group {i} {'x' * 60}" for i in range(700))
    big = weights(tuple(f"hospital number {i}" for i in range(8)), n=700)
    noise = np.random.default_rng(0).integers(0, 255, (8, 200, 200, 3), dtype=np.uint8)
    strips = [("noise", image_strip(noise, [""] * 8, side=200))] * 4
    audit = FakeAudit(table(groups=groups), comparison(groups=groups))
    path = write_report(tmp_path / "r.html", title="t", question={}, audit=audit, weights=big, image_strips=strips)
    page = Page(path)
    assert path.stat().st_size <= MAX_BYTES
    assert "more rows are not shown" in page.text
    assert re.search(r"Only the \d+ largest of 701 groups of age are drawn", page.text)
    assert "rows of pictures are left out" in page.text
    assert "Too large to download" in page.text


def test_lean_page_and_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console.clear_warnings()
    monkeypatch.setattr(write_module, "MAX_BYTES", 1_000)
    page = Page(write_report(tmp_path / "r.html", title="t", question={}, audit=FakeAudit(table())))
    assert "There was more than fits into one page" in page.text
    assert any("r.html" in text for text in console.recorded_warnings())
    console.clear_warnings()


def test_audits_without_rows_or_columns(tmp_path: Path) -> None:
    for audit in ([], FakeAudit(table().head(0)), FakeAudit(table().drop(columns="metric"))):
        with pytest.raises(OutputError):
            write_report(tmp_path / "r.html", title="t", question={}, audit=audit)
    assert not list(tmp_path.iterdir())


def test_seeds_in_one_audit_stay_apart(tmp_path: Path) -> None:
    rows = pd.concat([table(), table().assign(seed=1)])
    page = Page(write_report(tmp_path / "r.html", title="t", question={}, audit=FakeAudit(rows)))
    assert "spare (seed 0)" in page.text and "spare (seed 1)" in page.text
