"""A cohort's fingerprint as one page: what could mislead first, then who is in it, as figures with their numbers."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from everygroup.check import Fingerprint
from everygroup.figures import age_pyramid, cell_heatmap, count_heatmap, image_strip, metric_by_group
from everygroup.figures.theme import clean_text, estimate
from everygroup.files import write_text
from everygroup.report.blocks import FULL, Figure, Limits, Section, facts, figure, table
from everygroup.report.page import Words, render_page

WORDS = Words(
    kind="everygroup fingerprint of a cohort",
    asked="What was read",
    asked_link="Cohort",
    answer="What could mislead",
    answer_link="Warnings",
    skip="Skip to the warnings",
    footer="What was found is a reason to look; what was not found may be there all the same.",
    answer_first=True,
)
_MAX_LABELS, _MAX_GROUPS = 25, 12
_PROCEDURE, _TABLE = "ycbcr_mask", "kinyanjui"


def write_fingerprint_page(
    path: Path | str,
    fingerprint: Fingerprint,
    *,
    means: tuple[np.ndarray, Sequence[str], Sequence[str]] | None = None,
    of_patients: bool = True,
    command: str = "",
) -> Path:
    """Write the fingerprint as one HTML file that loads nothing; what comes from data is escaped.

    Parameters
    ----------
    path : path
        Replaced atomically.
    fingerprint : Fingerprint
        As it is, or with what was found in the pixels (`everygroup.check.look_at_images`).
    means : optional
        Mean images, names and groups left out, from `everygroup.check.mean_images`. They are made of patients'
        pictures; without them the page shows none.
    of_patients : bool
        Whether the images show patients; simulated ones do not, and ask for no care.
    command : str
        How to make the page again.

    Returns
    -------
    Path
    """
    limits = FULL
    whole = fingerprint.units.iloc[0]
    asked = {
        "cohort": fingerprint.name,
        "grouped by": fingerprint.grouping,
        "images": int(whole["n"]),
        "patients or lesions": int(whole["n_units"]),
        "most images of one": int(whole["most_per_unit"]),
        "image shape": " x ".join(str(s) for s in fingerprint.image_shape),
    }
    warnings = [clean_text(w) for w in fingerprint.warnings]
    answer = (
        f"{len(warnings)} {'thing' if len(warnings) == 1 else 'things'} to look at before training."
        if warnings
        else "Nothing was found that this check looks for."
    )
    parts = [
        _cells(fingerprint, limits),
        _ages(fingerprint, limits),
        _prevalence(fingerprint, limits),
        _missing(fingerprint, limits),
        _values(fingerprint, limits),
        _copies(fingerprint, limits),
        _more(fingerprint, limits),
        _means(means, of_patients=of_patients),
        Section("again", "Make this page again", code=command) if command else None,
    ]
    page = render_page(
        f"Fingerprint of {fingerprint.name}",
        asked=facts(asked),
        answer=[answer],
        flags=warnings,
        parts=[part for part in parts if part is not None],
        words=WORDS,
    )
    write_text(path, page)
    return Path(path)


def _cells(found: Fingerprint, limits: Limits) -> Section:
    section = Section("cells", "Samples by label and group")
    whole = found.cells[found.cells["part"] == "all"]
    drawn, note = _largest(whole)
    section.intro = ["Number of images of every label in every group; the colour is on a logarithmic scale.", *note]
    wide = found.cells.pivot_table(index=["part", "label"], columns="group", values="n", aggfunc="sum", sort=False)
    behind = table(
        wide.rename_axis(columns=None).reset_index(), "Samples by label and group", limits, file_name="cells.csv"
    )
    section.figures.append(figure(count_heatmap(drawn, what="images"), "Images by label and group.", behind))
    section.tables.append(table(found.units, "Images and patients or lesions", limits, file_name="units.csv"))
    return section


def _ages(found: Fingerprint, limits: Limits) -> Section | None:
    if found.ages.empty:
        return None
    section = Section("ages", "Age and sex", ["A patient seen at two ages counts at each."])
    behind = table(found.ages, "Patients or lesions by age and sex", limits, file_name="ages.csv")
    section.figures.append(figure(age_pyramid(found.ages), "Patients or lesions by age and sex.", behind))
    return section


def _prevalence(found: Fingerprint, limits: Limits) -> Section:
    section = Section(
        "prevalence",
        "Share of each label within a group",
        ["With 95 % Wilson intervals over images. Where shares differ, a model can gain by guessing the group."],
    )
    rates = found.prevalence[found.prevalence["n"] > 0].rename(columns={"rate": "value"})
    shown = {"share": [estimate(*r) for r in rates[["value", "low", "high"]].itertuples(index=False)]}
    headings = {"label": "label", "group": "group", "share": "share (95 % interval)", "n_positive": "with label"}
    headings |= {"n": "n"}
    behind = table(
        rates, "Share of each label within a group", limits, headings=headings, shown=shown, file_name="prevalence.csv"
    )
    labels = rates.groupby("label", sort=False)["n_positive"].sum().nlargest(limits.panels).index
    sizes = rates.drop_duplicates("group").set_index("group")["n"].nlargest(_MAX_GROUPS).index
    drawn = rates[rates["label"].isin(labels) & rates["group"].isin(sizes)]
    if len(drawn) < len(rates):
        section.intro.append("Only the most frequent labels and the largest groups are drawn; the table holds all.")
    rows = drawn.assign(metric="share", attribute=drawn["label"].astype(str)).sort_values("attribute", kind="stable")
    phone = metric_by_group(rows, "share", narrow=True) if limits.narrow else None
    caption = "Share of each label within a group, with 95 % intervals."
    section.figures.append(figure(metric_by_group(rows, "share"), caption, behind, narrow=phone))
    return section


def _missing(found: Fingerprint, limits: Limits) -> Section:
    section = Section("missing", "Missing values")
    gone = found.missing[found.missing["n_missing"] > 0]
    if gone.empty:
        section.intro = ["No column has missing values."]
        return section
    section.intro = [
        "Where labels differ in how often a value is missing, being missing tells about the label. The p-values test "
        "that, each patient once per label, and are corrected for the number of different patterns (Holm). Columns of "
        "one pattern are missing in exactly the same images."
    ]
    rows = found.missing_by_label.rename(columns={"share": "value"})
    labels = rows.drop_duplicates("label").set_index("label")["n"].nlargest(_MAX_LABELS // 2).index
    patterns = gone.drop_duplicates("pattern")["attribute"].head(_MAX_GROUPS)
    drawn = rows[rows["label"].isin(labels) & rows["attribute"].isin(patterns)]
    same = gone.groupby("pattern")["attribute"].agg(lambda names: f"{names.iloc[0]} + {len(names) - 1} more")
    alone = gone["pattern"].map(gone["pattern"].value_counts()) == 1
    names = dict(zip(gone["attribute"], gone["attribute"].where(alone, gone["pattern"].map(same)), strict=True))
    # Attributes as rows, labels as columns: names of columns are longer than those of labels.
    cells = pd.DataFrame(
        {"label": drawn["attribute"].map(names), "group": drawn["label"], "value": drawn["value"], "n": drawn["n"]}
    )
    behind = table(found.missing_by_label, "Missing values by label", limits, file_name="missing-by-label.csv")
    section.figures.append(
        figure(cell_heatmap(cells, metric="share missing"), "Share of missing values by label, with n.", behind)
    )
    section.tables.append(table(gone, "Missing values and the test against the label", limits, file_name="missing.csv"))
    return section


def _values(found: Fingerprint, limits: Limits) -> Section | None:
    if found.implausible.empty:
        return None
    section = Section(
        "values",
        "Implausible values",
        ["Expected is what the neighbouring values suggest, in patients; undefined where the value cannot be at all."],
    )
    section.tables.append(table(found.implausible, "Implausible values", limits, file_name="implausible.csv"))
    return section


def _copies(found: Fingerprint, limits: Limits) -> Section:
    section = Section("copies", "Copies and odd images")
    exact = pd.DataFrame([found.duplicates])
    section.tables.append(table(exact, "Sets of byte-identical images", limits, file_name="identical.csv"))
    captions = {
        "copies": "Pairs of copies",
        "pairs_of_copies": "The pairs, those across patients first",
        "odd_images": "Blank images, and outliers of brightness and original size",
    }
    for name, caption in captions.items():
        rows = found.more.get(name)
        if rows is not None and len(rows):
            section.tables.append(table(rows, caption, limits, file_name=f"{name.replace('_', '-')}.csv"))
    if "copies" in found.more:
        section.intro = [
            "Near copies have perceptual hashes at most 10 of 64 bits apart, and thumbnails and fine detail that "
            "correlate. Pictures that are mirrored, rotated or cut out of another are not found."
        ]
    return section


def _more(found: Fingerprint, limits: Limits) -> Section | None:
    """What else was added to the fingerprint: skin tone, say."""
    rest = {n: t for n, t in found.more.items() if n not in ("copies", "pairs_of_copies", "odd_images") and len(t)}
    if not rest:
        return None
    section = Section("more", "Skin tone" if any(n.startswith("skin_tone") for n in rest) else "More")
    if "skin_tone_confusion" in rest:
        section.intro = [
            "The angle from pixels depends on light and camera as much as on skin. Look how far it agrees with what "
            "was recorded before you use it for anything."
        ]
        section.figures += _confusions(rest["skin_tone_confusion"])
    for name, rows in rest.items():
        title = name.replace("_", " ").capitalize()
        made = table(rows, title, limits, file_name=f"{name.replace('_', '-')}.csv")
        if len(rows) > limits.rows // 4:
            section.more.append((title, [], [made]))
        else:
            section.tables.append(made)
    return section


def _confusions(rows: pd.DataFrame) -> list[Figure]:
    """Draw every recorded column of types against one procedure and table; the tables hold all."""
    drawn = []
    rows = rows[(rows["against"] == _PROCEDURE) & (rows["thresholds"] == _TABLE)]
    for name, part in rows.groupby("recorded", sort=False):
        titles = (clean_text(name), f"{_PROCEDURE}, {_TABLE}")
        chart = count_heatmap(part, row="recorded_type", column="estimated_type", what="images", titles=titles)
        drawn.append(figure(chart, f"{clean_text(name)} (rows) against {_PROCEDURE} (columns), images."))
    return drawn


def _means(means: tuple[np.ndarray, Sequence[str], Sequence[str]] | None, *, of_patients: bool) -> Section | None:
    if means is None:
        return None
    images, names, left_out = means
    section = Section("means", "Mean image of each group", ["Every patient or lesion counts the same."])
    if left_out:
        section.intro.append(f"Too few patients for a mean: {clean_text(', '.join(left_out))}.")
    if len(images):
        address = "data:image/png;base64," + base64.b64encode(image_strip(images, list(names))).decode()
        section.pictures.append(("Mean image of each group.", address))
        if of_patients:
            section.flags.append("This part is made of patients' images: keep the page where those may be kept.")
    return section


def _largest(cells: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Keep the largest labels and groups; an empty group 'missing' is left out."""
    labels = cells.groupby("label", sort=False)["n"].sum().nlargest(_MAX_LABELS).index
    sums = cells.groupby("group", sort=False)["n"].sum()
    groups = sums[(sums > 0) | (sums.index != "missing")].nlargest(_MAX_GROUPS).index
    drawn = cells[cells["label"].isin(labels) & cells["group"].isin(groups)]
    left = cells["label"].nunique() > len(labels) or (sums > 0).sum() > len(groups)
    return drawn, ["Only the largest labels and groups are drawn; the table holds all."] if left else []
