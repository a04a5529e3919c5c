"""What misleads in the Harvard sets, the chest sets of two sites, KiTS23 and TUSC; and where images are found."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from everygroup.datasets import prepare_published, read_cohort
from everygroup.datasets.published import Published, adapter_of
from everygroup.datasets.published._image_files import locate, middle
from everygroup.datasets.published.montgomery_shenzhen import _parts
from everygroup.errors import CohortError, ImageError
from everygroup.imaging import open_source, read_image

Miniature = Callable[[str], Path]


def read(name: str, folder: Path, **options: Any) -> Published:
    return adapter_of(name).read(folder, **options)


def labels(name: str, found: Published, label_map: str | None = None) -> dict[str, str | None]:
    rule = adapter_of(name).label_map(label_map)
    return dict(zip(found.table["image_id"], rule.apply(found.table[rule.column], where=name), strict=True))


def edit(path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    change(pd.read_csv(path, dtype=str, keep_default_na=False)).to_csv(path, index=False)


# --- Harvard ---------------------------------------------------------------------------------------------------------


def pixels(found: Published, name: str) -> np.ndarray:
    source = open_source(found.images)
    member = source.find(name)
    assert member is not None
    return read_image(source.read(member), name=member)


def test_harvard_pictures_come_from_the_named_array(miniature: Miniature) -> None:
    found = read("harvard_fairvlmed", miniature("harvard_fairvlmed"))
    row = found.table.iloc[6]
    assert row["image"] == "Validation/data_00007.npz#slo_fundus@0:255" and row["use"] == "validation"
    with np.load(found.images / "Validation" / "data_00007.npz") as archive:
        np.testing.assert_array_equal(pixels(found, row["image"])[..., 0], archive["slo_fundus"])
    found = read("harvard_gf", miniature("harvard_gf"))
    row = found.table.iloc[0]
    with np.load(found.images / "Training" / "data_0001.npz") as archive:
        wanted = np.round(np.clip(archive["rnflt"], 0, 350) / 350 * 255)
    np.testing.assert_array_equal(pixels(found, row["image"])[..., 0], wanted)
    assert Counter(found.table["use"]) == {"training": 5, "validation": 5, "test": 2}, "by the folders"
    found = read("harvard_fairseg", miniature("harvard_fairseg"))
    assert found.table["mask"][0] == "data_00001.npz#disc_cup_mask"


def test_harvard_files_in_an_archive(miniature: Miniature, tmp_path: Path) -> None:
    folder = miniature("harvard_fairvlmed")
    before = read("harvard_fairvlmed", folder)
    wanted = pixels(before, before.table["image"][3])
    with zipfile.ZipFile(folder / "FairVLMed.zip", "w") as archive:
        for path in sorted(folder.rglob("*.npz")):
            archive.write(path, path.relative_to(folder))
    for place in ("Training", "Validation", "Test"):
        shutil.rmtree(folder / place)
    found = read("harvard_fairvlmed", folder)
    assert found.images.name == "FairVLMed.zip"
    np.testing.assert_array_equal(pixels(found, found.table["image"][3]), wanted)
    prepared = prepare_published("harvard_fairvlmed", folder, tmp_path / "cohort", image_size=8)
    assert len(read_cohort(prepared, group="sex")) == 12


def test_harvard_gf_of_another_release(miniature: Miniature) -> None:
    folder = miniature("harvard_gf")
    for path in folder.rglob("*.npz"):
        np.savez(path, slo_fundus=np.zeros((4, 4), np.uint8), age=60, gender=1, race="White or Caucasian", ethnicity=0)
    found = read("harvard_gf", folder)
    assert found.table["image"].str.endswith("#slo_fundus@0:255").all()
    assert set(found.table["race"]) == {"white"} and found.table["glaucoma"].isna().all()
    np.savez(path, oct_bscans=np.zeros((4, 4, 4)), age=60, gender=1, race=2, ethnicity=0)
    with pytest.raises(ImageError, match="no array 'slo_fundus'; it holds oct_bscans"):
        pixels(read("harvard_gf", folder), f"{path.name}#slo_fundus@0:255")


def test_harvard_attributes_that_are_objects_are_not_read(miniature: Miniature) -> None:
    folder = miniature("harvard_gf")
    path = sorted(folder.rglob("*.npz"))[0]
    np.savez(path, rnflt=np.zeros((4, 4)), race=np.array({"a": 1}, dtype=object))
    with pytest.raises(CohortError, match=path.name) as caught:
        read("harvard_gf", folder)
    assert "pickle" in caught.value.fix
    np.savez(path, rnflt=np.zeros((4, 4)), age=60, male=0, race=7, ethnicity=0)
    with pytest.raises(CohortError, match=rf"{path.name}: unknown race '7'"):
        read("harvard_gf", folder)


def test_fairseg_without_labels_says_so(miniature: Miniature) -> None:
    folder = miniature("harvard_fairseg")
    edit(folder / "ReadMe" / "data_summary.csv", lambda table: table.drop(columns="glaucoma"))
    found = read("harvard_fairseg", folder)
    assert set(labels("harvard_fairseg", found).values()) == {None}
    assert any("only the masks" in note for note in found.notes)


# --- others ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "sex", "years", "rest"),
    [
        ("Patient's Sex: F\nPatient's Age: 027Y\nnormal\n", "female", "27Y", "normal"),
        ("Patient\N{RIGHT SINGLE QUOTATION MARK}s Sex: M\nPatient's Age: 040Y", "male", "40Y", ""),
        ("Patient's Sex: O\nPatient's Age: \nx", None, None, "x"),
        ("male 45yrs\nnormal", "male", "45Y", "normal"),
        ("femal 63yrs \r\nPTB in the left", "female", "63Y", "PTB in the left"),
        ("Female,9 months\nnormal", "female", "9M", "normal"),
        ("female 64days", "female", "64D", ""),
        ("male16month", "male", "16M", ""),
        ("STB", None, None, ""),
        ("", None, None, ""),
    ],
)
def test_readings_of_both_sites(text: str, sex: str | None, years: str | None, rest: str) -> None:
    assert _parts(text, {}) == (sex, years, rest)


def test_montgomery_and_shenzhen(miniature: Miniature) -> None:
    folder = miniature("montgomery_shenzhen")
    found = read("montgomery_shenzhen", folder)
    table = found.table.set_index("image_id")
    assert table.loc["MCUCXR_0104_1", "image"] == "MontgomerySet/CXR_png/MCUCXR_0104_1.png", "not the mask"
    assert table.loc["CHNCXR_0003_0", "age"] == pytest.approx(0.75)
    assert table.loc["CHNCXR_0202_0", "age"] == pytest.approx(64 / 365.25)
    assert Counter(table["site"]) == {"Shenzhen": 7, "Montgomery": 4}
    assert "2 readings do not tell the sex (or O)" in found.notes
    assert "1 readings do not tell the age (or O)" in found.notes
    assert labels("montgomery_shenzhen", found)["CHNCXR_0329_1"] == "tuberculosis"
    for path in folder.rglob("MCUCXR_*.txt"):
        path.write_text(path.read_text("utf-8").replace("Patient's Age", "Age of patient"), encoding="utf-8")
    mapped = read("montgomery_shenzhen", folder, column_map={"Age of patient": "Patient's Age"}).table
    pd.testing.assert_frame_equal(mapped, found.table)
    assert read("montgomery_shenzhen", folder).table["age"].isna().sum() == 5
    shutil.rmtree(folder / "ChinaSet_AllFiles")
    assert set(read("montgomery_shenzhen", folder).table["site"]) == {"Montgomery"}, "one set alone will do"


def test_kits(miniature: Miniature) -> None:
    folder = miniature("kits23")
    found = read("kits23", folder)
    table = found.table.set_index("image_id")
    assert Counter(table["sex"]) == {"male": 5, "female": 4, "transgender_male_to_female": 1}
    assert Counter(labels("kits23", found).values()) == {"malignant": 8, "benign": 2}
    assert labels("kits23", found, "clear_cell")["case_00000"] == "clear cell carcinoma"
    assert table.loc["case_00003", "mask"] == "case_00003/segmentation.nii.gz"
    assert "comorbidities" not in table.columns
    path = folder / "dataset" / "kits23.json"
    for content in ("{", json.dumps({"case_id": 1}), "[]", "[1]"):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(CohortError, match=r"kits23\.json"):
            read("kits23", folder)


def test_frames_of_clips(miniature: Miniature) -> None:
    folder = miniature("tusc")
    found = read("tusc", folder)
    table = found.table
    assert len(table) == 24 and table["patient_id"].nunique() == 5, "two nodules of one patient stay together"
    assert set(table.loc[table["patient_id"] == "3", "annot_id"]) == {"3_1", "3_2"}
    with h5py.File(folder / "dataset.hdf5") as held:
        np.testing.assert_array_equal(pixels(found, table["image"][9])[..., 0], held["image"][9])
    assert Counter(labels("tusc", found).values()) == {"benign": 20, "malignant": 4}
    edit(folder / "metadata.csv", lambda table: table[table["annot_id"] != "2_"])
    with pytest.raises(CohortError, match=r"no row for the clip '2_' of dataset\.hdf5 \(1 such"):
        read("tusc", folder)
    (folder / "dataset.hdf5").write_bytes(b"no frames")
    with pytest.raises(CohortError, match=r"dataset\.hdf5: cannot be read"):
        read("tusc", folder)


# --- images ----------------------------------------------------------------------------------------------------------


def test_images_loose_zipped_absent_or_twice(tmp_path: Path) -> None:
    names = ["a.jpg", "b.jpg"]
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a.jpg").touch()
    assert locate(tmp_path, names, prefer=["two"]) == (tmp_path, ["two/a.jpg", "b.jpg"]), "an absent one keeps its name"
    with pytest.raises(CohortError, match=r"2 files are called a\.jpg: one/a\.jpg, two/a\.jpg"):
        locate(tmp_path, names)
    zipped = tmp_path / "zipped"
    zipped.mkdir()
    with zipfile.ZipFile(zipped / "train.zip", "w") as archive:
        archive.writestr("train/a.jpg", b"")
        archive.writestr("__MACOSX/train/a.jpg", b"")
    assert locate(zipped, names) == (zipped / "train.zip", ["train/a.jpg", "b.jpg"])
    (zipped / "test.zip").write_bytes(b"broken")
    with pytest.raises(CohortError, match=r"test\.zip: cannot be opened"):
        locate(zipped, names)
    assert middle(["s_10", "s_9", "s_100"]) == "s_10"


def test_an_absent_image_stays_in_the_table(miniature: Miniature) -> None:
    folder = miniature("brset")
    (folder / "fundus_photos" / "img00002.jpg").unlink()
    found = read("brset", folder)
    assert len(found.table) == 12
    source = open_source(found.images)
    assert [i for i in found.table["image"] if source.find(i) is None] == ["img00002.jpg"]
