"""Reading tables and images into cohorts: every layout, every usual defect, and the real sets where they are."""

from __future__ import annotations

import io
import json
import os
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.datasets._table import read_table
from everygroup.datasets.reader import is_prepared, prepare_cohort, read_cohort
from everygroup.errors import CohortError, EverygroupError, ImageError, OutputError, SettingsError

DATA = Path(os.environ.get("EVERYGROUP_DATA", Path(__file__).parents[3] / "shared" / "data"))
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


def folder(path: Path, frame: pd.DataFrame | None = None, layout: str = "zip", n: int = N) -> Path:
    frame = table() if frame is None else frame
    path.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path / "metadata.csv", index=False)
    if layout == "zip":
        with zipfile.ZipFile(path / "images.zip", "w") as archive:
            for i in reversed(range(n)):
                archive.writestr(f"{i:04d}.png", png(i))
    elif layout == "npz":
        images = np.stack([np.full((8, 8, 3), i, np.uint8) for i in range(n)])
        np.savez(path / "images-8.npz", images=images, ids=np.array([f"{i:04d}" for i in range(n)]))
    else:
        where = path / "images" if layout == "images" else path
        where.mkdir(exist_ok=True)
        for i in range(n):
            (where / f"{i:04d}.png").write_bytes(png(i))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))
    clear_warnings()


def read(path: Path, **options: Any) -> Any:
    return read_cohort(path, **{"label": "dx", "group": ["sex"], "image_size": 8, **options})


# ---- layouts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["zip", "npz", "images", "beside"])
def test_every_layout_gives_the_same_cohort(tmp_path: Path, layout: str) -> None:
    cohort = read(folder(tmp_path / "d", layout=layout), split_by="patient_id")
    assert len(cohort) == N
    assert cohort.classes == ("mel", "nv")
    assert cohort.groups == ("female", "male")
    assert (cohort.group < 0).sum() == N // 4
    assert cohort.ids[7] == "0007", "leading zeros are kept"
    assert cohort.units[7] == "003"
    assert cohort.images.shape == (N, 8, 8, 3)
    assert cohort.provenance["name"] == "d"
    if layout != "npz":
        from everygroup.imaging import read_image

        np.testing.assert_array_equal(cohort.batch(np.array([5]))[0], read_image(png(5), image_size=8))
    else:
        assert (cohort.batch(np.array([5])) == 5).all()


def test_a_csv_and_its_images_elsewhere(tmp_path: Path) -> None:
    here = folder(tmp_path / "d", layout="images")
    frame = table().rename(columns={"image_id": "file"}).assign(file=lambda t: "set/" + t["file"] + ".png")
    frame.to_csv(tmp_path / "mine.csv", index=False)
    cohort = read(tmp_path / "mine.csv", images=here / "images")
    assert cohort.ids[3] == "set/0003.png"
    assert cohort.provenance["name"] == "mine"
    assert len(read(here / "metadata.csv")) == N
    zipped = folder(tmp_path / "z")
    assert len(read(tmp_path / "mine.csv", images=zipped / "images.zip")) == N
    arrays = folder(tmp_path / "n", layout="npz")
    assert len(read(tmp_path / "mine.csv", images=arrays / "images-8.npz")) == N
    assert len(read(tmp_path / "mine.csv", images=arrays)) == N


def test_the_only_csv_of_a_folder_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path / "d")
    (path / "metadata.csv").rename(path / "labels.csv")
    assert len(read(path)) == N
    said = capsys.readouterr().err
    assert "Reading the table labels.csv" in said
    assert "Column 'image_id' identifies the samples" in said
    assert "images.zip" in said


def test_sizes_are_chosen_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path / "d", layout="npz")
    folder(tmp_path / "d")
    assert read(path, image_size=None).provenance["source"]["images"] == "images-8.npz"
    assert "Image size 8 (as stored)" in capsys.readouterr().err
    assert read(path, image_size=8).provenance["source"]["images"] == "images-8.npz"
    assert read(path, image_size=5).provenance["source"]["images"] == "images.zip"
    assert read(path, image_size=8, resize="pad").provenance["source"]["images"] == "images.zip"
    (path / "images.zip").unlink()
    assert read(path, image_size=5).sample_shape == (5, 5, 3)
    only = folder(tmp_path / "e")
    assert read(only, image_size=None).sample_shape == (128, 128, 3)


def test_the_id_column_that_names_images_wins(tmp_path: Path) -> None:
    frame = table().rename(columns={"image_id": "file"}).assign(id=[f"P{i // 2}" for i in range(N)])
    assert read(folder(tmp_path / "d", frame)).ids[1] == "0001"
    frame = table().assign(code=[f"c{i}" for i in range(N)])
    cohort = read(folder(tmp_path / "e", frame), id_column="code", image_column="image_id")
    assert cohort.ids[1] == "c1"


@pytest.mark.parametrize(("separator", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_other_separators_and_a_byte_order_mark(
    tmp_path: Path, separator: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder(tmp_path / "d")
    table().to_csv(path / "metadata.csv", index=False, sep=separator, encoding="utf-8-sig")
    assert read(path).ids[0] == "0000"
    assert name in capsys.readouterr().err


def test_bins_are_passed_on(tmp_path: Path) -> None:
    cohort = read(folder(tmp_path / "d"), group="age", bins={"age": "40"})
    assert cohort.groups == ("<=40", ">40")


# ---- cache, prepared folders ----------------------------------------------------------------------------------------


def test_the_second_run_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder(tmp_path / "d")
    first = read(path)
    table().assign(new=1).to_csv(path / "metadata.csv", index=False)
    monkeypatch.setattr("everygroup.imaging._fill.read_image", lambda *_, **__: pytest.fail("decoded again"))
    again = read(path)
    assert again.content_hash == first.content_hash
    assert "new" in again.table
    with pytest.raises(pytest.fail.Exception):
        read(path, cache=tmp_path / "elsewhere")


def test_a_prepared_folder_is_a_cohort(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    out = prepare_cohort(
        path,
        tmp_path / "out",
        label="dx",
        group=["age", "sex"],
        bins={"age": "40"},
        split_by="patient_id",
        image_size=6,
    )
    assert is_prepared(out)
    assert not is_prepared(path)
    record = json.loads((out / "cohort.json").read_text())
    assert record["schema"] == 1
    assert record["rules"]["label"] == "dx"
    assert record["images"]["image_size"] == 6
    assert str(tmp_path) not in (out / "cohort.json").read_text(), "no path of this machine in a file that travels"
    direct = read(path, group=["age", "sex"], bins={"age": "40"}, split_by="patient_id", image_size=6)
    opened = read_cohort(out)
    assert opened.content_hash == direct.content_hash
    assert opened.units.tolist() == direct.units.tolist()
    assert opened.provenance["name"] == "d"
    other = read_cohort(out, group="age")
    assert other.groups == ("<=40", ">40"), "the rule for age stays"
    assert read_cohort(out, group="age", bins={"age": "35,45"}).groups == ("<=35", "(35,45]", ">45")
    assert len(read_cohort(out, sample_limit=5)) == 5
    prepare_cohort(path, out, image_size=6)  # again, without rules
    with pytest.raises(CohortError, match="label column is not named"):
        read_cohort(out)
    with pytest.raises(CohortError, match="group column is not named"):
        read_cohort(out, label="dx")
    assert len(read_cohort(out, label="dx", group="sex")) == N


def test_a_prepared_folder_guards_its_rows(tmp_path: Path) -> None:
    out = prepare_cohort(folder(tmp_path / "d"), tmp_path / "out", label="dx", group="sex", image_size=6)
    frame = pd.read_csv(out / "table.csv", dtype={"image_id": str, "patient_id": str})
    frame.assign(more=1).to_csv(out / "table.csv", index=False)
    assert "more" in read_cohort(out).table
    frame.iloc[::-1].to_csv(out / "table.csv", index=False)
    with pytest.raises(CohortError, match="in another order"):
        read_cohort(out)
    frame.iloc[:-1].to_csv(out / "table.csv", index=False)
    with pytest.raises(CohortError, match="no longer those of the images"):
        read_cohort(out)
    (out / "table.csv").unlink()
    with pytest.raises(CohortError, match="no table"):
        read_cohort(out)


def test_what_a_prepared_folder_cannot_do(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    out = prepare_cohort(path, tmp_path / "out", label="dx", group="sex", image_size=6)
    with pytest.raises(CohortError, match="was prepared with 6 pixels, not 8"):
        read_cohort(out, image_size=8)
    with pytest.raises(CohortError, match="holds its own images"):
        read_cohort(out, images=path)
    with pytest.raises(CohortError, match="is prepared already"):
        prepare_cohort(out, tmp_path / "again")
    with pytest.raises(OutputError, match="--overwrite"):
        prepare_cohort(path, out, image_size=5)
    prepare_cohort(path, out, label="dx", group="sex", image_size=5, overwrite=True)
    assert read_cohort(out).sample_shape == (5, 5, 3)


def test_a_file_in_the_way_of_the_output(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="Cannot write into"):
        prepare_cohort(folder(tmp_path / "d"), tmp_path / "file" / "out", image_size=4)


# ---- what is left out, aloud ----------------------------------------------------------------------------------------


def test_bad_and_missing_images_are_an_error_or_left_out(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", layout="images")
    (path / "images" / "0004.png").write_bytes(b"")
    with pytest.raises(ImageError, match=r"row 6, id 0004, file 0004.png: the file is empty"):
        read(path)
    (path / "images" / "0007.png").unlink()
    with pytest.raises(CohortError, match=r"1 of 24 samples have no image in images: '0007' \(row 9\)"):
        read(path)
    cohort = read(path, on_bad_image="skip")
    assert len(cohort) == N - 2
    assert cohort.ids.tolist() == [f"{i:04d}" for i in range(N) if i not in (4, 7)]
    assert cohort.y.tolist() == [1 - i % 2 for i in range(N) if i not in (4, 7)]
    assert cohort.provenance["left_out"] == {"unlabelled": 0, "bad_images": 2}
    assert any("2 of 24 images" in w for w in recorded_warnings())


def test_images_without_row_are_counted(tmp_path: Path) -> None:
    path = folder(tmp_path / "d", table(10))
    assert len(read(path)) == 10
    assert any("14 of 24 images in images.zip have no row" in w for w in recorded_warnings())
    clear_warnings()
    read(folder(tmp_path / "n", table(10), layout="npz"))
    assert any("14 of 24 images" in w for w in recorded_warnings())


def test_unlabelled_rows(tmp_path: Path) -> None:
    frame = table()
    frame.loc[[3, 8], "dx"] = None
    path = folder(tmp_path / "d", frame)
    with pytest.raises(CohortError, match=r"2 of 24 rows have no 'dx' \(rows 5, 10;") as caught:
        read(path)
    assert "--drop-unlabelled" in caught.value.fix
    cohort = read(path, drop_unlabelled=True)
    assert len(cohort) == 22
    assert "0003" not in cohort.ids
    assert recorded_warnings()
    out = prepare_cohort(path, tmp_path / "out", image_size=4)
    assert len(read_cohort(out, label="dx", group="sex", drop_unlabelled=True)) == 22
    frame["dx"] = None
    with pytest.raises(CohortError, match="no row has a 'dx'"):
        read(folder(tmp_path / "e", frame), drop_unlabelled=True)


def test_a_sample_limit_draws_the_same_samples(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    first, second = read(path, sample_limit=6), read(path, sample_limit=6)
    assert first.ids.tolist() == second.ids.tolist()
    assert len(first) == 6
    assert len(read(path, sample_limit=999)) == N
    with pytest.raises(SettingsError, match="sample limit"):
        read(path, sample_limit=0)


# ---- defects of tables ----------------------------------------------------------------------------------------------


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
    "header only": (_write("image_id,dx,sex\n"), "holds a header but no rows", "one row an image"),
    "latin-1": (_write(CSV.replace("mel", "mél").encode("cp1252")), "line 3 is not UTF-8 .byte 0xe9", "iconv"),
    "utf-16": (_write(CSV.encode("utf-16")), "encoded as UTF-16", "UTF-16 -t UTF-8"),
    "binary": (_write(b"\x00\x01\x02\x03"), "binary data, not a CSV table", "CSV"),
    "spreadsheet inside": (_write(b"PK\x03\x04abc"), "a zip archive or a spreadsheet", "save it as CSV"),
    "prose": (_write("dear all,\nplease find, attached, the images\n"), "more fields than the header", "fields"),
    "unclosed quote": (_write('image_id,dx,sex\n"0001,nv,male\n'), "cannot be read as a table", "quote"),
    "ragged": (_write("image_id,dx,sex\n0001,nv,male\n0002,nv,male,1,2\n"), "line 3|more fields", "fields"),
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
    "text to be cut": (_options(bins={"sex": "3"}), "Row 2: 'female' in column 'sex' is no number", "--bins"),
    "no images": (_remove("images.zip"), "holds no images.zip, no images-<size>.npz and no image files", "--images"),
    "images not there": (_options(images="/nowhere/images"), "no such file or folder", "--images"),
    "broken zip": (lambda p: (p / "images.zip").write_bytes(b"PK") and {}, "cannot be opened as a zip", "again"),
    "several zips": (
        lambda p: ((p / "images.zip").rename(p / "a.zip"), (p / "b.zip").write_bytes(b""), {})[2],
        "several zip archives: a.zip, b.zip",
        "--images",
    ),
    "no label named": (_options(label=None), "the label column is not named", "--label"),
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
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(CohortError, match="is a spreadsheet"):
        read(tmp_path / "t.xlsx")


def test_tables_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(CohortError, match="cannot be read"):
        read_table(tmp_path)


def test_an_image_size_in_no_npz_of_rectangles(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    (path / "images.zip").unlink()
    ids = np.array([f"{i:04d}" for i in range(N)])
    np.savez(path / "images.npz", images=np.zeros((N, 6, 9), np.uint8), ids=ids)
    assert read(path, image_size=None).sample_shape == (128, 128, 3)


# ---- the real sets --------------------------------------------------------------------------------------------------


def real(name: str) -> Path:
    if not (DATA / name / "metadata.csv").exists():
        pytest.skip(f"the data set {name} is not here")
    return DATA / name


def test_ham10000_counts_and_opening_time() -> None:
    path = real("ham10000")
    options: dict[str, Any] = {"label": "label", "group": "sex", "split_by": "lesion_id", "image_size": 28}
    cohort = read_cohort(path, **options)
    counts = dict(zip(cohort.classes, np.bincount(cohort.y).tolist(), strict=True))
    assert counts == {"akiec": 327, "bcc": 514, "bkl": 1099, "df": 115, "mel": 1113, "nv": 6705, "vasc": 142}
    assert np.bincount(cohort.group + 1).tolist() == [57, 4552, 5406]
    assert len(set(cohort.units)) == 7470
    started = time.process_time()
    again = read_cohort(path, **options)
    assert time.process_time() - started < 1.0
    assert again.content_hash == cohort.content_hash
    with np.load(path / "images-28.npz", allow_pickle=False) as archive:
        np.testing.assert_array_equal(cohort.images[::500], archive["images"][::500])


def test_ham10000_files_decode_to_the_stored_copies() -> None:
    path = real("ham10000")
    options: dict[str, Any] = {"label": "label", "group": "sex", "image_size": 28, "sample_limit": 60}
    stored = read_cohort(path, **options)
    decoded = read_cohort(path, images=path / "images.zip", **options)
    assert stored.ids.tolist() == decoded.ids.tolist()
    difference = np.abs(stored.images[stored.rows].astype(int) - decoded.images[decoded.rows])
    assert difference.mean() < 0.2, "the same crop and filter; decoders differ by a grey level here and there"


def test_pad_ufes_skin_types() -> None:
    cohort = read_cohort(
        real("pad-ufes-20-subset-128"), label="label", group="skin_type", split_by="patient_id", image_size=64
    )
    assert cohort.groups == ("1", "2", "3", "4", "5", "6")
    assert np.bincount(cohort.group + 1).tolist() == [332, 53, 283, 141, 29, 4, 1]
    assert len(set(cohort.units)) == 657


def test_fitzpatrick_skin_types() -> None:
    cohort = read_cohort(
        real("fitzpatrick17k-subset-128"),
        label="three_partition_label",
        group="skin_type",
        bins={"skin_type": "light:1,2,3|dark:4,5,6"},
        image_size=16,
        sample_limit=150,
    )
    assert len(cohort) == 150
    assert cohort.groups == ("light", "dark")
    assert cohort.sample_shape == (16, 16, 3)


def test_nih_and_odir() -> None:
    nih = read_cohort(
        real("nih-chestxray14-subset-64"), label="label", group=["sex"], split_by="patient_id", image_size=64
    )
    assert len(set(nih.units)) == 264
    assert np.bincount(nih.group).tolist() == [509, 491]
    assert (nih.images[:5, ..., 0] == nih.images[:5, ..., 2]).all()
    odir = read_cohort(
        real("odir-5k-128"), label="label", group="sex", split_by="patient_id", image_size=16, sample_limit=100
    )
    assert len(odir) == 100
