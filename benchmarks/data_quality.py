"""Measure the quality of five published sets: counts, copies, implausible and missing values, skin tone from pixels.

Run: python benchmarks/data_quality.py --write
It needs the sets in $EVERYGROUP_DATA (or ../shared/data) and writes numbers and drawings, no picture of a patient and
no mean image. A few minutes of one core.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import numpy as np
import pandas as pd
from common import ROOT, describe_machine, write_result
from data_quality_sets import CASES, Case
from PIL import Image

from everygroup.check import Fingerprint, Look, fingerprint, look_at_images
from everygroup.check.fingerprint import as_shown, missing_shown
from everygroup.check.skin_tone import THRESHOLDS
from everygroup.check.tone_agreement import Tones, compare_tones, recorded_types
from everygroup.cohort import Cohort, split_cohort
from everygroup.figures import age_pyramid, boxes_by_category, cell_heatmap, count_heatmap, save
from everygroup.imaging import units_with_duplicates
from everygroup.imaging.near_pairs import near_pairs

FOLDER = Path("docs/results/data")
PLANTED, AMONG = 100, 1_000
N_BOOT = 200
_TONED = ("fitzpatrick17k", "pad-ufes-20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"write {FOLDER}")
    options = parser.parse_args()
    copies, found_planted = [], []
    tones: list[tuple[Case, Cohort, Tones]] = []
    for case in CASES:
        cohort = case.read()
        if wrong := case.check(cohort):
            raise SystemExit(f"{case.title} is not as published: {'; '.join(wrong)}")
        split = split_cohort(cohort, seed=0)
        started = time.perf_counter()
        look = look_at_images(cohort, split)
        seconds = time.perf_counter() - started
        found = look.added_to(fingerprint(cohort, split))
        copies.append(copies_row(case, cohort, look, seconds))
        found_planted.append({"set": case.title, **planted(cohort)})
        if case.name in _TONED:
            tones.append((case, cohort, compare_tones(cohort, n_boot=N_BOOT)))
        lines = set_page(case, cohort, found, look, options.write)
        print("\n".join(lines))
        if options.write:
            write_result(FOLDER / f"{case.name}.md", f"Data quality: {case.title}", lines)
    pages = {
        "copies": ("Copies in five sets", copies_page(copies, found_planted)),
        "skin-tone": ("Skin tone from pixels against recorded types", tone_page(tones, options.write)),
    }
    for name, (title, lines) in pages.items():
        print("\n".join(lines))
        if options.write:
            write_result(FOLDER / f"{name}.md", title, lines)


# ---- one set ---------------------------------------------------------------------------------------------------------


def set_page(case: Case, cohort: Cohort, found: Fingerprint, look: Look, write: bool) -> list[str]:
    """Return the page of one set, and draw its figures."""
    lines = [
        f"{case.n:,} images of {case.n_units:,} patients, lesions or (where neither is recorded) images. All counts "
        "that the set's description gives were asserted before anything else.",
        "",
        "What `everygroup check` says:",
        "",
        *(f"- {markdown(w)}" for w in found.warnings),
        "",
        "## Missing values",
        "",
    ]
    gone = missing_shown(found.missing[found.missing["n_missing"] > 0]) if found.missing["n_missing"].any() else None
    lines += ["No column has missing values.", ""] if gone is None else [*table(gone), ""]
    lines += ["## Implausible values", ""]
    odd = found.implausible
    lines += [*table(as_shown(odd)), ""] if len(odd) else ["None of the ages and attributes is implausible.", ""]
    lines += ["## Copies", ""]
    pairs = look.duplicates.pairs
    shown = pairs[~pairs["same_unit"] | ~pairs["same_label"]].head(12)
    if "competition_split" in cohort.table:
        part = cohort.table.set_index(cohort.ids)["competition_split"]
        torn = (part[pairs["id_a"]].to_numpy() != part[pairs["id_b"]].to_numpy()).sum()
        lines += [f"{torn} of the {len(pairs)} pairs have one image in the training part and one in the test part of "
                  "the published split (`competition_split`).", ""]  # fmt: skip
    if len(shown):
        columns = ["id_a", "id_b", "kind", "distance", "correlation", "detail", "label_a", "label_b"]
        title = "Pairs across patients, or with different labels"
        lines += [f"{title} (at most 12):", "", *table(as_shown(shown[columns])), ""]
    else:
        lines += ["No pair across patients or with different labels.", ""]
    if write:
        lines += ["## Figures", "", *draw(case, cohort, found)]
    return [*lines, f"As a page with figures: `{case.command}`.", "", describe_machine()]


def draw(case: Case, cohort: Cohort, found: Fingerprint) -> list[str]:
    """Write the drawings of one set and return the lines that show them."""
    whole = found.cells[(found.cells["part"] == "all")]
    sums = whole.groupby("group", sort=False)["n"].sum()
    charts = {
        "cells": (
            count_heatmap(whole[whole["group"].isin(sums[sums > 0].index)], what="images"),
            f"Images by label and {found.grouping}.",
        )
    }
    if len(found.ages):
        charts["ages"] = (age_pyramid(found.ages), "Patients or lesions by age and sex.")
    rows = found.missing_by_label.rename(columns={"share": "value"})
    first = found.missing[found.missing["n_missing"] > 0].drop_duplicates("pattern")["attribute"]
    rows = rows[rows["attribute"].isin(first)]
    if len(rows):
        cells = rows.rename(columns={"label": "group", "attribute": "label"})
        caption = "Share of missing values by label; one attribute of each pattern."
        charts["missing"] = (cell_heatmap(cells, metric="share missing"), caption)
    lines = []
    for name, (chart, caption) in charts.items():
        save(chart, ROOT / FOLDER / f"{case.name}-{name}.svg")
        lines += [f"![{caption}]({case.name}-{name}.svg)", "", caption, ""]
    return lines


# ---- copies ----------------------------------------------------------------------------------------------------------


def copies_row(case: Case, cohort: Cohort, look: Look, seconds: float) -> dict[str, object]:
    """Count the copies of one set, and how many of the known ones are among them."""
    pairs, component = look.duplicates.pairs, look.duplicates.component
    known = case.known(cohort)
    hit = int((component[known[:, 0]] == component[known[:, 1]]).sum())
    near = pairs["kind"] == "near"
    n, unit, fine = len(cohort), pd.factorize(cohort.units)[0], pd.factorize(cohort.table["label"])[0]
    by_chance = 1 - (np.bincount(fine) ** 2).sum() / n**2
    at = pd.Series(np.arange(n), index=cohort.ids)
    a, b = at[pairs["id_a"]].to_numpy(), at[pairs["id_b"]].to_numpy()
    joined = len(set(units_with_duplicates(cohort, look.duplicates).units))
    return {
        "set": case.title,
        "images": len(cohort),
        "candidates": f"{look.duplicates.searched.n_candidates:,}",
        "detail asked": f"{look.duplicates.searched.detail_level:.2f}",
        "identical pairs": int((~near).sum()),
        "near pairs": int(near.sum()),
        "across units": int((~pairs["same_unit"]).sum()),
        "pairs possible across units": f"{(len(cohort) ** 2 - (np.bincount(unit) ** 2).sum()) // 2:,}",
        "labels differ": int((~pairs["same_label"]).sum()),
        "finest label differs": f"{(fine[a] != fine[b]).sum()}, by chance {by_chance:.0%}",
        "across our split": int((~pairs["same_part"]).sum()),
        "known copies found": f"{hit} of {len(known)}" if len(known) else "none known",
        "units": f"{len(set(cohort.units)):,} → {joined:,}",
        "seconds (busy machine)": f"{seconds:.0f}",
    }


CHANGES = {
    "JPEG, quality 50": lambda p: _jpeg(p, 50),
    "half size and back": lambda p: p.resize((p.width // 2,) * 2, Image.Resampling.LANCZOS).resize(p.size),
    "20 % brighter": lambda p: p.point(lambda v: min(255, round(v * 1.2))),
    "1 % cut from every side": lambda p: _cut(p, 0.01),
    "3 % cut from every side": lambda p: _cut(p, 0.03),
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


def planted(cohort: Cohort) -> dict[str, str]:
    """Plant changed copies of some images among all images, and return the share found for each kind of change."""
    among = np.random.default_rng(0).permutation(len(cohort))[:AMONG]
    images = cohort.batch(among)
    each = min(PLANTED, len(images) // len(CHANGES))  # every image is planted once: random pairs stay unrelated
    extra = [
        np.asarray(change(Image.fromarray(images[c * each + m])))
        for c, change in enumerate(CHANGES.values())
        for m in range(each)
    ]
    found = near_pairs(np.concatenate([images, np.stack(extra)]))
    pairs = set(zip(found.i.tolist(), found.j.tolist(), strict=True))
    hit = np.array([(k, len(images) + k) in pairs for k in range(len(extra))]).reshape(len(CHANGES), each)
    shares = {name: f"{share:.0%}" for name, share in zip(CHANGES, hit.mean(axis=1), strict=True)}
    return shares


def copies_page(copies: list[dict[str, object]], found_planted: list[dict[str, str]]) -> list[str]:
    """Return the page about copies."""
    return [
        "Found by `everygroup.imaging.find_duplicates` (what `everygroup check` runs), images at 128 pixels "
        "(ChestX-ray14: 64). *Candidates* are pairs whose perceptual hashes differ in at most 10 of 64 bits; those are "
        "confirmed by the correlation of thumbnails (0.95) and of fine detail (the level asked, which rises where "
        "unrelated images of a set correlate).",
        "",
        *table(pd.DataFrame(copies)),
        "",
        "## False positives",
        "",
        "Truth is known in part. Where patients or lesions are recorded, a pair *across units* is a false positive "
        "or a fault of the set; the table says among how many possible pairs. Where none is recorded, false positives "
        "would have different labels about as often as two images drawn at random (*finest label differs*, by chance).",
        "",
        "By eye (one reader, thumbnails of 128 pixels): all pairs of Fitzpatrick17k and of ODIR-5K, and the one pair "
        "across lesions of HAM10000, look like the same photograph or the same lesion. In ODIR-5K candidates are many, "
        "since all eye grounds look alike; at a level of detail of 0.95 three pairs more would be reported that do not "
        "look like the same photograph.",
        "",
        "The price is recall where a set is uniform: at least two pairs of ODIR-5K that look like the same photograph "
        "(thumbnails 0.992 and 0.995) are not reported, and both carry different labels.",
        "",
        f"## Planted copies found\n\n{PLANTED} images of each set (fewer in the smallest) were changed in each way and "
        f"put among up to {AMONG:,} others. Share found:",
        "",
        *table(pd.DataFrame(found_planted)),
        "",
        "Mirrored copies are not looked for. A perceptual hash finds copies of a picture, not pictures of one patient.",
        "",
        describe_machine(),
    ]


def _jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def _cut(picture: Image.Image, share: float) -> Image.Image:
    edge = max(1, round(share * picture.width))
    box = (edge, edge, picture.width - edge, picture.height - edge)
    return picture.crop(box).resize(picture.size, Image.Resampling.LANCZOS)


# ---- skin tone -------------------------------------------------------------------------------------------------------


def tone_page(tones: list[tuple[Case, Cohort, Tones]], write: bool) -> list[str]:
    """Return the page about skin tone from pixels, and draw its figures."""
    six = "; ".join(f"{t.name}: {t.bounds}, {t.source}" for t in THRESHOLDS.values() if t.categories[0] == "1")
    lines = [
        f"Individual typology angle (ITA) by four procedures, made into six types by two published tables ({six}), "
        "against recorded Fitzpatrick types. Spearman's correlation is of the angle (positive: darker with darker), "
        f"kappa is quadratic; intervals are 95 %, from {N_BOOT} bootstrap samples of patients. The thresholds `groh` "
        "were chosen on Fitzpatrick17k by its authors, so there they are not tested on new data.",
        "",
    ]
    for case, cohort, found in tones:
        rows = found.agreement.copy()
        for name in ("spearman", "kappa"):
            ends = zip(rows[name], rows[f"{name}_low"], rows[f"{name}_high"], strict=True)
            rows[name] = [f"{v:.2f} [{a:.2f}, {b:.2f}]" for v, a, b in ends]
        rows = rows.drop(columns=["spearman_low", "spearman_high", "kappa_low", "kappa_high"])
        rows["exact"], rows["within_one"] = ([f"{v:.0%}" for v in rows[c]] for c in ("exact", "within_one"))
        undefined = ", ".join(f"{p} {int(found.angles[p].isna().sum())}" for p in found.angles)
        lines += [f"## {case.title}", "", f"Angle undefined in: {undefined} of {len(cohort):,} images.", ""]
        lines += [*table(rows.rename(columns=lambda c: c.replace("_", " "))), ""]
        lines += [f"- {markdown(w)}" for w in found.warnings] + [""]
        if write:
            lines += tone_figures(case, cohort, found)
    return [*lines, describe_machine()]


def tone_figures(case: Case, cohort: Cohort, found: Tones) -> list[str]:
    """Write the drawings about skin tone and return the lines that show them."""
    name, types = next(iter(recorded_types(cohort).items()))
    known = types > 0
    values = pd.concat(
        pd.DataFrame({"series": p, "category": types[known], "value": found.angles[p][known]}) for p in found.angles
    )
    caption = f"Angle by {name}. Boxes: middle half; line: median; whiskers: 5th to 95th percentile."
    charts = {"ita": (boxes_by_category(values, x=name, y="ITA (degrees)"), caption)}
    rows = found.confusion
    rows = rows[(rows["recorded"] == name) & (rows["against"] == "ycbcr_mask") & (rows["thresholds"] == "groh")]
    chart = count_heatmap(
        rows, row="recorded_type", column="estimated_type", what="images", titles=(name, "ycbcr_mask, groh")
    )
    charts["confusion"] = (chart, f"{name} (rows) against `ycbcr_mask` with the thresholds `groh` (columns), images.")
    lines = []
    for kind, (drawing, text) in charts.items():
        save(drawing, ROOT / FOLDER / f"{case.name}-{kind}.svg")
        lines += [f"![{text}]({case.name}-{kind}.svg)", "", text, ""]
    return lines


# ---- words -----------------------------------------------------------------------------------------------------------


def markdown(text: str) -> str:
    """Return text that Markdown shows as it is."""
    for mark in ("\\", "<", "*", "_", "|"):
        text = text.replace(mark, f"\\{mark}" if mark != "<" else "&lt;")
    return text


def table(rows: pd.DataFrame) -> list[str]:
    """Return a Markdown table."""
    head = "| " + " | ".join(str(c) for c in rows.columns) + " |"
    body = ["| " + " | ".join(markdown(str(v)) for v in row) + " |" for row in rows.itertuples(index=False)]
    return [head, "|" + "---|" * rows.shape[1], *body]


if __name__ == "__main__":
    main()
