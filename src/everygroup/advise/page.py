"""Advice as a person reads it: a table and a sentence a group on the terminal, and one page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from everygroup.advise.advice import Advice
from everygroup.advise.probe import EVERYBODY, OWN, WEIGHTED
from everygroup.console import console, say
from everygroup.figures.frames import in_order
from everygroup.figures.spec import Spec, described, field, finished, layer
from everygroup.figures.theme import BETTER, clean_text, estimate, number, short_names
from everygroup.files import write_text
from everygroup.report.blocks import FULL, Section, facts, figure, table
from everygroup.report.page import render_page

CAVEATS = (
    "The probe is a linear model on cheap features, not the network you would train: it sees conflicts between groups "
    "that a flexible network resolves by itself, and misses what only a network sees.",
    "Intervals are those of cross-validation, widened for overlapping training sets. Verdicts on many groups are not "
    "corrected for their number.",
)


def overview(advice: Advice) -> pd.DataFrame:
    """Return one row a group: sizes, whether it can be seen, macro F1 of three diets, verdict; texts."""
    rows = []
    for g in advice.groups:
        f1 = {diet.name: number(g.curve[diet.name].f1, 2) if g.curve else "–" for diet in (OWN, EVERYBODY, WEIGHTED)}
        rows.append(
            {
                "group": clean_text(g.group),
                "n (patients)": f"{g.n:,} ({g.patients:,})",
                "seen in the image, AUC": estimate(g.visible.auc, g.visible.low, g.visible.high, 2),
                **f1,
                "verdict": g.verdict,
            }
        )
    return pd.DataFrame(rows)


def costs(advice: Advice) -> pd.DataFrame:
    """Return one row a method: networks, and minutes of this machine; texts."""
    minutes = ["not timed" if c.minutes is None else number(c.minutes, 1) for c in advice.costs]
    return pd.DataFrame(
        {
            "method": [c.method for c in advice.costs],
            "networks": [f"{c.networks:g}" for c in advice.costs],
            "minutes here, one core": minutes,
        }
    )


def sentences(advice: Advice) -> list[str]:
    """Return one sentence a group: verdict, reason, and the patients that would settle what is open."""
    said = []
    for g in advice.groups:
        text = f"{clean_text(g.group)}: {g.verdict}. {g.reason}"
        if g.verdict == "cannot be told" and g.patients_needed is not None:
            wanted = advice.settings["worthwhile"]
            text += f" A difference of {wanted:g} would need about {g.patients_needed:,} patients of this group."
        said.append(text)
    return said


def show(advice: Advice) -> None:
    """Print tables, sentences and what to heed."""
    from rich.table import Table
    from rich.text import Text

    for title, data in (
        (f"{clean_text(advice.name)}, by {clean_text(advice.grouping)}: macro F1 of a cheap probe", overview(advice)),
        ("What it would cost", costs(advice)),
    ):
        shown = Table(title=Text(title), title_justify="left")
        for i, name in enumerate(data.columns):
            shown.add_column(Text(str(name)), justify="left" if i == 0 or name == "verdict" else "right")
        for row in data.itertuples(index=False):
            shown.add_row(*(Text(str(v)) for v in row))
        console.print(shown)
    for sentence in sentences(advice):
        say(sentence)
    for warning in advice.warnings:
        console.print(f"! {warning}", markup=False, style="yellow", soft_wrap=True)
    say(f"{CAVEATS[0]} The test part ({advice.settings['n_test_untouched']:,} samples) was not looked at.")


def write_advice_page(advice: Advice, path: Path | str) -> Path:
    """Write the advice as one self-contained HTML file."""
    curve = pd.DataFrame(
        [
            {"group": g.group, "diet": name, "macro F1": point.f1, "log-loss": point.loss}
            for g in advice.groups
            for name, point in g.curve.items()
        ]
    )
    contrasts = pd.DataFrame(
        [
            {
                "group": g.group,
                "difference": name,
                "macro F1": estimate(c.f1, c.f1_low, c.f1_high, signed=True),
                "reduction of the log-loss": estimate(c.loss, c.loss_low, c.loss_high, signed=True),
                "detectable in macro F1": c.detectable,
            }
            for g in advice.groups
            for name, c in g.contrasts.items()
        ]
    )
    parts = [Section("groups", "Groups", tables=[table(overview(advice), "By group", FULL)], intro=[*CAVEATS])]
    if len(curve):
        chart = figure(learning_curve(curve), "Macro F1 by what is learnt from, cross-validated", None)
        parts.append(
            Section("curve", "What more data would do", figures=[chart], tables=[table(curve, "Learning curve", FULL)])
        )
        intro = [
            "95 % intervals over patients, widened for the overlap of training sets. Positive: the first is better."
        ]
        parts.append(
            Section("differences", "Differences", intro=intro, tables=[table(contrasts, "Paired differences", FULL)])
        )
    parts.append(Section("cost", "Cost", tables=[table(costs(advice), "Networks and time", FULL)]))
    asked: dict[str, Any] = {"cohort": advice.name, "groups by": advice.grouping, **advice.settings}
    html = render_page(
        "Is SPARE worth it here?",
        asked=facts(asked),
        answer=sentences(advice),
        flags=[clean_text(w) for w in advice.warnings],
        parts=parts,
    )
    write_text(path, html)
    return Path(path)


def learning_curve(curve: pd.DataFrame) -> Any:
    """Draw macro F1 of every diet, one panel a group, from columns group, diet, 'macro F1'."""
    labels = short_names(curve["group"])
    panels: list[Spec] = []
    for name in in_order(curve["group"]):
        rows = curve[curve["group"] == name].rename(columns={"macro F1": "f1"})[["diet", "f1"]]
        rows = rows.assign(say=[f"{d}: macro F1 {number(v, 3)}" for d, v in zip(rows["diet"], rows["f1"], strict=True)])
        place = {
            "x": field("f1:Q", scale={"zero": False, "padding": 12}, title="macro F1"),
            "y": field("diet:N", sort=in_order(rows["diet"]), title=None),
        }
        dots = layer("point", place | described("say:N"), rows, filled=True, size=80, color=BETTER)
        panels.append({"layer": [dots], "title": labels[str(name)], "width": 260, "height": 24 * len(rows)})
    return finished(panels, "Macro F1 by what the probe learns from, for every group.", columns=2)
