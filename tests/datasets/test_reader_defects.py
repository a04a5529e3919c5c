"""Every usual defect of a table or its images gives one clear error that names the place and the fix."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from everygroup.datasets.reader import read_cohort
from everygroup.errors import CohortError, EverygroupError
from everygroup.tables.frame import read_table

N = 24


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def table(n: int = N) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image_id": [f"{i:04d}" for i in range(n)],
            "dx": ["nv", "mel"] * (n // 2),
            "age": [30 + i for i in range(n)],
            "sex": (["female", "male", "male", None] * n)[:n],
            "patient_id": [f"{i // 2:03d}" for i in range(n)],
        }
    )


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    table().to_csv(path / "metadata.csv", index=False)
    with zipfile.ZipFile(path / "images.zip", "w") as archive:
        for i in reversed(range(N)):
            archive.writestr(f"{i:04d}.png", png(i))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))


def read(path: Path, **options: Any) -> Any:
    return read_cohort(path, **{"label": "dx", "group": ["sex"], "image_size": 8, **options})


def _write(content: bytes | str) -> Callable[[Path], dict[str, Any]]:
    def change(path: Path) -> dict[str, Any]:
        data = content if isinstance(content, bytes) else content.encode()
        (path / "metadata.csv").write_bytes(data)
        return {}

    return change


def _edit(change: Callable[[pd.DataFrame], pd.DataFrame], **options: Any) -> Callable[[Path], dict[str, Any]]:
    def apply(path: Path) -> dict[str, Any]:
        change(table()).to_csv(path / "metadata.csv", index=False)
        return options

    return apply


def _options(**options: Any) -> Callable[[Path], dict[str, Any]]:
    return lambda path: options


def _remove(*names: str) -> Callable[[Path], dict[str, Any]]:
    def apply(path: Path) -> dict[str, Any]:
        for name in names:
            (path / name).unlink()
        return {}

    return apply


def _both(first: Callable[[Path], dict[str, Any]], second: Callable[[Path], Any]) -> Callable[[Path], dict[str, Any]]:
    def apply(path: Path) -> dict[str, Any]:
        options = first(path)
        second(path)
        return options

    return apply


def _same_id(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(image_id=[i if i != "0005" else "0002" for i in frame["image_id"]])


def _no_id(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(code=[None if i == "0005" else i for i in frame["image_id"]])


CSV = table().to_csv(index=False)
DEFECTS: dict[str, tuple[Callable[[Path], dict[str, Any]], str, str]] = {
    "no table": (_remove("metadata.csv"), "needs one table of the samples; found none", "metadata.csv"),
    "two tables": (
        _both(_remove("metadata.csv"), lambda p: [(p / f"{k}.csv").write_text(CSV) for k in "ab"]),
        "found several: a.csv, b.csv",
        "give the CSV file itself",
    ),
    "empty file": (_write(""), "metadata.csv: the table is empty", "header"),
    "blank lines": (_write("\n\n \n"), "the table is empty", "header"),
    "header only": (_write("image_id,dx,sex\n"), "has no rows below its header", "header and rows"),
    "binary": (_write(b"\x00\x01\x02\x03"), "holds binary data, not a table", "CSV"),
    "spreadsheet inside": (_write(b"PK\x03\x04abc"), "a zip archive or a spreadsheet", "save it as CSV"),
    "prose": (
        _write("dear all,\nplease find, attached, the images\n"),
        "row 2: 3 fields, where the header has 2",
        "fields",
    ),
    "unclosed quote": (_write('image_id,dx,sex\n"0001,nv,male\n'), "row 2: 1 field, where the header has 3", "quote"),
    "ragged": (
        _write("image_id,dx,sex\n0001,nv,male\n0002,nv,male,1,2\n"),
        "row 3: 5 fields, where the header has 3",
        "fields",
    ),
    "double column": (_write("image_id,dx,dx,sex\n0001,nv,nv,male\n"), "'dx' stands in the header twice", "rename"),
    "no label": (
        _options(label="diagnosis"),
        "No column 'diagnosis' in .*metadata.csv",
        "The columns are: image_id, dx",
    ),
    "misspelt group": (_options(group=["sexx"]), "No column 'sexx'", "did you mean 'sex'"),
    "misspelt unit": (_options(split_by="patientid"), "No column 'patientid'", "did you mean 'patient_id'"),
    "misspelt id": (_options(id_column="imageid"), "No column 'imageid'", "did you mean 'image_id'"),
    "no image column": (_options(image_column="path"), "No column 'path'", "The columns are"),
    "nothing like an id": (
        _edit(lambda t: t.rename(columns={"image_id": "code"})),
        "no column is named like an id",
        "--id-column; the columns are: code, dx",
    ),
    "ids of something else": (
        _edit(lambda t: t.assign(image_id="x" + t["image_id"])),
        r"no value of 'image_id' names an image in images.zip .row 2 has 'x0000'; an image is called '0023.png'",
        "--image-column",
    ),
    "wrong id column": (_options(id_column="sex"), "6 rows have no 'sex', the first in row 5", "fill them in"),
    "duplicate ids": (_edit(_same_id), r"'0002' stands in several rows .4, 7; row 1 is the header", "--id-column"),
    "missing id": (_edit(_no_id, id_column="code"), "1 rows have no 'code', the first in row 7", "fill them in"),
    "id without image": (
        _edit(lambda t: pd.concat([t, t.tail(1).assign(image_id="9999")])),
        r"1 of 25 samples have no image in images.zip: '9999' .row 26.*Images there are called like '0023.png'",
        "--on-bad-image skip",
    ),
    "unreadable bins": (_options(group="age", bins={"age": "60,40"}), "Cannot read the bins '60,40'", "increasing"),
    "text to be cut": (
        _options(bins={"sex": "3"}),
        "Column 'sex' is to be cut, but 18 of 24 values are no numbers: 'female'",
        "--bins",
    ),
    "no images": (_remove("images.zip"), "holds no images.zip, no images-<size>.npz and no image files", "--images"),
    "images not there": (_options(images="/nowhere/images"), "no such file or folder", "--images"),
    "broken zip": (lambda p: (p / "images.zip").write_bytes(b"PK") and {}, "cannot be opened as a zip", "again"),
    "several zips": (
        lambda p: ((p / "images.zip").rename(p / "a.zip"), (p / "b.zip").write_bytes(b""), {})[2],
        "several zip archives: a.zip, b.zip",
        "--images",
    ),
    "no label named": (_options(label=None), "the label column is not named", "the columns are: image_id, "),
    "two labels named": (_options(label="sex,age"), "the label 'sex,age' names 2 columns", "as in --label sex"),
    "no group named": (_options(group=None), "the group column is not named", "--group"),
    "npz with objects": (
        _both(
            _remove("images.zip"),
            lambda p: np.savez(p / "images-8.npz", images=np.zeros((1, 8, 8, 3), np.uint8), ids=np.array([None])),
        ),
        "Python objects .pickles",
        "numpy.savez",
    ),
    "npz of another length": (
        _both(
            _remove("images.zip"),
            lambda p: np.savez(p / "images-8.npz", images=np.zeros((3, 8, 8, 3), np.uint8), ids=np.array(["a", "b"])),
        ),
        "3 images but 2 ids",
        "numpy.savez",
    ),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_gives_one_clear_error(tmp_path: Path, defect: str) -> None:
    change, reason, fix = DEFECTS[defect]
    path = folder(tmp_path / "d")
    options = change(path)
    with pytest.raises(EverygroupError, match=reason) as caught:
        read(path, **options)
    assert fix in caught.value.fix
    assert "\n" not in caught.value.message or "row" in caught.value.message


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no such file or folder"):
        read(tmp_path / "none")
    with pytest.raises(CohortError, match="no such file or folder"):  # before anything is said of columns
        read(tmp_path / "none", label=None, group=None)
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(CohortError, match="cannot be read as a spreadsheet"):
        read(tmp_path / "t.xlsx")


def test_tables_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(CohortError, match=r"it is a folder, and it holds no predictions\.csv"):
        read_table(tmp_path)


def test_a_first_line_without_end(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x" * 140_000 + "\n1\n")
    with pytest.raises(CohortError, match=r"t\.csv: its header cannot be read"):
        read_table(tmp_path / "t.csv")


def test_a_lone_zip_of_another_name_does_not_win_over_the_folder(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    (path / "images").mkdir()
    for i in range(N):
        (path / "images" / f"{i:04d}.png").write_bytes(png(i))
    assert read(path).provenance["source"]["images"] == "images.zip"
    (path / "images.zip").write_bytes(b"")
    (path / "images.zip").rename(path / "masks.zip")
    assert read(path).provenance["source"]["images"] == "images"


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_an_image_whose_name_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(png(0))
    with pytest.raises(CohortError, match="is not UTF-8"):
        read(tmp_path, label=None, classes=["a", "b"], groups=["m", "f"])
