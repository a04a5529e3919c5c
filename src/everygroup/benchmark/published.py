"""Figures that the SPARE paper printed, to stand beside ours: other data splits and sizes, so read their order."""

from __future__ import annotations

from importlib import resources

import numpy as np
import pandas as pd

NOTE = (
    "Published: Xu et al. 2026 (Medical Image Analysis 109:103950). Their data, image size and split differ from ours, "
    "so read the order and not the digits; '?' marks a doubtful digit."
)
_DATASETS = {"isic2019": "ISIC 2019", "fitzpatrick17k": "Fitzpatrick-17k"}
_WORDS = {"ISIC 2019": ("age",), "Fitzpatrick-17k": ("skin", "tone", "type", "fitzpatrick")}
_METRICS = ("precision", "recall", "f1", "eopp0", "fate_eopp0", "eopp1", "fate_eopp1", "eodds", "fate_eodds")


def read_published() -> pd.DataFrame:
    """Return all published rows.

    Returns
    -------
    DataFrame
        table, dataset, attribute, backbone, method (our labels), group ('all' for gaps), precision, recall, f1, eopp0,
        fate_eopp0, eopp1, fate_eopp1, eodds, fate_eodds; doubtful: names of columns whose digits are doubtful.
    """
    with (resources.files("everygroup.benchmark") / "published.csv").open("r", encoding="utf-8") as handle:
        return pd.read_csv(handle, dtype={"doubtful": str}).fillna({"doubtful": ""})


def published_for(cohort: str, attribute: str, backbone: str, n_groups: int = 2) -> pd.DataFrame:
    """Return the rows of the paper's setting that a cohort, attribute and backbone correspond to; may be none.

    Two-group age on ISIC 2019 and light or dark skin on Fitzpatrick-17k are recognised by their names. A backbone the
    paper did not use stands beside its ResNet-18, a VGG beside its VGG-11.
    """
    name = "".join(ch for ch in cohort.lower() if ch.isalnum())
    dataset = next((title for key, title in _DATASETS.items() if name.startswith(key)), "")
    rows = read_published()
    if n_groups != 2 or not dataset or not any(word in attribute.lower() for word in _WORDS[dataset]):
        return rows.iloc[:0]
    rows = rows[rows["dataset"] == dataset]
    used = "vgg11" if "vgg" in backbone else "resnet18"
    return rows[rows["backbone"] == used]


def published_cells(rows: pd.DataFrame, method: str) -> dict[tuple[str, str], str]:
    """Return (group, metric) -> text of one method; the first table that has it."""
    mine = rows[rows["method"] == method]
    cells: dict[tuple[str, str], str] = {}
    for row in mine[mine["table"] == mine["table"].min()].to_dict("records"):
        doubtful = row["doubtful"].split()
        for metric in _METRICS:
            if np.isfinite(row[metric]):
                digits = 4 if metric == "eopp0" and row[metric] < 0.01 else 3
                text = f"{row[metric]:.{digits}f}" + ("?" if metric in doubtful else "")
                cells[row["group"], metric] = text
    return cells
