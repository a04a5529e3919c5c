"""Rows and their pictures: no picture serves two rows without the table saying so, whatever the names look like."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from everygroup.cohort import Cohort
from everygroup.datasets._pictures import Pictures
from everygroup.datasets.reader import prepare_cohort, read_cohort
from everygroup.errors import CohortError
from everygroup.imaging import open_source


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))


def png(seed: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def in_folder(path: Path, names: Sequence[str]) -> Path:
    for k, name in enumerate(names):
        (path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (path / "images" / name).write_bytes(png(k))
    return path


def in_zip(path: Path, names: Sequence[str]) -> Path:
    path.mkdir(exist_ok=True)
    with zipfile.ZipFile(path / "images.zip", "w") as archive:
        for k, name in enumerate(names):
            archive.writestr(name, png(k))
    return path


def in_npz(path: Path, names: Sequence[str]) -> Path:
    path.mkdir(exist_ok=True)
    images = np.stack([np.full((8, 8, 3), k, np.uint8) for k in range(len(names))])
    np.savez(path / "images-8.npz", images=images, ids=np.array(names))
    return path


KINDS: list[Callable[[Path, Sequence[str]], Path]] = [in_folder, in_zip, in_npz]


def read(path: Path, files: Sequence[str], **options: Any) -> Cohort:
    n = len(files)
    frame = pd.DataFrame(
        {"file": files, "dx": (["nv", "mel"] * n)[:n], "sex": (["f", "f", "m", "m"] * n)[:n], "row": range(n)}
    )
    frame.to_csv(path / "metadata.csv", index=False)
    return read_cohort(path, **{"label": "dx", "group": "sex", "image_size": 8, **options})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("held", "named", "told"),
    [
        (["a.png", "b.png"], ["study1/a.png", "study2/a.png"], "row 2 .'study1/a.png'. and row 3 .'study2/a.png'."),
        (["a.png", "b.png"], ["b.png", "a.png", "a.jpg"], "row 3 .'a.png'. and row 4 .'a.jpg'."),
        (["a.png", "b.png"], ["b.png", "a", "a.png"], "row 3 .'a'. and row 4 .'a.png'."),
        (["a.1.png", "b.png"], ["a.1", "x/a.1.tif"], "row 2 .'a.1'. and row 3 .'x/a.1.tif'."),
        (["s/a.png", "t/b.png"], ["s/a.png", "b", "a.png"], "row 2 .'s/a.png'. and row 4 .'a.png'. lead to .*s/a.png"),
        (["a.png", "b.png"], ["a.png", "./a.png", "b"], "row 2 .'a.png'. and row 3 .'./a.png'."),
        (["a.PNG", "b.png"], ["a.PNG", "a.png", "b"], "row 2 .'a.PNG'. and row 3 .'a.png'."),
    ],
)
def test_two_names_of_one_picture_are_refused(
    tmp_path: Path, kind: Callable[[Path, Sequence[str]], Path], held: list[str], named: list[str], told: str
) -> None:
    path = kind(tmp_path / "d", held)
    with pytest.raises(CohortError, match=told) as error:
        read(path, named)
    assert "call it by the same name" in str(error.value.fix)
    with pytest.raises(CohortError, match=told):  # a bad image may be left out; a row with a wrong one may not
        read(path, named, on_bad_image="skip")
    with pytest.raises(CohortError, match=told):
        prepare_cohort(path, tmp_path / "out", label="dx", group="sex", image_size=8)
    assert not (tmp_path / "out" / "images.npy").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_name_one_picture_alike_share_it(
    tmp_path: Path, kind: Callable[[Path, Sequence[str]], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = kind(tmp_path / "d", ["b.png", "a.png", "c.png"])
    cohort = read(path, ["a.png", "b.png", "a.png", "c.png"], id_column="row", image_column="file")
    first, second, third, _ = cohort.batch(np.arange(4))
    np.testing.assert_array_equal(first, third)
    assert (first != second).any()
    assert "1 rows share the image of another row, as the table says" in capsys.readouterr().err
    with pytest.raises(CohortError, match=r"'a.png' stands in several rows .2, 4;"):
        read(path, ["a.png", "b.png", "a.png", "c.png"])


def test_all_pairs_are_counted_and_ten_are_shown(tmp_path: Path) -> None:
    path = in_folder(tmp_path / "d", [f"p{k:02d}.png" for k in range(30)])
    files = [f"study{s}/p{k:02d}.png" for k in range(30) for s in (1, 2)]
    with pytest.raises(CohortError) as error:
        read(path, files)
    text = error.value.message
    assert "60 rows have different names that lead to the same 30 images" in text
    assert text.count("lead to the one file") == 10 and "and 20 more" in text
    assert "row 20 ('study1/p09.png') and row 21 ('study2/p09.png') lead to the one file p09.png" in text


def test_a_row_that_is_left_out_keeps_its_picture(tmp_path: Path) -> None:
    """lesion.jpg is not there; that lesion.png's own row has no label does not make it the picture of lesion.jpg."""
    path = in_folder(tmp_path / "d", ["lesion.png", "b.png", "c.png"])
    frame = pd.DataFrame(
        {"file": ["lesion.jpg", "lesion.png", "b.png", "c.png"], "dx": ["nv", None, "mel", "nv"], "sex": list("fmfm")}
    )
    frame.to_csv(path / "metadata.csv", index=False)
    with pytest.raises(CohortError, match=r"row 2 .'lesion.jpg'. and row 3 .'lesion.png'."):
        read_cohort(path, label="dx", group="sex", image_size=8, drop_unlabelled=True)
    frame.loc[[0, 1], "dx"] = None  # neither is read: nobody is harmed
    frame.to_csv(path / "metadata.csv", index=False)
    assert len(read_cohort(path, label="dx", group="sex", image_size=8, drop_unlabelled=True)) == 2


def test_how_pictures_were_found_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = in_folder(tmp_path / "d", ["a.png", "b.png", "c.png", "s/d.png"])
    assert len(read(path, ["root/a.png", "b.jpg", "c", "d.png"])) == 4
    said = capsys.readouterr().err.replace("\n", " ")
    assert "2 by file name in another folder ('root/a.png' is a.png)" in said
    assert "1 with another suffix ('b.jpg' is b.png)" in said and "1 by name without suffix ('c' is c.png)" in said
    read(path, ["a.png", "b.png", "c.png", "s/d.png"])
    assert "found otherwise" not in capsys.readouterr().err


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    path = in_folder(tmp_path / "d", ["a.png", "x/v.png", "y/v.png", "b.png"])
    with pytest.raises(CohortError) as error:
        read(path, ["a.png", "v.png", "zz.png", "a.tif", "b.png"])
    text = error.value.message
    assert "1 of 5 samples have no image in images: 'zz.png' (row 4)" in text
    assert "row 3, 'v.png': x/v.png, y/v.png" in text
    assert "row 2 ('a.png') and row 5 ('a.tif')" in text


def test_parts_of_a_file_are_different_pictures(tmp_path: Path) -> None:
    (tmp_path / "i").mkdir()
    for name in ("scan.dcm", "brain.nii.gz", "other.png"):
        (tmp_path / "i" / name).write_bytes(b"")
    source = open_source(tmp_path / "i")

    def check(*names: str) -> None:
        Pictures.of(Path("t.csv"), pd.Series(names), source).check(np.arange(len(names)), may_lack=False)

    check("scan.dcm#1", "scan.dcm#2", "brain.nii.gz#axis=1", "brain.nii.gz#axis=2,index=3")
    for twins in (("scan.dcm", "scan.dcm#1"), ("scan#2", "scan.dcm#02"), ("brain", "brain.nii.gz#index=middle")):
        with pytest.raises(CohortError, match="2 rows have different names that lead to the same 1 image"):
            check("other.png", *twins)


_FOLDER = st.sampled_from(["", "s1/", "s2/", "s1/t/"])
_NAME = st.builds(
    "{}{}{}".format, _FOLDER, st.sampled_from(["a", "b", "a.1", "a.2", "A"]), st.sampled_from([".png", ".jpg", ""])
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(held=st.sets(_NAME, min_size=1, max_size=6), named=st.lists(_NAME, min_size=1, max_size=6, unique=True))
def test_accepted_rows_have_each_a_picture_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, held: set[str], named: list[str]
) -> None:
    """Any names: either an error, or as many pictures as rows, and a picture called exactly so goes to its row."""
    source = open_source(in_zip(tmp_path_factory.mktemp("d"), sorted(held)) / "images.zip")
    pictures = Pictures.of(Path("t.csv"), pd.Series(named), source)
    try:
        pictures.check(np.arange(len(named)), may_lack=False)
    except CohortError:
        assert not set(named) <= held, "names that are all there as written are never refused"
        return
    found = [source.find(name) for name in named]
    assert None not in found and len(set(found)) == len(named)
    assert all(member == name for name, member in zip(named, found, strict=True) if name in held)
