"""The sets that lie on this machine, if they do: prepared by one command, with the counts of their README."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.cohort.groups import as_category
from everygroup.datasets import missing_images, read_cohort
from everygroup.datasets.published import ADAPTERS, adapter_of

DATA = Path(os.environ.get("EVERYGROUP_DATA", Path(__file__).parents[4] / "shared" / "data"))
SETS = {
    "ham10000": "ham10000",
    "fitzpatrick17k": "fitzpatrick17k-subset-128",
    "pad_ufes_20": "pad-ufes-20-subset-128",
    "odir_5k": "odir-5k-128",
    "nih_chestxray14": "nih-chestxray14-subset-64",
}
COUNTS = {
    "ham10000": {
        "dx": {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115},
        "sex": {"male": 5406, "female": 4552, None: 57},
    },
    "fitzpatrick17k": {
        "three_partition_label": {"malignant": 2111, "non-neoplastic": 1454, "benign": 522},
        "skin_type": {"1": 766, "2": 1361, "3": 805, "4": 579, "5": 299, "6": 133, None: 144},
        "skin_type_centaur": {"1": 1451, "2": 1006, "3": 707, "4": 360, "5": 227, "6": 110, None: 226},
    },
    "pad_ufes_20": {
        "diagnostic": {"BCC": 242, "NEV": 216, "ACK": 164, "SEK": 142, "MEL": 44, "SCC": 35},
        "sex": {"female": 283, "male": 228, None: 332},
        "skin_type": {"1": 53, "2": 283, "3": 141, "4": 29, "5": 4, "6": 1, None: 332},
    },
    "odir_5k": {"sex": {"male": 3424, "female": 2968}},
    "nih_chestxray14": {"sex": {"female": 509, "male": 491}},
}
UNITS = {"ham10000": 7470, "pad_ufes_20": 657, "odir_5k": 3358, "nih_chestxray14": 264}


def folder(name: str) -> Path:
    if name not in ADAPTERS:
        pytest.skip(f"there is no adapter {name}")
    if not (DATA / SETS[name] / "metadata.csv").exists():
        pytest.skip(f"the data set {SETS[name]} is not here")
    return DATA / SETS[name]


@pytest.mark.parametrize("name", SETS)
def test_counts_are_those_of_the_readme(name: str) -> None:
    adapter = adapter_of(name) if name in ADAPTERS else None
    path = folder(name)
    assert adapter is not None
    found = adapter.read(path)
    for column, counts in COUNTS[name].items():
        here = pd.Series([as_category(v) for v in found.table[column]], dtype=object).value_counts(dropna=False)
        assert {None if pd.isna(k) else k: n for k, n in here.items()} == counts, column
    if name in UNITS:
        assert found.table[adapter.info.unit].nunique() == UNITS[name]
    assert found.table["image_id"].is_unique


@pytest.mark.parametrize("name", SETS)
def test_no_image_is_missing(name: str) -> None:
    absent, n = missing_images(name, folder(name))
    assert n and not len(absent)


@pytest.mark.parametrize("name", SETS)
def test_prepared_by_one_command(name: str, tmp_path: Path) -> None:
    words = ["prepare", name, str(folder(name)), "--out", str(tmp_path / "c"), "--image-size", "16"]
    result = CliRunner().invoke(app, [*words, "--sample-limit", "40"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    group = next(a for a in adapter_of(name).info.attributes if a != "age")
    cohort = read_cohort(tmp_path / "c", group=group)
    assert len(cohort) == 40 and cohort.sample_shape == (16, 16, 3)
    assert cohort.provenance["licence"] == adapter_of(name).info.licence
