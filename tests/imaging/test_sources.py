"""Finding images by id in a zip, a folder or an npz."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from everygroup.console import recorded_warnings
from everygroup.datasets.published._image_files import locate
from everygroup.errors import CohortError, EverygroupError, ImageError
from everygroup.imaging import open_source, store_key
from everygroup.imaging.names import Match
from everygroup.imaging.npz import NpzImages
from everygroup.imaging.sources import FolderImages, ZipImages


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture(params=["zip", "folder"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> ZipImages | FolderImages:
    members = {
        "part_1/a.jpg": b"A",
        "part_2/b.PNG": b"B",
        "c.x.jpeg": b"C",
        "notes.txt": b"N",
        "__MACOSX/._a.jpg": b"-",
        ".hidden.jpg": b"-",
    }
    if request.param == "zip":
        opened = open_source(make_zip(tmp_path / "images.zip", members))
    else:
        for name, data in members.items():
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(data)
        opened = open_source(tmp_path / "images")
    assert not isinstance(opened, NpzImages)
    return opened


@pytest.mark.parametrize(
    ("sample_id", "member"),
    [
        ("a", "part_1/a.jpg"),
        ("a.jpg", "part_1/a.jpg"),
        ("a.png", "part_1/a.jpg"),
        ("part_1/a.jpg", "part_1/a.jpg"),
        ("part_1/a", "part_1/a.jpg"),
        ("root/part_1/a.jpg", "part_1/a.jpg"),
        ("part_1\\a.jpg", "part_1/a.jpg"),
        ("./part_2/b.PNG", "part_2/b.PNG"),
        ("b", "part_2/b.PNG"),
        ("c.x", "c.x.jpeg"),
        ("notes.txt", "notes.txt"),
        ("notes", None),
        ("c", None),
        ("z", None),
        ("", None),
        (".hidden", None),
        ("._a", None),
    ],
)
def test_ids_find_their_image(source: ZipImages | FolderImages, sample_id: str, member: str | None) -> None:
    assert source.find(sample_id) == member


def test_members_and_bytes(source: ZipImages | FolderImages) -> None:
    assert sorted(source.members()) == ["c.x.jpeg", "part_1/a.jpg", "part_2/b.PNG"]
    assert source.read("part_1/a.jpg") == b"A"


def test_dicom_without_suffix_volumes_and_parts_are_found(tmp_path: Path) -> None:
    dicom = b"\0" * 128 + b"DICM"
    members = {
        "IM0001": dicom,
        "1.2.840.5": dicom,
        "scan.dcm": b"",
        "LICENSE": b"text",
        "DICOMDIR": dicom,
        "brain.nii.gz": b"",
        "head.img": b"v",
        "head.hdr": b"h",
        "odd#3.png": b"",
    }
    for source in (make_zip(tmp_path / "i.zip", members), tmp_path / "i"):
        if source.suffix != ".zip":
            source.mkdir()
            for name, data in members.items():
                (source / name).write_bytes(data)
        opened = open_source(source)
        assert not isinstance(opened, NpzImages)
        images = {"IM0001", "1.2.840.5", "scan.dcm", "brain.nii.gz", "head.img", "odd#3.png"}
        assert set(opened.members()) == images
        assert set(opened.dicom_members()) == {"IM0001", "1.2.840.5", "scan.dcm"}
        assert [opened.header(m) for m in ("head.img", "scan.dcm")] == [b"h", None]
        for name, member in {
            "scan.dcm#12": "scan.dcm",
            "scan#12": "scan.dcm",
            "IM0001.dcm": "IM0001",
            "brain": "brain.nii.gz",
            "brain.nii.gz#axis=1,index=middle": "brain.nii.gz",
            "odd#3": "odd#3.png",
            "odd#3.png": "odd#3.png",
            "brain.nii.gz#12#13": None,
            "scan.dcm#first": None,
        }.items():
            assert opened.find(name) == member, name
        assert opened.match("scan#12") == Match("scan.dcm", "12", "by name without suffix")
        assert opened.match("odd#3") == Match("odd#3.png", how="by name without suffix"), "a file may be called so"
        opened.also_called({"x1": "scan.dcm"}, hide_names=True)
        assert opened.find("x1#4") == "scan.dcm"


def test_an_ambiguous_id_is_refused(tmp_path: Path) -> None:
    source = open_source(make_zip(tmp_path / "i.zip", {"x/a.jpg": b"1", "y/a.jpg": b"2", "b.jpg": b"3"}))
    with pytest.raises(CohortError, match=r"'a' fits several images in i.zip: x/a.jpg, y/a.jpg"):
        source.find("a")
    assert source.find("x/a") == "x/a.jpg"
    assert source.find("b") == "b.jpg"


def test_fingerprints_follow_the_files(tmp_path: Path) -> None:
    first = open_source(make_zip(tmp_path / "1.zip", {"a.jpg": b"1", "b.jpg": b"2"})).fingerprint
    turned = open_source(make_zip(tmp_path / "2.zip", {"b.jpg": b"2", "a.jpg": b"1"})).fingerprint
    other = open_source(make_zip(tmp_path / "3.zip", {"a.jpg": b"1", "b.jpg": b"3"})).fingerprint
    assert first == turned != other
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "a.jpg").write_bytes(b"1")
    before = open_source(tmp_path / "f").fingerprint
    (tmp_path / "f" / "table.csv").write_text("not an image")
    assert open_source(tmp_path / "f").fingerprint == before
    (tmp_path / "f" / "a.jpg").write_bytes(b"12")
    assert open_source(tmp_path / "f").fingerprint != before


def test_zip_defects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK but no more")
    with pytest.raises(CohortError, match=r"bad.zip: cannot be opened as a zip archive"):
        open_source(tmp_path / "bad.zip")
    path = make_zip(tmp_path / "flip.zip", {"a.jpg": b"hello world"})
    path.write_bytes(path.read_bytes().replace(b"hello", b"jello"))
    with pytest.raises(ImageError, match=r"a.jpg: cannot be unpacked .*CRC"):
        open_source(path).read("a.jpg")  # type: ignore[union-attr]
    monkeypatch.setattr("everygroup.imaging.sources.MAX_FILE_BYTES", 5)
    with pytest.raises(ImageError, match="unpacks to more than"):
        open_source(path).read("a.jpg")  # type: ignore[union-attr]


def test_folder_defects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"hello world")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    source = FolderImages(tmp_path)
    assert source.find("dangling") is None
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(ImageError, match="cannot be read"):
        source.read("a.jpg")
    monkeypatch.setattr("everygroup.imaging.sources.MAX_FILE_BYTES", 5)
    with pytest.raises(ImageError, match="larger than"):
        source.read("a.jpg")
    with pytest.raises(CohortError, match="cannot be listed"):
        FolderImages(tmp_path / "none")


def test_paths_that_are_no_source(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no such file or folder"):
        open_source(tmp_path / "none")
    (tmp_path / "x.rar").write_bytes(b"")
    with pytest.raises(CohortError, match=r"folder, a .zip or an .npz"):
        open_source(tmp_path / "x.rar")


IMAGES = np.arange(3 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 4, 4, 3)
IDS = np.array(["a", "b", "c"])


def test_npz_gives_its_images_in_chunks(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "images-4.npz", images=IMAGES, ids=IDS)
    source = NpzImages(tmp_path / "images-4.npz")
    assert source.image_size == 4
    assert [source.position(i) for i in ("c", "a.jpg", "z")] == [2, 0, None]
    assert source.find("b.png") == "b"
    assert source.find("z") is None
    assert source.members() == ["a", "b", "c"]
    blocks = list(source.chunks(2))
    assert [start for start, _ in blocks] == [0, 2]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), IMAGES)


@pytest.mark.parametrize("grey", [IMAGES[..., 0], IMAGES[..., :1]])
def test_grey_npz_gets_three_channels(tmp_path: Path, grey: np.ndarray) -> None:
    np.savez(tmp_path / "g.npz", images=grey, ids=np.array([7, 8, 9]))
    ((_, block),) = NpzImages(tmp_path / "g.npz").chunks()
    np.testing.assert_array_equal(block, np.repeat(IMAGES[..., :1], 3, axis=3))


BAD_NPZ = {
    "lacks keys": ({"x": IMAGES}, "lacks images and ids; it holds x"),
    "lacks ids": ({"images": IMAGES}, "lacks ids"),
    "pickled ids": ({"images": IMAGES, "ids": np.array(["a", None, "c"], dtype=object)}, "pickles"),
    "pickled images": ({"images": np.array([1, "a"], dtype=object), "ids": IDS}, "images are object"),
    "floats": ({"images": IMAGES / 255, "ids": IDS}, "images are float64"),
    "four channels": ({"images": np.zeros((3, 4, 4, 4), np.uint8), "ids": IDS}, r"shape \(3, 4, 4, 4\)"),
    "flat": ({"images": np.zeros((3, 4), np.uint8), "ids": IDS}, r"shape \(3, 4\)"),
    "too few ids": ({"images": IMAGES, "ids": IDS[:2]}, "3 images but 2 ids"),
    "double ids": ({"images": IMAGES, "ids": np.array(["a", "a", "c"])}, "not unique"),
    "fortran order": ({"images": np.asfortranarray(IMAGES), "ids": IDS}, "images are uint8"),
}


@pytest.mark.parametrize("defect", BAD_NPZ)
def test_npz_defects(tmp_path: Path, defect: str) -> None:
    arrays, reason = BAD_NPZ[defect]
    np.savez(tmp_path / "images-4.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(CohortError, match=reason) as caught:
        NpzImages(tmp_path / "images-4.npz")
    assert "images-4.npz" in caught.value.message


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "i.npz"
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(CohortError, match="cannot be read as an npz"):
        NpzImages(path)
    path.write_bytes(b"plain text")
    with pytest.raises(CohortError, match=r"pickles|cannot be read"):
        NpzImages(path)
    stream = io.BytesIO()
    np.save(stream, IMAGES)
    path.write_bytes(stream.getvalue())
    with pytest.raises(CohortError, match="a single array"):
        NpzImages(path)


def test_damage_found_while_reading(tmp_path: Path) -> None:
    path = tmp_path / "i.npz"
    np.savez(path, images=IMAGES, ids=IDS)
    source = NpzImages(path)
    data = bytearray(path.read_bytes())
    data[data.index(IMAGES.tobytes()[:40]) + 20] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(CohortError, match="is damaged"):
        list(source.chunks())


def test_a_picture_does_not_stand_in_for_an_absent_one_of_its_name(tmp_path: Path) -> None:
    for name in ("patient1/study1/view1.png", "patient2/study1/view2.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    source = open_source(tmp_path)
    assert source.find("patient3/study1/view1.png") is None and source.find("view1") == "patient1/study1/view1.png"
    assert source.find("root/patient2/study1/view2.png") == "patient2/study1/view2.png"
    assert source.find("study1/view2.jpg") == "patient2/study1/view2.png"


def test_files_not_known_by_their_suffix_change_the_key(tmp_path: Path) -> None:
    for name in ("a.jfif", "b", "c.img", "c.hdr", "d.png"):
        (tmp_path / name).write_bytes(b"1")
    ids = ["a.jfif", "b", "c.img", "d.png"]
    before = store_key(open_source(tmp_path), ids, image_size=4)
    for name in ("a.jfif", "b", "c.hdr", "d.png"):
        (tmp_path / name).write_bytes(b"changed " + name.encode())
        after = store_key(open_source(tmp_path), ids, image_size=4)
        assert after != before, name
        before = after
    (tmp_path / "table.csv").write_text("not named")
    assert store_key(open_source(tmp_path), ids, image_size=4) == before


def test_a_name_in_two_forms_of_unicode(tmp_path: Path) -> None:
    (tmp_path / "pe\u0301").mkdir()
    (tmp_path / "pe\u0301" / "re\u0301sume\u0301.png").write_bytes(b"1")
    source = open_source(tmp_path)
    for name in (
        "r\u00e9sum\u00e9",
        "p\u00e9/r\u00e9sum\u00e9.png",
        "re\u0301sum\u00e9.jpg",
        "x/p\u00e9/r\u00e9sum\u00e9",
    ):
        assert source.find(name) == "pe\u0301/re\u0301sume\u0301.png", name
    assert source.find("p\u00e8/r\u00e9sum\u00e9.png") is None


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"1")
    assert len(open_source(tmp_path).fingerprint) == 32


def test_linked_folders_are_told(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "there")
    FolderImages(tmp_path / "here")
    assert any("linked folders are not looked into (link)" in w for w in recorded_warnings())


def _unknown_compression(path: Path) -> None:
    """Say in all headers that members are packed by method 93 (zstandard)."""
    data = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = data.find(mark)
        while start >= 0:
            data[start + at : start + at + 2] = (93).to_bytes(2, "little")
            start = data.find(mark, start + 4)
    path.write_bytes(bytes(data))


def _bad_name(path: Path) -> None:
    """Names that claim to be UTF-8 and are not."""
    path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xfe"))


@pytest.mark.parametrize("damage", [_unknown_compression, _bad_name])
def test_no_archive_ends_in_a_traceback(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    np.savez(tmp_path / "images-4.npz", images=IMAGES, ids=IDS, **{"\u00e9": IDS})
    parts = {f"{part}_images": IMAGES for part in ("train", "val", "test")}
    np.savez(tmp_path / "parts.npz", **parts, **{"\u00e9": IDS})
    make_zip(tmp_path / "i.zip", {"\u00e9.jpg": b"A"})
    for name in ("images-4.npz", "parts.npz", "i.zip"):
        damage(tmp_path / name)
    for name in ("images-4.npz", "parts.npz"):
        with pytest.raises(CohortError, match=name):
            open_source(tmp_path / name)
    with pytest.raises(EverygroupError, match=r"i.zip|jpg: cannot be unpacked"):
        open_source(tmp_path / "i.zip").read("\u00e9.jpg")  # type: ignore[union-attr]
    with pytest.raises(EverygroupError, match=r"i.zip|jpg: cannot be unpacked"):
        _, (file,) = locate(tmp_path, ["\u00e9.jpg"])
        open_source(tmp_path / "i.zip").read(file)  # type: ignore[union-attr]
