"""Reading tables and images into cohorts: every layout, the cache, prepared folders, and what is left out."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.datasets.reader import is_prepared, prepare_cohort, read_cohort
from everygroup.errors import CohortError, ImageError, OutputError, SettingsError

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
    with pytest.raises(SettingsError, match="sample_limit = 0"):
        read(path, sample_limit=0)


# ---- for a trained model --------------------------------------------------------------------------------------------


def test_classes_and_groups_of_a_trained_model(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    fixed: dict[str, Any] = {"classes": ["nv", "mel", "bcc"], "groups": ["male", "female", "other"]}
    cohort = read(path, **fixed)
    assert cohort.classes == ("nv", "mel", "bcc")
    assert cohort.y[:3].tolist() == [0, 1, 0]
    assert cohort.group[:4].tolist() == [1, 0, 0, -1]
    unlabelled = read(path, label=None, **fixed)
    assert (unlabelled.y == -1).all()
    frame = table()
    frame.loc[[3, 8], "dx"] = None
    partly = folder(tmp_path / "partly", frame)
    with pytest.raises(CohortError, match="2 of 24 rows have no 'dx'"):
        read(partly, **fixed)
    blank = read(partly, **fixed, allow_unlabelled=True)
    assert np.flatnonzero(blank.y < 0).tolist() == [3, 8]
    out = prepare_cohort(path, tmp_path / "out", group="sex", image_size=8)
    assert (read_cohort(out, **fixed).y == -1).all()
    out = prepare_cohort(path, tmp_path / "out2", image_size=8)
    assert (read_cohort(out, group=["skin"], **fixed).group == -1).all()
    named = read(folder(tmp_path / "e", table().assign(dx=["none", "mel"] * (N // 2))), classes=["none", "mel"])
    assert named.y.tolist() == [0, 1] * (N // 2), "a known class may be called 'none'"


def test_images_alone_are_enough_to_predict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path / "d", layout="images")
    (path / "metadata.csv").unlink()
    cohort = read(path, label=None, classes=["a", "b"], groups=["male", "female"])
    assert len(cohort) == N
    assert cohort.ids[0] == "0000.png"
    assert (cohort.group == -1).all()
    assert cohort.provenance["table_hash"] is None
    assert "holds no table: 24 images" in capsys.readouterr().err
    assert any("no column 'sex'" in w for w in recorded_warnings())


def test_an_image_size_in_no_npz_of_rectangles(tmp_path: Path) -> None:
    path = folder(tmp_path / "d")
    (path / "images.zip").unlink()
    ids = np.array([f"{i:04d}" for i in range(N)])
    np.savez(path / "images.npz", images=np.zeros((N, 6, 9), np.uint8), ids=ids)
    assert read(path, image_size=None).sample_shape == (128, 128, 3)


def test_a_label_of_many_numbers_may_be_codes_of_classes(tmp_path: Path) -> None:
    frame = table().assign(dx=np.random.default_rng(0).permutation(N))
    path = folder(tmp_path / "a", frame)
    with pytest.raises(CohortError, match="24 different numbers: a measured number") as caught:
        read_cohort(path, label="dx", group="sex", image_size=8)
    assert "--label-codes" in caught.value.fix
    cohort = read_cohort(path, label="dx", group="sex", image_size=8, label_codes=True)
    assert cohort.classes == tuple(str(k) for k in range(24)) and cohort.y.tolist() == frame["dx"].tolist()
    out = prepare_cohort(path, tmp_path / "out", label="dx", group="sex", image_size=8, label_codes=True)
    assert read_cohort(out).classes == cohort.classes, "the prepared folder remembers it"
    with pytest.raises(CohortError, match="a measured number"):
        read_cohort(out, label="age")
    known = read_cohort(path, label="dx", group="sex", image_size=8, classes=cohort.classes)  # as predict does
    assert known.y.tolist() == cohort.y.tolist()


@pytest.mark.parametrize("suffix", ["tsv", "xlsx", "parquet"])
def test_the_table_of_a_folder_may_be_of_any_kind(tmp_path: Path, suffix: str) -> None:
    source = folder(tmp_path / "data")
    frame = pd.read_csv(source / "metadata.csv", dtype=str)
    want = read(source)
    (source / "metadata.csv").unlink()
    path = source / f"metadata.{suffix}"
    if suffix == "tsv":
        frame.to_csv(path, sep="\t", index=False)
    elif suffix == "xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_parquet(path)
    got = read(source)
    assert got.classes == want.classes and got.groups == want.groups
    np.testing.assert_array_equal(got.y, want.y)
    np.testing.assert_array_equal(got.group, want.group)
