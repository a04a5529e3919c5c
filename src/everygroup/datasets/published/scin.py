"""SCIN: photographs of skin conditions given by volunteers in the US, labelled by dermatologists (Ward et al. 2024)."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.cohort.groups import as_category
from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import categories, find_file, join, read_source, recode
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_CONDITIONS = (  # the ten that stand first most often, in the order of the paper
    "Eczema",
    "Allergic Contact Dermatitis",
    "Insect Bite",
    "Urticaria",
    "Psoriasis",
    "Folliculitis",
    "Irritant Contact Dermatitis",
    "Tinea",
    "Herpes Zoster",
    "Drug Rash",
)
_SEX = {"FEMALE": "female", "MALE": "male", "OTHER_OR_UNSPECIFIED": None}
_TYPES: dict[str, str | None] = {**{f"FST{k}": str(k) for k in range(1, 7)}, "NONE_SELECTED": None}
_RACE = "race_ethnicity_"
_TONES = ("monk_skin_tone_label_us", "monk_skin_tone_label_india")
_CASE = ("case_id", "age_group", "sex_at_birth", "fitzpatrick_skin_type", "image_1_path")
_LABEL = "weighted_skin_condition_label"


@register
class Scin(Adapter):
    """One row an image; a case, from one to three images, is the unit."""

    info = DataSetInfo(
        name="scin",
        title="SCIN (Skin Condition Image Network)",
        modality="smartphone photographs",
        task="the likeliest skin condition, ten common ones",
        citation="Ward et al. Creating an empirical dermatology dataset through crowdsourcing with web search "
        "advertisements. JAMA Network Open 7, e2446615 (2024)",
        licence="SCIN Data Use License",
        access="open: github.com/google-research-datasets/scin (storage bucket dx-scin-public-data)",
        files=("scin_cases.csv, scin_labels.csv", "dataset/images/<name>.png, as image_1_path to image_3_path say"),
        attributes={
            "age_group": "AGE_18_TO_29 to AGE_80_OR_ABOVE, self-reported; AGE_UNKNOWN is missing",
            "sex_at_birth": "female, male, self-reported; OTHER_OR_UNSPECIFIED is missing",
            "skin_type": "Fitzpatrick type 1-6, self-reported (fitzpatrick_skin_type); NONE_SELECTED is missing",
            "dermatologist_skin_type": "Fitzpatrick type 1-6, median of up to three dermatologists, rounded half up",
            "monk_skin_tone_label_us": "Monk skin tone 1-10, estimated by lay people in the US",
            "monk_skin_tone_label_india": "Monk skin tone 1-10, estimated by lay people in India",
            "race_ethnicity": "self-reported; several are 'two or more', preferring not to answer is missing",
        },
        unit="case_id",
        defects=(
            "Self-reported attributes are missing for about half of the cases.",
            "The label is a weighted list of conditions; its first is taken. Cases without a gradable condition have "
            "no label and are left out.",
            "Of the many conditions only ten have a class of their own; the others are left out or one class.",
            "Skin type comes from a question on tanning, from dermatologists and from lay people: three different "
            "measurements, not three estimates of one.",
        ),
        doubtful=True,
    )
    label_maps = (
        LabelMap("ten", 1, "top_condition_grouped", {**{c: c for c in _CONDITIONS}, "other": None}, "others left out"),
        LabelMap("ten_and_other", 1, "top_condition_grouped", {**{c: c for c in _CONDITIONS}, "other": "other"}),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table, one row an image; see `Adapter.read`."""
        path = find_file(folder, "scin_cases.csv")
        cases = read_source(path, needs=_CASE, text=["case_id"], column_map=column_map)
        check_ids(path, cases["case_id"], "case_id")
        labels_path = find_file(folder, "scin_labels.csv")
        labels = read_source(labels_path, needs=["case_id", _LABEL, *_TONES], text=["case_id"], column_map=column_map)
        top, n_ties = _top(labels[_LABEL], str(labels_path))
        labels = labels.assign(top_condition=top, dermatologist_skin_type=_median_type(labels))
        cases, without = join(self._coded(cases, str(path)), labels, on="case_id", path=labels_path)
        known = {c.casefold(): c for c in _CONDITIONS}
        cases["top_condition_grouped"] = [
            None if pd.isna(c) else known.get(str(c).casefold(), "other") for c in cases["top_condition"]
        ]
        notes = [f"{without} cases have no row in the labels"] if without else []
        notes += [f"{n_ties} cases have several conditions of the same weight; the first is taken"] if n_ties else []
        return Published(_one_row_an_image(cases, path), path, folder, tuple(notes))

    def _coded(self, cases: pd.DataFrame, where: str) -> pd.DataFrame:
        return cases.assign(
            age_group=categories(cases["age_group"], missing=["AGE_UNKNOWN"]),
            sex_at_birth=recode(cases["sex_at_birth"], _SEX, column="sex_at_birth", where=where),
            skin_type=recode(cases["fitzpatrick_skin_type"], _TYPES, column="fitzpatrick_skin_type", where=where),
            race_ethnicity=_race(cases),
        )


def _top(values: pd.Series, where: str) -> tuple[pd.Series, int]:
    """Return the condition of the greatest weight of each dictionary (as text), and how often several share it."""
    top: list[str | None] = []
    n_ties = 0
    for row, text in enumerate(values, start=2):
        weights: Any = {}
        if as_category(text) is not None:
            try:
                weights = ast.literal_eval(str(text))
                weights = {str(k): float(v) for k, v in weights.items()}
            except (ValueError, SyntaxError, TypeError, AttributeError, RecursionError, MemoryError):
                raise CohortError(
                    f"{where}: row {row}: cannot read {str(text)[:60]!r} in {_LABEL}.",
                    fix="it should be like {'Eczema': 0.7, 'Psoriasis': 0.3}; take the file as distributed",
                ) from None
        best = [k for k, v in weights.items() if v == max(weights.values())]
        n_ties += len(best) > 1
        top.append(best[0] if best else None)
    return pd.Series(top, dtype=object), n_ties


def _median_type(labels: pd.DataFrame) -> pd.Series:
    columns = [f"dermatologist_fitzpatrick_skin_type_label_{k}" for k in (1, 2, 3)]
    present = [c for c in columns if c in labels]
    if not present:
        return pd.Series([None] * len(labels), dtype=object)
    digits = pd.concat([labels[c].astype(str).str.extract(r"^\s*FST\s*([1-6])\s*$")[0] for c in present], axis=1)
    median = digits.apply(pd.to_numeric, errors="coerce").median(axis=1)
    return pd.Series([None if np.isnan(m) else str(int(np.floor(m + 0.5))) for m in median], dtype=object)


def _race(cases: pd.DataFrame) -> pd.Series:
    columns = [c for c in cases.columns if c.startswith(_RACE) and not c.endswith("prefer_not_to_answer")]
    result: list[str | None] = []
    for _, row in cases[columns].iterrows():
        named = [
            c.removeprefix(_RACE) for c in columns if str(row[c]).strip().casefold() in ("yes", "true", "1", "1.0")
        ]
        several = len(named) > 1 or named == ["two_or_more_after_mitigation"]
        result.append("two or more" if several else named[0].replace("_", " ") if named else None)
    return pd.Series(result, dtype=object)


def _one_row_an_image(cases: pd.DataFrame, path: Path) -> pd.DataFrame:
    images = [
        cases.assign(image=cases[f"image_{k}_path"], shot_type=cases.get(f"image_{k}_shot_type"), _place=k)
        for k in (1, 2, 3)
        if f"image_{k}_path" in cases
    ]
    table = pd.concat(images, ignore_index=True)
    table = table[table["image"].notna()].sort_values(["case_id", "_place"], kind="stable", ignore_index=True)
    dropped = [c for c in table.columns if c.startswith(("image_1_", "image_2_", "image_3_"))]
    table = table.drop(columns=[*dropped, "_place"]).assign(
        image_id=[Path(str(name)).stem for name in table["image"]],
        **{c: categories(table[c]) for c in _TONES},
    )
    check_ids(path, table["image_id"], "image path")
    return table
