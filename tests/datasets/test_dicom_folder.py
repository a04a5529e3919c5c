"""A folder of DICOM files becomes a table and a prepared cohort, and nothing that names a patient gets out."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from everygroup.cli.main import main
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.datasets.dicom_folder import SALT_VARIABLE, dicom_table
from everygroup.datasets.reader import prepare_cohort, read_cohort
from everygroup.errors import CohortError, ImageError, SettingsError
from everygroup.imaging import open_prepared

from ..imaging.dicom_files import dicom, encoded

SEXES, AGES = ("M", "F", "O", ""), ("045Y", "011M", "", "070Y")
PIXELS = np.random.default_rng(0).integers(0, 4096, (8, 12, 10), dtype=np.uint16)

# Everything that says who a patient is or where and when they were seen, each with a text of its own.
PHI_TEXT = re.findall(
    r"\w+",
    """
    AccessionNumber AdditionalPatientHistory AdmissionID BranchOfService CurrentPatientLocation DeviceSerialNumber
    EthnicGroup ImageComments InstitutionAddress InstitutionalDepartmentName InstitutionName MedicalRecordLocator
    MilitaryRank NameOfPhysiciansReadingStudy Occupation OperatorsName OtherPatientNames PatientAddress
    PatientBirthName PatientComments PatientMotherBirthName PatientName PatientReligiousPreference
    PatientTelephoneNumbers PerformedProcedureStepDescription PerformingPhysicianName PhysiciansOfRecord ProtocolName
    ReferringPhysicianAddress ReferringPhysicianName RegionOfResidence RequestedProcedureDescription
    RequestingPhysician ResponsiblePerson SeriesDescription StationName StudyComments StudyDescription StudyID
    """,
)
DATES = {
    "PatientBirthDate": "19310417",
    "StudyDate": "20170213",
    "SeriesDate": "20170214",
    "AcquisitionDateTime": "20170215101112",
    "PatientBirthTime": "031415",
}
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def patient(number: int, pixels: np.ndarray, **tags: Any) -> Dataset:
    """One file with a secret in every place there is; patients have two files each."""
    who = number // 2
    ds = dicom(pixels, BitsStored=12, PatientID=f"SECRETID{who:04d}", PatientSex=SEXES[who], PatientAge=AGES[who])
    for name in PHI_TEXT:
        setattr(ds, name, f"SECRET{name[:8]}")
    for name, value in DATES.items():
        setattr(ds, name, value)
    for name in UIDS:
        setattr(ds, name, generate_uid())
    ds.Modality, ds.ViewPosition, ds.ImageLaterality = "DX", ("PA", "AP")[number % 2], "L"
    ds.Manufacturer, ds.ManufacturerModelName = "Maker", f"Model {number % 2}"
    ds.BodyPartExamined = "SECRETBODY"
    block = ds.private_block(0x0011, "SECRETCREATOR", create=True)
    block.add_new(0x01, "LO", "SECRETPRIVATE")
    nested = Dataset()
    nested.PatientID, nested.TypeOfPatientID = "SECRETOTHERID", "TEXT"
    ds.OtherPatientIDsSequence = [nested]
    for name, value in tags.items():
        setattr(ds, name, value)
    return ds


def written(ds: Dataset) -> bytes:
    """The file, with a body part that is free text instead of a code; pydicom would not write it so."""
    return encoded(ds).replace(b"SECRETBODY", b"secret: ay")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Eight files of four patients called by their SOPInstanceUID, half of them without suffix, and labels.csv."""
    root = tmp_path / "scans"
    rows = []
    for number, pixels in enumerate(PIXELS):
        ds = patient(number, pixels)
        name = f"series/{ds.SOPInstanceUID}" + (".dcm" if number % 2 else "")
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(written(ds))
        rows.append({"file": name, "uid": ds.SOPInstanceUID, "finding": ("no", "yes")[number % 3 == 0]})
    (root / "series" / "DICOMDIR").write_bytes(encoded(dicom(None)))
    (root / "series" / "report.dcm").write_bytes(encoded(dicom(None, PatientName="SECRET")))
    pd.DataFrame(rows)[["file", "finding"]].to_csv(root / "labels.csv", index=False)
    pd.DataFrame(rows).to_csv(tmp_path / "known.csv", index=False)
    return root


def run(arguments: list[str]) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return int(end.value.code or 0)


def secrets(folder: Path) -> list[bytes]:
    known = pd.read_csv(folder.parent / "known.csv")
    return [b"SECRET", b"secret", *known["uid"].str.encode("ascii"), *(v.encode() for v in DATES.values())]


def test_nothing_that_names_a_patient_gets_out(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = next(folder.glob("series/*.dcm"))
    broken.write_bytes(broken.read_bytes()[:-30])  # pixels are lacking: bad_images.csv is written
    out = tmp_path / "out"
    arguments = ["--label", "finding", "--group", "sex", "--split-by", "patient_key", "--image-size", "8"]
    assert run(["prepare", str(folder), "-o", str(out), *arguments]) == 2
    assert run(["prepare", str(folder), "-o", str(out), *arguments, "--on-bad-image", "skip"]) == 0
    printed = "".join(capfd.readouterr())
    assert "1 of 8 images cannot be used:" in printed and "1 of 8 images (12.5%)" in printed
    files = {p.name: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    assert {"table.csv", "cohort.json", "bad_images.csv", "images.npy"} <= set(files)
    for secret in secrets(folder):
        assert secret.decode() not in printed
        for name, data in files.items():
            assert secret not in data, f"{secret!r} is in {name}"
    assert any(b"SECRET" in p.read_bytes() for p in folder.rglob("*.dcm")), "there was something to find"
    assert run(["check", str(out)]) == 0
    assert "SECRET" not in "".join(capfd.readouterr())


def test_attributes_are_joined_to_labels(folder: Path, tmp_path: Path) -> None:
    out = prepare_cohort(folder, tmp_path / "out", label="finding", group="sex", split_by="patient_key", image_size=8)
    table = pd.read_csv(out / "table.csv", dtype={"image_id": str})
    assert table["sex"].tolist()[:4] == ["male", "male", "female", "female"]
    assert table["sex"].tolist()[4:6] == ["other", "other"] and table["sex"].isna().tolist() == [False] * 6 + [True] * 2
    np.testing.assert_allclose(table["age"], [45, 45, 0.9167, 0.9167, np.nan, np.nan, 70, 70])
    assert table["patient_key"].nunique() == 4
    assert (table["patient_key"].to_numpy()[::2] == table["patient_key"].to_numpy()[1::2]).all()
    assert table["view_position"].tolist() == ["PA", "AP"] * 4
    assert table["scanner"].tolist()[:2] == ["Maker Model 0", "Maker Model 1"]
    assert table["body_part"].isna().all()
    assert (table["rows"] == 12).all() and (table["columns"] == 10).all()
    assert "file" not in table
    first = np.round(PIXELS[0] / 4095 * 255)[1:11]
    assert np.abs(open_prepared(out).images[0, ..., 0].astype(int).mean() - first.mean()) < 3
    cohort = read_cohort(out)
    assert cohort.groups == ("female", "male", "other")
    assert len(np.unique(cohort.units)) == 4
    again = read_cohort(folder, label="finding", group="sex", split_by="patient_key", image_size=8, cache=tmp_path)
    np.testing.assert_array_equal(again.ids, cohort.ids)


def test_columns_of_the_user_stay(folder: Path, tmp_path: Path) -> None:
    labels = pd.read_csv(folder / "labels.csv").assign(sex="other", age=1)
    labels.to_csv(folder / "labels.csv", index=False)
    out = prepare_cohort(folder, tmp_path / "out", image_size=8)
    table = pd.read_csv(out / "table.csv")
    assert (table["sex"] == "other").all() and (table["age"] == 1).all()
    assert table["patient_key"].nunique() == 4


def test_labels_by_uid_and_by_bare_name(folder: Path, tmp_path: Path) -> None:
    known = pd.read_csv(tmp_path / "known.csv")
    expected = pd.read_csv(prepare_cohort(folder, tmp_path / "o", image_size=8) / "table.csv")
    for name in (folder / "series").glob("1.*"):
        name.rename(name.with_name(f"IM{name.stat().st_ino}"))
    known.rename(columns={"uid": "SOPInstanceUID"})[["SOPInstanceUID", "finding"]].to_csv(folder / "labels.csv")
    got = pd.read_csv(prepare_cohort(folder, tmp_path / "p", image_size=8) / "table.csv")
    assert got["image_id"].tolist() == expected["image_id"].tolist()
    assert "SOPInstanceUID" not in got
    np.testing.assert_array_equal(open_prepared(tmp_path / "o").images, open_prepared(tmp_path / "p").images)
    kept = prepare_cohort(folder, tmp_path / "q", image_size=8, id_column="SOPInstanceUID")
    assert pd.read_csv(kept / "table.csv")["SOPInstanceUID"].tolist() == known["uid"].tolist(), "asked for by name"


def test_frames_of_one_file(tmp_path: Path) -> None:
    (tmp_path / "scan.dcm").write_bytes(encoded(patient(0, PIXELS)))
    pd.DataFrame({"file": ["scan.dcm#2", "scan.dcm#8"], "y": [0, 1]}).to_csv(tmp_path / "labels.csv", index=False)
    out = prepare_cohort(tmp_path, tmp_path / "out", image_size=10, resize="stretch")
    table = pd.read_csv(out / "table.csv")
    assert [i.partition("#")[2] for i in table["image_id"]] == ["2", "8"]
    assert table["patient_key"][0] == table["patient_key"][1]
    means = open_prepared(out).images.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, PIXELS[[1, 7]].mean(axis=(1, 2)) / 4095 * 255, atol=3)


def test_tags_that_are_asked_for(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    common = ["prepare", str(folder), "--image-size", "8"]
    assert run([*common, "-o", str(tmp_path / "a"), "--dicom-tag", "StudyDescription"]) == 0
    table = pd.read_csv(tmp_path / "a" / "table.csv")
    assert (table["StudyDescription"] == "SECRETStudyDes").all()
    assert b"SECRETStudyCom" not in (tmp_path / "a" / "table.csv").read_bytes()
    for tag, said in (("StudyDescripton", "did you mean StudyDescription"), ("PixelData", "no text or number")):
        assert run([*common, "-o", str(tmp_path / "b"), "--dicom-tag", tag]) == 2
        assert said in "".join(capfd.readouterr())


def test_a_folder_without_table(folder: Path, tmp_path: Path) -> None:
    (folder / "labels.csv").unlink()
    table = dicom_table(folder)
    assert table["file"].is_monotonic_increasing
    assert len(table) == 8, "the report and the index hold no pixels"
    out = prepare_cohort(folder, tmp_path / "out", label="view_position", group="sex", image_size=8)
    prepared = pd.read_csv(out / "table.csv")
    assert prepared["image_id"].tolist() == table["image_id"].tolist()
    assert "file" not in prepared
    assert "file" not in dicom_table(folder, file_names=False)
    unseen = read_cohort(
        folder, group="sex", classes=("no", "yes"), groups=("female", "male"), image_size=8, cache=tmp_path
    )
    assert unseen.ids.tolist() == table["image_id"].tolist()
    assert unseen.group.tolist() == [{"female": 0, "male": 1}.get(s, -1) for s in table["sex"]]
    labels = table[["image_id"]].assign(finding="no")
    labels.to_csv(folder / "labels.csv", index=False)
    by_hash = pd.read_csv(prepare_cohort(folder, tmp_path / "p", image_size=8) / "table.csv")
    assert by_hash["image_id"].tolist() == table["image_id"].tolist()
    assert by_hash["age"].notna().sum() == table["age"].notna().sum() > 0


def test_other_images_beside_are_left_alone(folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (9, 9), (1, 2, 3)).save(folder / "photo.png")
    pd.DataFrame({"file": ["photo.png"], "finding": ["no"]}).to_csv(folder / "labels.csv", index=False)
    table = pd.read_csv(prepare_cohort(folder, tmp_path / "out", image_size=8) / "table.csv")
    assert table.to_dict("records") == [{"file": "photo.png", "finding": "no"}]


def test_keys_depend_on_the_salt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = dicom_table(folder)
    pd.testing.assert_frame_equal(plain, dicom_table(folder, salt="everygroup"))
    own = dicom_table(folder, salt="a long secret")
    assert not set(plain["patient_key"]) & set(own["patient_key"])
    assert not set(plain["image_id"]) & set(own["image_id"])
    monkeypatch.setenv(SALT_VARIABLE, "a long secret")
    pd.testing.assert_frame_equal(own, dicom_table(folder))
    assert plain["patient_key"].str.fullmatch("p[0-9a-f]{20}").all()


def test_a_zip_is_a_folder(folder: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "scans.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    pd.testing.assert_frame_equal(dicom_table(tmp_path / "scans.zip"), dicom_table(folder))


def test_burnt_in_text_is_told(tmp_path: Path) -> None:
    for number in range(3):
        marks = "YES" if number else "NO"
        (tmp_path / f"{number}.dcm").write_bytes(encoded(patient(number, PIXELS[number], BurnedInAnnotation=marks)))
    dicom_table(tmp_path)
    assert any("2 of 3 DICOM files say that text is burnt" in w for w in recorded_warnings())


def test_defects(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="holds no DICOM files"):
        dicom_table(tmp_path.joinpath("empty").mkdir() or tmp_path / "empty")
    with pytest.raises(SettingsError, match="there is no such tag"):
        dicom_table(folder, tags=["Nonsense"])
    copy = folder / "copy.dcm"
    copy.write_bytes(next(folder.glob("series/1*")).read_bytes())
    with pytest.raises(CohortError, match="hold the same image"):
        dicom_table(folder)
    copy.write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 50)
    assert dicom_table(folder)["image_id"].is_unique, "a damaged file keeps its row"
    (folder / "labels.csv").unlink()
    with pytest.raises(ImageError, match="1 of 9 images cannot be used"):
        prepare_cohort(folder, tmp_path / "out", image_size=8)


AGES_WRITTEN = {
    **{"045Y": 45, "000Y": 0, "018M": 1.5, "052W": 0.9966, "365D": 0.9993, "45": 45, "042": 42, "42Y": 42, "45 Y": 45},
    **{"42.5Y": 42.5, "045y": 45, "89+": "89+", "": None, "999Y": None, "1042Y": None, "old": None, "adult": None},
}


def test_ages_and_sexes_of_any_spelling(tmp_path: Path) -> None:
    clear_warnings()
    sexes = dict(zip(AGES_WRITTEN, ["M", "F", "O", "m", "U", "", "female", "X"], strict=False))
    for number, text in enumerate(AGES_WRITTEN):
        content = encoded(patient(number % 8, PIXELS[number % 8], PatientAge="045Y", PatientSex="F"))
        for kind, right, written in ((b"AS", b"045Y", text), (b"CS", b"F ", sexes.get(text, "F"))):
            wrong = written.encode() + b" " * (len(written) % 2)  # as files have it, and pydicom would not write
            head, length = b"\x10\x00" + (b"\x10\x10" if kind == b"AS" else b"\x40\x00") + kind, len(wrong)
            right = head + len(right).to_bytes(2, "little") + right
            assert content.count(right) == 1
            content = content.replace(right, head + length.to_bytes(2, "little") + wrong)
        (tmp_path / f"{number:02d}.dcm").write_bytes(content)
    table = dicom_table(tmp_path)
    for (text, years), found in zip(AGES_WRITTEN.items(), table["age"], strict=True):
        if isinstance(years, str) or years is None:
            assert found == years or pd.isna(found), text
        else:
            assert found == pytest.approx(years, abs=1e-4), text
    assert table["age"].tolist()[list(AGES_WRITTEN).index("89+")] == "89+"
    assert table["sex"].iloc[:8].fillna("").tolist() == ["male", "female", "other", "male", "", "", "female", ""]
    said = " ".join(recorded_warnings())
    assert "2 of 17 DICOM files give ages that cannot be (placeholders): they count as missing (the first '999" in said
    assert "2 of 17 DICOM files give an age that cannot be read: it counts as missing (the first 'old')" in said
    assert "2 of 17 DICOM files give a sex that is none of M, F and O: it counts as missing (the first 'U')" in said


def test_a_column_of_ages_stays_one_of_numbers(folder: Path) -> None:
    assert dicom_table(folder)["age"].dtype == float


def test_other_columns_that_lead_to_files_are_left_out(
    folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    known = pd.read_csv(tmp_path / "known.csv")
    uids = [str(generate_uid()) for _ in known["uid"]]
    labels = known[["file", "finding"]].assign(
        bare=known["uid"],
        study_uid=uids,
        path=["scans/" + f for f in known["file"]],
        prior=[known["file"][0]] + [None] * 7,
    )
    labels = labels.assign(grade=range(8), version="1.2.0.4.1", room="7", visit=uids[::-1])
    labels.to_csv(folder / "labels.csv", index=False)
    out = prepare_cohort(folder, tmp_path / "out", label="finding", split_by="visit", image_size=8)
    table = pd.read_csv(out / "table.csv", dtype=str)
    assert {"file", "bare", "study_uid", "path", "prior"}.isdisjoint(table.columns)
    assert {"finding", "grade", "version", "room", "visit"} <= set(table.columns)
    assert "bare, study_uid, path, prior" in capfd.readouterr().err
    assert not any(uid in (out / "table.csv").read_text() for uid in known["uid"])
    kept = prepare_cohort(folder, tmp_path / "kept", image_size=8, id_column="bare", image_column="file")
    columns = pd.read_csv(kept / "table.csv").columns
    assert {"bare", "file"} <= set(columns) and "path" not in columns
