"""What a notebook shows of an audit: a page without anything from elsewhere, a chart, a data frame, a folder."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import Audit, audit_arrays, driver
from everygroup.audit.flags import Flag
from everygroup.console import told
from everygroup.errors import SettingsError
from everygroup.metrics import accuracy, auc
from everygroup.offers import OFFERS, offered


@pytest.fixture(scope="module")
def data() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    n = 300
    y = (rng.random(n) < 0.4).astype(int)
    site = np.array(["<b>north</b>", "south", None], dtype=object)[np.arange(n) % 3]
    p = np.clip(0.5 + 0.2 * (2 * y - 1) - 0.35 * ((site == "south") & (y == 1)) + rng.normal(0, 0.1, n), 0.01, 0.99)
    return {"y": y, "score": np.stack([1 - p, p], axis=1), "site": site, "sex": np.array(["f", "m"])[np.arange(n) % 2]}


@pytest.fixture(scope="module")
def result(data: dict[str, np.ndarray]) -> Audit:
    features = {"site": data["site"], "sex": data["sex"]}
    return audit_arrays(data["y"], y_score=data["score"], sensitive_features=features, n_boot=60)


def test_by_group_has_a_row_a_group_and_a_column_a_metric(result: Audit, data: dict[str, np.ndarray]) -> None:
    frame = result.by_group
    assert frame.index.names == ["attribute", "group"]
    groups = [("site", "<b>north</b>"), ("site", "south"), ("site", "missing"), ("sex", "f"), ("sex", "m")]
    assert frame.index.tolist() == groups and frame["n"].tolist() == [100, 100, 100, 150, 150]
    shown = result.settings["shown"]
    assert list(frame.columns[: 1 + len(shown)]) == ["n", *shown]
    pred = data["score"].argmax(axis=1)
    own = accuracy(data["y"], pred, sensitive_features=data["sex"]).per_group
    assert frame.loc["sex", "accuracy"].to_dict() == pytest.approx(own, abs=1e-12)
    ranked = auc(data["y"], data["score"], sensitive_features=data["sex"]).per_group
    assert frame.loc["sex", "auc"].to_dict() == pytest.approx(ranked, abs=1e-12)
    south = (data["site"] == "south") & (data["y"] == 1)
    counted = frame.loc[("site", "south"), ["sensitivity_successes", "sensitivity_trials"]].tolist()
    assert counted == [(south & (pred == 1)).sum(), south.sum()] and "auc_trials" not in frame


def test_the_page_of_a_notebook_says_the_verdict_and_loads_nothing(result: Audit) -> None:
    page = result._repr_html_()
    for outside in ("<script", "src=", "href=", "url(", "@import", "<link", "<b>north"):
        assert outside not in page
    assert "&lt;b&gt;north&lt;/b&gt;" in page
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "Misses" in text and "unlikely to be chance" in text
    row = result.table.query("attribute == 'site' and group == 'south' and metric == 'sensitivity'").iloc[0]
    for part in (f"{row['value']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}"):
        assert part in text
    assert f"{row['successes']} of {row['trials']}" in text
    more = result.heeding([Flag("caution", "Seen <i>."), Flag("note", "How.")])._repr_html_()
    assert '<p class="caution">Seen &lt;i&gt;.</p>' in more and "Notes on the method (1)" in more


def test_stops_come_first_and_undefined_is_said() -> None:
    y = np.array([0, 1] * 40)
    groups = np.array(["a", "b"]).repeat(40)
    y[:40] = 0  # no positive case in a
    result = audit_arrays(y, y_pred=np.zeros(80, dtype=int), sensitive_features={"site": groups}, n_boot=20)
    page = result._repr_html_()
    assert any(flag.severity == "stop" for flag in result.flags)
    assert page.index('class="stop"') < page.index("<strong>") and "undefined" in page
    assert np.isnan(result.by_group.loc[("site", "a"), "sensitivity"])


def test_the_chart_is_drawn_without_a_network(result: Audit) -> None:
    for chart in (result.plot(), result.plot("AUROC")):
        (kind, shown), *others = chart._repr_mimebundle_().items()  # type: ignore[attr-defined]
        assert kind == "text/html" and not others and "<svg" in shown and "<script" not in shown and "src=" not in shown
        assert "south" in shown and "gap" not in shown
        assert chart.to_dict()["concat"]  # a chart of altair all the same
    with pytest.raises(SettingsError, match="wisdom"):
        result.plot("wisdom")


def test_save_writes_what_the_command_writes(result: Audit, tmp_path: Path) -> None:
    names = {path.name for path in result.save(tmp_path / "out", title="Mine")}
    assert {"summary.csv", "audit.json", "brief.html", "report.html", "model-card.md", "groups.md"} <= names
    assert names == {path.name for path in (tmp_path / "out").iterdir()}
    assert "<title>Mine" in (tmp_path / "out" / "brief.html").read_text(encoding="utf-8")
    assert len(pd.read_csv(tmp_path / "out" / "summary.csv")) == len(result.table)


def test_every_offer_is_there() -> None:
    assert set(OFFERS) == {"Audit.save", "Cohort.plot"}
    assert all(callable(offered(name)) for name in OFFERS)


def test_figures_and_report_are_not_imported_with_the_audit() -> None:
    code = (
        "import sys, everygroup.audit; "
        "print([m for m in ('altair', 'everygroup.figures', 'everygroup.report') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_long_audit_says_what_it_is_at_and_a_short_one_nothing(
    data: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> str:
        features = {"site": data["site"], "sex": data["sex"]}
        audit_arrays(data["y"], y_score=data["score"], sensitive_features=features, n_boot=400, intersections=2)
        return capsys.readouterr().err

    assert run() == ""
    monkeypatch.setattr(driver, "told", partial(told, every=0.005))
    lines = run().splitlines()
    assert any(
        re.fullmatch(r"Audit: attribute 1 of 2, site: resampling.* [\d,]+ of 400(, \d+ s left)? \(\d+ s\)", line)
        for line in lines
    )
    assert any(line.startswith("Audit: attribute 2 of 2, sex: f and m: shuffling groups") for line in lines)
