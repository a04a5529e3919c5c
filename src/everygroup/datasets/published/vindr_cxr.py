"""VinDr-CXR: 18,000 frontal chest X-rays from two hospitals in Hanoi, read by radiologists (Nguyen et al. 2022)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from everygroup.console import progress
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, find_file, read_source, recode
from everygroup.datasets.published._findings import HEALTHY, column_of
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError

_FINDINGS = (
    "Aortic enlargement",
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "ILD",
    "Infiltration",
    "Nodule/Mass",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
    "Lung tumor",
    "Pneumonia",
    "Tuberculosis",
)
_NO_FINDING = "No finding"
_READERS = 5  # at most; three of a training image, and the one consensus of a test image
_TAGS = ("PatientSex", "PatientAge")
_SUFFIXES = (".dicom", ".dcm", ".png", ".jpg", ".jpeg")


def _votes_map(name: str, column: str, share: float, classes: tuple[str, str], note: str) -> LabelMap:
    """Return the map of '2/3' (two of three readers) to the second class where more than `share` of them say so."""
    votes = [(k, n) for n in range(1, _READERS + 1) for k in range(n + 1)]
    said = {f"{k}/{n}": classes[k / n > share] for k, n in votes}
    healthy_first = sorted(said.items(), key=lambda vote: vote[1] not in ("absent", HEALTHY))
    return LabelMap(name, 1, column, dict(healthy_first), note)


def _maps() -> tuple[LabelMap, ...]:
    healthy = "most readers say 'No finding', against any other; in the test part their consensus"
    maps = [_votes_map("finding", column_of(_NO_FINDING), 0.5, ("finding", HEALTHY), healthy)]
    for finding in _FINDINGS:
        name, classes = column_of(finding), ("absent", "present")
        maps.append(_votes_map(name, name, 0.5, classes, "most of the readers; in the test part their consensus"))
        maps.append(_votes_map(f"{name}_any", name, 0.0, classes, "at least one of the readers"))
    return tuple(maps)


@register
class VinDrCxr(Adapter):
    """Global labels of every reader; sex and age stand only in the DICOM files' tags."""

    info = DataSetInfo(
        name="vindr_cxr",
        title="VinDr-CXR",
        modality="chest X-ray",
        task="22 local and 6 global labels, by three radiologists an image (training) or a consensus (test)",
        citation="Nguyen, Lam, Le, et al. VinDr-CXR: an open dataset of chest X-rays with radiologist's annotations. "
        "Scientific Data 9, 429 (2022)",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        access="credentialed: PhysioNet, physionet.org/content/vindr-cxr",
        files=(
            "annotations/image_labels_train.csv and annotations/image_labels_test.csv",
            "train/<image_id>.dicom and test/<image_id>.dicom (tags are read with pydicom)",
        ),
        attributes={
            "sex": "female, male, other (O), from the tag PatientSex; blank is missing",
            "age": "years, from the tag PatientAge; blank, 0 and impossible ones are missing",
        },
        unit="image_id",
        n_images=18000,
        counts={"split": {"train": 15000, "test": 3000}},
        defects=(
            "Sex and age stand only in DICOM tags, and are blank in many files: look at the numbers of missing ones. "
            "Images converted to PNG have lost them.",
            "There is no patient identifier: that no patient stands on two sides of a split cannot be ensured.",
            "Three readers of a training image disagree often; the columns say how many of them, such as '2/3', and "
            "the label maps take the majority or any. Test images have a consensus of five, written '1/1' or '0/1'.",
            "'No finding' is positive for the healthy; the classes are named 'no finding' and 'finding'.",
        ),
    )
    label_maps = _maps()

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "image_labels_train.csv", "image_labels_test.csv")
        parts = [_votes(path, column_map)]
        test = path.parent / "image_labels_test.csv"
        if test.is_file() and test != path:
            parts.append(_votes(test, column_map))
        table = pd.concat(parts, ignore_index=True)
        root = path.parent.parent if path.parent.name == "annotations" else path.parent
        place = [_file(root, split, name) for split, name in zip(table["split"], table["image_id"], strict=True)]
        table = table.assign(image=place)
        sexes, spans, notes = _tags(root, place)
        age, more = ages(spans, placeholder=0)
        sex = recode(sexes, SEX, column="PatientSex", where=f"{root}: DICOM tags")
        return Published(table.assign(sex=sex, age=age), path, root, (*notes, *more))


def _votes(path: Path, column_map: Mapping[str, str] | None) -> pd.DataFrame:
    """Return one row an image: how many of its readers named each finding."""
    table = read_source(path, needs=["image_id", *_FINDINGS, _NO_FINDING], text=["image_id"], column_map=column_map)
    table = table.rename(columns={"Other diseases": "Other disease"})  # as the training table calls it
    named = [c for c in table.columns if c not in ("image_id", "rad_id")]
    values = table[named].apply(pd.to_numeric, errors="coerce")
    bad = ~values.isin([0, 1]).all(axis=1).to_numpy()
    if bad.any():
        raise CohortError(
            f"{path}: row {int(bad.argmax()) + 2}: a label is neither 0 nor 1.", fix="give the table as distributed"
        )
    groups = values.groupby(table["image_id"], sort=False)
    readers, votes = groups.size(), groups.sum().astype(int)
    if readers.max() > _READERS:
        raise CohortError(
            f"{path}: image {readers.idxmax()} has {readers.max()} readers, not up to {_READERS}.",
            fix="give one row an image and reader",
        )
    said = votes.astype(str).apply(lambda column: column + "/" + readers.astype(str))
    said = said.rename(columns={c: column_of(c) for c in (*_FINDINGS, _NO_FINDING)}).reset_index()
    split = "test" if "test" in path.name else "train"
    return said.assign(image_id=said["image_id"].astype(str).astype(object), readers=readers.to_numpy(), split=split)


def _file(root: Path, split: str, name: str) -> str:
    return next(
        (f"{split}/{name}{s}" for s in _SUFFIXES if (root / split / f"{name}{s}").is_file()), f"{split}/{name}.dicom"
    )


def _tags(root: Path, files: Sequence[str]) -> tuple[list[str | None], list[str | None], tuple[str, ...]]:
    """Read sex and age from the files' headers; the pixels are left alone."""
    blank: list[str | None] = [None] * len(files)
    dicom = [name for name in files if Path(name).suffix in (".dicom", ".dcm") and (root / name).is_file()]
    if not dicom:
        return blank, blank, ("no DICOM file is there: sex and age, which stand only in its tags, are missing",)
    try:
        import pydicom
        from pydicom.errors import InvalidDicomError
    except ImportError:
        return (
            blank,
            blank,
            ("sex and age are missing: their DICOM tags are read with pip install 'everygroup[dicom]'",),
        )
    sexes, spans, here = dict.fromkeys(files), dict.fromkeys(files), 0
    with progress(len(dicom), "Reading DICOM tags") as advance, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of tags that break the standard: an age is judged by us
        for name in dicom:
            advance(1)
            try:
                header = pydicom.dcmread(root / name, stop_before_pixels=True, specific_tags=list(_TAGS))
                sexes[name], spans[name] = (re.sub(r"\s", "", str(header.get(tag) or "")) or None for tag in _TAGS)
            except (InvalidDicomError, OSError, EOFError, ValueError):  # a damaged file is told of when it is decoded
                continue
            here += 1
    notes = () if here == len(files) else (f"sex and age of {len(files) - here} images are missing: no DICOM header",)
    return list(sexes.values()), list(spans.values()), notes
