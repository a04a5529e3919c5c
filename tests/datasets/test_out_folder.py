"""What lies in the --out folder is the user's, unless we put it there."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from everygroup.console import clear_warnings, recorded_warnings
from everygroup.datasets import prepare_published
from everygroup.datasets.reader import prepare_cohort, read_cohort
from everygroup.errors import CohortError, ImageError, OutputError
from everygroup.imaging._store import PROGRESS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    (folder / "images").mkdir(parents=True)
    for k in range(8):
        Image.new("RGB", (6, 6), (k, k, k)).save(folder / "images" / f"i{k}.png")
    table = pd.DataFrame(
        {"image_id": [f"i{k}" for k in range(8)], "dx": ["a", "b"] * 4, "sex": ["f", "f", "m", "m"] * 2}
    )
    table.to_csv(folder / "table.csv", index=False)
    return folder


def prepare(data: Path, out: Path, **options: object) -> Path:
    return prepare_cohort(data, out, label="dx", group="sex", **{"image_size": 4, **options})  # type: ignore[arg-type]


def test_the_original_files_are_never_written_over(data: Path) -> None:
    before = (data / "table.csv").read_bytes()
    for source, images, out in (
        (data, None, data),
        (data / "table.csv", None, data / "images" / ".."),
        (data / "table.csv", data / "images", data / "images"),
    ):
        with pytest.raises(OutputError, match="folder of the original files"):
            prepare(source, out, images=images, sample_limit=5, overwrite=True)
    assert (data / "table.csv").read_bytes() == before and not (data / "cohort.json").exists()


@pytest.mark.parametrize("name", ["table.csv", "images.npy"])
def test_files_that_are_not_ours_are_left_alone(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=f"{name}: is there already"):
            prepare(data, out, overwrite=overwrite)
        with pytest.raises(OutputError, match=f"{name}: is there already"):
            prepare_published("ham10000", data, out, overwrite=overwrite)
    assert [p.name for p in out.iterdir()] == [name] and (out / name).read_text() == "mine"


def test_what_we_began_or_finished_may_go_on(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("everygroup.imaging.prepare.write_json", stop)
        prepare(data, out)
    assert (out / "images.npy").exists() and (out / PROGRESS).exists() and not (out / "cohort.json").exists()
    assert len(read_cohort(prepare(data, out))) == 8
    assert not (out / PROGRESS).exists()
    assert len(read_cohort(prepare(data, out))) == 8


def test_the_old_cohort_stays_until_the_new_one_is_whole(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = prepare(data, tmp_path / "out")
    before = np.asarray(read_cohort(out).images).copy()
    good = (data / "images" / "i3.png").read_bytes()
    (data / "images" / "i3.png").write_bytes(b"")
    with pytest.raises(ImageError, match="1 of 8 images"):
        prepare(data, out, image_size=5, overwrite=True)
    with monkeypatch.context() as patched:
        patched.setattr(
            "everygroup.imaging.prepare.require_space", lambda *_: (_ for _ in ()).throw(OutputError("full"))
        )
        with pytest.raises(OutputError, match="full"):
            prepare(data, out, image_size=3, overwrite=True)
    np.testing.assert_array_equal(read_cohort(out).images, before)
    (data / "images" / "i3.png").write_bytes(good)
    assert (out / "bad_images.csv").exists()
    assert read_cohort(prepare(data, out, image_size=5, overwrite=True)).sample_shape == (5, 5, 3)
    assert {p.name for p in out.iterdir()} == {"cohort.json", "images.npy", "table.csv", ".lock"}, (
        "no list of bad images"
    )


def test_twelve_bits_in_sixteen_are_told(data: Path, tmp_path: Path) -> None:
    clear_warnings()
    prepare(data, tmp_path / "out")  # its greys are 0 to 7
    assert any(
        "brightest pixel 7 of 255" in w and "multiply all of these files by 16" in w for w in recorded_warnings()
    )


def test_a_prepared_table_reads_back_exactly(data: Path, tmp_path: Path) -> None:
    table = pd.read_csv(data / "table.csv")
    table["image_id"] = [f"  {i} " for i in table["image_id"]]
    table["note"] = ["bare\rreturn", " blank before", 'a "quote"', "two\nlines", "", "a,b", "a;b;c;d;e;f", "007"]
    table["x;y;z;u;v;w"] = 1.5
    table.to_csv(data / "table.csv", index=False, quoting=csv.QUOTE_ALL)
    direct = read_cohort(data, label="dx", group="sex", image_size=4, cache=tmp_path / "cache")
    opened = read_cohort(prepare(data, tmp_path / "out"))
    assert opened.ids.tolist() == direct.ids.tolist() == [f"i{k}" for k in range(8)]
    pd.testing.assert_frame_equal(opened.table, direct.table)


def test_what_a_prepared_folder_remembers(data: Path, tmp_path: Path) -> None:
    out = prepare(data, tmp_path / "out", sample_limit=6, resize="pad")
    limits = [read_cohort(out, sample_limit=n).provenance["sample_limit"] for n in (None, 9, 4)]
    assert limits == [6, 6, 4]
    assert len(read_cohort(out, resize="pad")) == 6
    with pytest.raises(CohortError, match="prepared with --resize pad, not crop"):
        read_cohort(out, resize="crop")
    with pytest.raises(CohortError, match="prepared without --fast-decode"):
        read_cohort(out, fast_decode=True)
    fast = prepare(data, tmp_path / "fast", fast_decode=True)
    assert len(read_cohort(fast)) == len(read_cohort(fast, fast_decode=True)) == 8
