"""The published sets, where they are: counts as documented, pixels as stored, opened at once."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everygroup.datasets.reader import read_cohort

DATA = Path(os.environ.get("EVERYGROUP_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYGROUP_CACHE", str(tmp_path / "cache"))


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
