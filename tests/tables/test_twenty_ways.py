"""One table of predictions, written in over twenty equivalent ways, gives the same numbers."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import audit_table
from everygroup.tables import Spelling

N = 240


def table() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    sick = rng.random(N) < 0.4
    risk = np.clip(rng.normal(0.35 + 0.3 * sick, 0.2), 0.001, 0.999).round(4)
    return pd.DataFrame(
        {
            "image_id": [f"{i:04d}" for i in range(N)],
            "y_true": sick.astype(int),
            "y_score": risk,
            "sex": np.where(rng.random(N) < 0.5, "female", "male"),
            "age": (rng.integers(180, 950, N) / 10).round(1),
            "site": rng.choice(["Köln", "Zürich"], N),
        }
    )


def numbers(path: Path, positive: str = "1", **reading: object) -> pd.DataFrame:
    result = audit_table(
        path,
        groups=["sex", "age", "site"],
        bins={"age": "40.5,65"},
        positive=positive,
        metrics=["sensitivity", "specificity", "auc"],
        n_boot=20,
        **reading,  # type: ignore[arg-type]
    )
    shown = result.table[["attribute", "group", "metric", "value", "n"]]
    return shown.sort_values(["attribute", "group", "metric"], ignore_index=True)


def save(t: pd.DataFrame, path: Path, encoding: str = "utf-8", before: str = "", **how: object) -> Path:
    path.write_bytes((before + t.to_csv(index=False, **how)).encode(encoding))
    return path


def commas(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(**{c: t[c].map(lambda v: str(v).replace(".", ",")) for c in ("y_score", "age")})


Way = Callable[[pd.DataFrame, Path], Path]
WAYS: dict[str, Way] = {
    "utf-8 with a mark": lambda t, p: save(t, p / "t.csv", "utf-8-sig"),
    "utf-16": lambda t, p: save(t, p / "t.csv", "utf-16"),
    "utf-16 without a mark": lambda t, p: save(t, p / "t.csv", "utf-16-le"),
    "windows-1252": lambda t, p: save(t, p / "t.csv", "cp1252"),
    "mac roman": lambda t, p: save(t, p / "t.csv", "mac-roman"),
    "semicolons": lambda t, p: save(t, p / "t.csv", sep=";"),
    "tabs": lambda t, p: save(t, p / "t.tsv", sep="\t"),
    "bars": lambda t, p: save(t, p / "t.txt", sep="|"),
    "german": lambda t, p: save(commas(t), p / "t.csv", "cp1252", sep=";"),
    "quoted decimal commas": lambda t, p: save(commas(t), p / "t.csv"),
    "excel's first line": lambda t, p: save(commas(t), p / "t.csv", "utf-16", "sep=;\r\n", sep=";"),
    "carriage returns": lambda t, p: save(t, p / "t.csv", lineterminator="\r\n"),
    "blank lines": lambda t, p: save(t, p / "t.csv", before="\n  \n", lineterminator="\n\n"),
    "all in quotes": lambda t, p: save(t, p / "t.csv", quoting=csv.QUOTE_ALL),
    "line breaks in a remark": lambda t, p: save(t.assign(note='two\n"lines", one; cell'), p / "t.csv"),
    "packed": lambda t, p: _packed(save(t, p / "t.csv")),
    "columns in another order": lambda t, p: save(t[t.columns[::-1]], p / "t.csv"),
    "rows in another order": lambda t, p: save(t.sample(frac=1, random_state=3), p / "t.csv"),
    "labels in words": lambda t, p: save(t.assign(y_true=t["y_true"].map({0: "no", 1: "yes"})), p / "t.csv"),
    "labels as booleans": lambda t, p: save(t.assign(y_true=t["y_true"].map({0: "False", 1: "True"})), p / "t.csv"),
    "labels as floats": lambda t, p: save(t.assign(y_true=t["y_true"].astype(float)), p / "t.csv"),
    "blanks around the cells": lambda t, p: save(t.assign(sex=" " + t["sex"] + " "), p / "t.csv"),
    "letters taken apart": lambda t, p: save(t.assign(site=t["site"].str.normalize("NFD")), p / "t.csv"),
    "parquet": lambda t, p: _parquet(t, p / "t.parquet"),
    "parquet of categories": lambda t, p: _parquet(t.astype({"sex": "category", "y_true": bool}), p / "t.parquet"),
    "a spreadsheet": lambda t, p: _sheet(t, p / "t.xlsx", first=True),
    "a named sheet": lambda t, p: _sheet(t, p / "t.xlsx", first=False),
}


def _packed(path: Path) -> Path:
    packed = path.with_name("t.csv.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def _parquet(t: pd.DataFrame, path: Path) -> Path:
    t.to_parquet(path, index=False)
    return path


def _sheet(t: pd.DataFrame, path: Path, *, first: bool) -> Path:
    with pd.ExcelWriter(path) as book:
        if not first:
            pd.DataFrame({"a": [1]}).to_excel(book, sheet_name="cover", index=False)
        t.to_excel(book, sheet_name="data", index=False)
    return path if first else path.with_name("t.xlsx#data")


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return numbers(save(table(), tmp_path_factory.mktemp("plain") / "t.csv"))


@pytest.mark.parametrize("way", WAYS)
def test_numbers_do_not_depend_on_how_a_table_is_written(tmp_path: Path, way: str, right: pd.DataFrame) -> None:
    positive = {"labels in words": "yes", "labels as booleans": "True", "parquet of categories": "True"}.get(way, "1")
    found = numbers(WAYS[way](table(), tmp_path), positive)
    assert len(right) > 20 and right["value"].notna().any()
    pd.testing.assert_frame_equal(found, right, check_exact=False, rtol=1e-12)


def test_mixed_spellings_are_one_group_with_a_map(tmp_path: Path, right: pd.DataFrame) -> None:
    spellings = {"female": ["F", "f", "weiblich", "female"], "male": ["M", "m", "männlich", "male"]}
    t = table()
    t["sex"] = [spellings[s][i % 4] for i, s in enumerate(t["sex"])]
    maps = ["sex:F,f,weiblich=female", "sex:M,m,männlich=male"]
    found = numbers(save(t, tmp_path / "t.csv", "cp1252"), spelling=Spelling.make(map=maps))
    pd.testing.assert_frame_equal(found, right, check_exact=False, rtol=1e-12)
