"""TUSC: ultrasound cine clips of 192 thyroid nodules of 167 patients, with outlines and pathology (Stanford, 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._ages import ages
from everygroup.datasets.published._coding import SEX, categories, find_file, read_source, recode
from everygroup.datasets.published._registry import register
from everygroup.errors import CohortError
from everygroup.imaging.arrays import DAMAGED, open_hdf5

_NEEDS = ("annot_id", "age", "sex", "histopath_diagnosis", "ti-rads_level")


@register
class Tusc(Adapter):
    """metadata.csv with one row a nodule, dataset.hdf5 with the frames of all clips."""

    info = DataSetInfo(
        name="tusc",
        title="Thyroid Ultrasound Cine-clip (TUSC)",
        modality="ultrasound",
        task="thyroid nodules: benign or malignant by pathology, TI-RADS level",
        citation="Stanford AIMI. Thyroid Ultrasound Cine-clip, doi:10.71718/7m5n-rh16; Yamashita, Kapoor, Alam et al. "
        "Toward reduction in false-positive thyroid nodule biopsies with a deep learning-based risk stratification "
        "system using ultrasound cine-clip images. Radiology: Artificial Intelligence 4, e210174 (2022)",
        licence="Stanford University Dataset Research Use Agreement",
        access="registration: Stanford AIMI",
        files=("metadata.csv", "dataset.hdf5 with image, mask and annot_id by frame"),
        attributes={"age": "years", "sex": "female, male"},
        unit="patient_id",
        n_images=17412,
        defects=(
            "A clip has about a hundred frames that look nearly alike: they are no independent samples. Split by "
            "patient_id, and expect intervals to be wider than the number of images suggests.",
            "The part of annot_id before '_' is taken for the patient; some patients have two nodules.",
            "Malignant nodules are few (about 1 in 10), all were biopsied.",
            "The column `mask` names the outlines of the nodule.",
        ),
        doubtful=True,
    )
    label_maps = (
        LabelMap(
            "malignant",
            1,
            "histopath_diagnosis",
            {"0": "benign", "1": "malignant", "benign": "benign", "malignant": "malignant"},
            "pathology of the nodule, for each of its frames",
        ),
        LabelMap(
            "tirads",
            1,
            "ti-rads_level",
            {"1": "level 1 to 3", "2": "level 1 to 3", "3": "level 1 to 3", "4": "level 4 to 5", "5": "level 4 to 5"},
            "level 4 or more against less, as read by radiologists: no diagnosis",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "metadata.csv", "meta.csv")
        nodules = read_source(path, needs=_NEEDS, text=["annot_id"], column_map=column_map)
        check_ids(path, nodules["annot_id"], "annot_id")
        frames = find_file(folder, "dataset.hdf5", "*.hdf5", "*.h5")
        table = pd.DataFrame({"annot_id": _clips(frames)})
        unknown = sorted(set(table["annot_id"]) - set(nodules["annot_id"]))
        if unknown:
            raise CohortError(
                f"{path}: has no row for the clip {unknown[0]!r} of {frames.name} ({len(unknown)} such clips).",
                fix="give the table and the frames of one release",
            )
        age, notes = ages(nodules["age"])
        coded = nodules.assign(
            age=age,
            sex=recode(nodules["sex"], SEX, column="sex", where=str(path)),
            patient_id=categories(nodules["annot_id"].str.partition("_")[0]),
        )
        table = table.merge(coded, on="annot_id", how="left", validate="many_to_one")
        within = frames.relative_to(folder).as_posix()
        number = range(len(table))
        table = table.assign(
            image_id=[f"{clip.rstrip('_')}_frame{k:05d}" for k, clip in zip(number, table["annot_id"], strict=True)],
            image=[f"{within}#image[{k}]" for k in number],
            mask=[f"{within}#mask[{k}]" for k in number],
        )
        return Published(table, path, folder, notes)


def _clips(path: Path) -> list[str]:
    """Return the clip of every frame; no frame is read."""
    try:
        with open_hdf5(path) as held:
            if lacking := [key for key in ("annot_id", "image") if key not in held]:
                raise CohortError(f"{path}: holds no {' and no '.join(lacking)}, only {', '.join(held)}.")
            clips = held["annot_id"][()]
            if len(clips) != held["image"].shape[0]:
                raise CohortError(f"{path}: {len(clips)} annot_id for {held['image'].shape[0]} images.")
    except DAMAGED as error:
        raise CohortError(f"{path}: cannot be read ({error}).", fix="download the file again") from error
    return [clip.decode() if isinstance(clip, bytes) else str(clip) for clip in clips]
