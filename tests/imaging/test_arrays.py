"""Arrays as images: which array a name means, pixels to the letter, fixed windows, nothing that could run code."""

from __future__ import annotations

import builtins
import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from everygroup.datasets import read_cohort
from everygroup.errors import ImageError, SettingsError
from everygroup.imaging import open_source, prepare_images, read_image
from everygroup.imaging.arrays import ArrayName, array_as_png, array_name

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOUR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)
DEEP = np.array([[0, 257], [65535, 514]], dtype=np.uint16)


def pixels(folder: Path, name: str) -> np.ndarray:
    source = open_source(folder)
    member = source.find(name)
    assert member is not None and not hasattr(source, "ids")
    return read_image(source.read(member), name=member)


def test_names() -> None:
    assert array_name("a/data_1.npz#slo_fundus") == ArrayName("a/data_1.npz", "slo_fundus")
    assert array_name("data_1.npz#rnflt@-2:350") == ArrayName("data_1.npz", "rnflt", None, (-2.0, 350.0))
    assert array_name("stack.hdf5#image[17]") == ArrayName("stack.hdf5", "image", 17)
    assert array_name("one.npy") == ArrayName("one.npy")
    for other in ("picture.png", "#002.jpg", "scan.dcm#12", "data.npz.txt", "data#1.png"):
        assert array_name(other) is None
    for name in ("a.npz#k", "a.npz#k@0.0:255.0", "a.h5#k[3]@0.0:1.0", "a.npy"):
        found = array_name(name)
        assert found is not None and found.at(found.path) == name
    with pytest.raises(ImageError, match="is empty"):
        array_name("a.npz#k@5:5")
    with pytest.raises(ImageError, match="no number"):
        array_name("a.npz#k@1..2:5")


@pytest.mark.parametrize("packed", [False, True])
def test_pixels_come_out_as_they_were_stored(tmp_path: Path, packed: bool) -> None:
    folder = tmp_path / "raw"
    (folder / "Training").mkdir(parents=True)
    save = np.savez_compressed if packed else np.savez
    save(folder / "Training" / "data_1.npz", grey=GREY, colour=COLOUR, deep=DEEP, thin=GREY[..., None])
    np.save(folder / "one.npy", COLOUR)
    if packed:
        with zipfile.ZipFile(tmp_path / "raw.zip", "w") as archive:
            for file in ("Training/data_1.npz", "one.npy"):
                archive.write(folder / file, file)
        folder = tmp_path / "raw.zip"
    np.testing.assert_array_equal(pixels(folder, "Training/data_1.npz#grey"), np.repeat(GREY[..., None], 3, axis=2))
    np.testing.assert_array_equal(pixels(folder, "data_1.npz#colour"), COLOUR)
    np.testing.assert_array_equal(pixels(folder, "data_1.npz#thin")[..., 0], GREY)
    np.testing.assert_array_equal(pixels(folder, "data_1.npz#deep")[..., 0], [[0, 1], [255, 2]])
    np.testing.assert_array_equal(pixels(folder, "one.npy"), COLOUR)
    assert open_source(folder).find("data_2.npz#grey") is None


def test_one_window_for_all_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", map=np.array([[-2.0, 0.0], [175.0, 400.0]]), slo=GREY)
    np.savez(tmp_path / "b.npz", map=np.array([[100.0, 100.0], [100.0, 101.0]]))
    np.testing.assert_array_equal(pixels(tmp_path, "a.npz#map@0:350")[..., 0], [[0, 0], [128, 255]])
    assert pixels(tmp_path, "b.npz#map@0:350")[..., 0].tolist() == [[73, 73], [73, 74]], "not stretched by itself"
    np.testing.assert_array_equal(pixels(tmp_path, "a.npz#slo@0:255")[..., 0], GREY)


def test_stacks_in_hdf5(tmp_path: Path) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (5, 4, 6), dtype=np.uint8)
    with h5py.File(tmp_path / "dataset.hdf5", "w") as held:
        held["image"], held["names"] = stack, [b"a", b"b"]
        held["outside"] = h5py.ExternalLink("elsewhere.hdf5", "/image")
    for k in (0, 4):
        np.testing.assert_array_equal(pixels(tmp_path, f"dataset.hdf5#image[{k}]")[..., 1], stack[k])
    for name, what in (("image[5]", "no image 5"), ("mask[0]", "no array 'mask'"), ("outside", "no array 'outside'")):
        with pytest.raises(ImageError, match=what):
            pixels(tmp_path, f"dataset.hdf5#{name}")
    with pytest.raises(ImageError, match="no picture"):
        pixels(tmp_path, "dataset.hdf5#names[0]")
    with pytest.raises(ImageError, match="no picture"):
        pixels(tmp_path, "dataset.hdf5#image")
    np.savez(tmp_path / "stack.npz", image=stack)
    np.testing.assert_array_equal(pixels(tmp_path, "stack.npz#image[3]")[..., 0], stack[3])
    with pytest.raises(ImageError, match="no image 9"):
        pixels(tmp_path, "stack.npz#image[9]")
    (tmp_path / "broken.h5").write_bytes(b"\x89HDF and no more")
    with pytest.raises(ImageError, match="cannot be read"):
        pixels(tmp_path, "broken.h5#image[0]")


def test_hdf5_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataset.hdf5").write_bytes(b"\x89HDF")
    real = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "h5py":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SettingsError, match=r"everygroup\[hdf5\]"):
        array_as_png(tmp_path / "dataset.hdf5", ArrayName("dataset.hdf5", "image", 0), label="x")


@pytest.mark.parametrize(
    ("array", "name", "what"),
    [
        (GREY.astype(float), "#x", "float64"),
        (np.zeros((2, 3, 4, 5), np.uint8), "#x", r"\(2, 3, 4, 5\)"),
        (np.zeros((0, 4), np.uint8), "#x", "no picture"),
        (np.array(["text"]), "#x@0:1", "no finite numbers"),
        (np.array([[np.nan, 1.0]]), "#x@0:1", "no finite numbers"),
        (GREY, "#y", "no array 'y'; it holds x"),
        (np.array([{}], dtype=object), "#x", "can run code"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path: Path, array: np.ndarray, name: str, what: str) -> None:
    np.savez(tmp_path / "a.npz", x=array)
    with pytest.raises(ImageError, match=what) as caught:
        pixels(tmp_path, f"a.npz{name}")
    assert caught.value.message.startswith("a.npz#")


def test_damaged_files_are_errors(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, x=GREY)
    whole = buffer.getvalue()
    for name, data in (
        ("short.npz", whole[:40]),
        ("text.npz", b"hello"),
        ("short.npy", b"\x93NUMPY\x01\x00"),
        ("e.npy", b""),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ImageError, match=name):
            pixels(tmp_path, name + ("#x" if name.endswith("npz") else ""))
    np.savez(tmp_path / "two.npz", x=GREY, y=GREY)
    with pytest.raises(ImageError, match="none is named; it holds x, y"):
        pixels(tmp_path, "two.npz")


def test_a_folder_of_arrays_is_prepared_and_known_again(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for k in range(3):
        np.savez(raw / f"data_{k}.npz", slo=np.full((6, 6), 10 * k, np.uint8), note=np.array("text"))
    ids = [f"data_{k}.npz#slo" for k in range(3)]
    source = open_source(raw)
    assert source.members() == [f"data_{k}.npz" for k in range(3)]
    prepared = prepare_images(source, ids, tmp_path / "out", image_size=4, workers=1)
    assert prepared.images[:, 0, 0, 0].tolist() == [0, 10, 20]
    before = source.fingerprint
    np.savez(raw / "data_1.npz", slo=np.full((6, 6), 99, np.uint8), more=np.zeros(3))
    assert open_source(raw).fingerprint != before


def test_a_table_names_the_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = []
    for k in range(4):
        np.savez(tmp_path / f"data_{k}.npz", slo=np.full((6, 6), k, np.uint8))
        rows.append((f"p{k}", f"data_{k}.npz#slo", "ab"[k % 2], "mf"[k // 2]))
    table = pd.DataFrame(rows, columns=["image_id", "file", "y", "sex"])
    table.to_csv(tmp_path / "metadata.csv", index=False)
    options: dict[str, Any] = {"label": "y", "group": "sex", "image_column": "file", "image_size": 4}
    options["cache"] = tmp_path / "cache"
    cohort = read_cohort(tmp_path, **options)
    assert cohort.images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert "not used" not in capsys.readouterr().err
    table.iloc[[0, 3]].to_csv(tmp_path / "metadata.csv", index=False)
    read_cohort(tmp_path, **options)
    assert "2 of 4 images" in capsys.readouterr().err
