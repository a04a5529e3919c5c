"""What is known of the five sets whose quality is measured: how to read them, published counts, known copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from common import data_folder

from everygroup import read_cohort
from everygroup.cohort import Cohort


@dataclass(frozen=True)
class Case:
    """One set.

    Attributes
    ----------
    name, title, folder : page, heading, folder below the data folder.
    options : arguments of `read_cohort`, and of the command on the page.
    counts : column -> value -> number of rows, as the set's publishers or its description say; "" is missing.
    n, n_units : images and patients or lesions.
    copies : pairs known from elsewhere to be copies, and from where.
    """

    name: str
    title: str
    folder: str
    options: Mapping[str, Any]
    counts: Mapping[str, Mapping[str, int]]
    n: int
    n_units: int
    copies: tuple[tuple[str, str], ...] = ()
    copies_from: str = ""
    images: str = "images.zip"
    bins: Mapping[str, str] = field(default_factory=dict)

    def read(self) -> Cohort:
        """Read the set at 128 pixels, or as it is stored."""
        folder = data_folder() / self.folder
        return read_cohort(folder, images=folder / self.images, bins=dict(self.bins), **self.options)

    @property
    def command(self) -> str:
        """The check that a user would run."""
        words = [f"everygroup check DATA/{self.folder}", f"--images DATA/{self.folder}/{self.images}"]
        words += [f"--{k.replace('_', '-')} {v}" for k, v in self.options.items()]
        return " ".join([*words, *(f"--bins {k}={v}" for k, v in self.bins.items()), "--page fingerprint.html"])

    def check(self, cohort: Cohort) -> list[str]:
        """Return what differs from the published counts; nothing should."""
        wrong = []
        if (len(cohort), len(set(cohort.units))) != (self.n, self.n_units):
            wrong.append(f"{len(cohort)} images of {len(set(cohort.units))} units, not {self.n} of {self.n_units}")
        for column, expected in self.counts.items():
            texts = cohort.table[column].astype(object).where(cohort.table[column].notna(), "")
            found = pd.Series([str(int(v)) if isinstance(v, float) else str(v) for v in texts]).value_counts()
            wrong += [
                f"{column} = {v!r}: {found.get(v, 0)}, not {k}" for v, k in expected.items() if found.get(v, 0) != k
            ]
        return wrong

    def known(self, cohort: Cohort) -> np.ndarray:
        """Return the known copies as positions (m, 2)."""
        at = {name: i for i, name in enumerate(cohort.ids.tolist())}
        return np.array([[at[a], at[b]] for a, b in self.copies], dtype=np.int64).reshape(-1, 2)


CASES = (
    Case(
        "ham10000",
        "HAM10000",
        "ham10000",
        {"label": "label", "group": "age", "split_by": "lesion_id"},
        {
            "label": {"nv": 6705, "mel": 1113, "bkl": 1099, "bcc": 514, "akiec": 327, "vasc": 142, "df": 115},
            "sex": {"male": 5406, "female": 4552, "": 57},
            "age": {"": 57, "0": 39},
            "localization": {"": 234},
        },
        10015,
        7470,
        (("ISIC_0024366", "ISIC_0029861"), ("ISIC_0024777", "ISIC_0029938")),
        "byte-equal files, found when the copy was made",
        bins={"age": "55"},
    ),
    Case(
        "fitzpatrick17k",
        "Fitzpatrick17k, subset",
        "fitzpatrick17k-subset-128",
        {"label": "three_partition_label", "group": "skin_type"},
        {
            "three_partition_label": {"malignant": 2111, "non-neoplastic": 1454, "benign": 522},
            "skin_type": {"1": 766, "2": 1361, "3": 805, "4": 579, "5": 299, "6": 133, "": 144},
            "skin_type_centaur": {"1": 1451, "2": 1006, "3": 707, "4": 360, "5": 227, "6": 110, "": 226},
            "origin": {"dermaamin": 3146},
        },
        4087,
        4087,
        (
            ("1cc5a0ffcaf2f370cd65f10eeeb7fddd", "9b82bbff48d88f3bea9d30cfd96606dc"),
            ("a027f129d0ed0d55f8c0c455d9de0035", "ba8e7927c71912e42cde00184b691376"),
            ("22f1d783dd6821defafcc915a8146c41", "5f567374f688120109c2bab349ff21cf"),
            ("771fff032a6c7854eb8509f5849e929e", "bf77bafaa320f244f2331ca466b96f50"),
            ("3554761709cc4906ab9db13e5e46aa25", "adb5b7253c21d274f9b1a793b01b84d2"),
        ),
        "listed by the set's authors in their repository (image_deduplication.ipynb), both images in the subset",
    ),
    Case(
        "pad-ufes-20",
        "PAD-UFES-20, subset",
        "pad-ufes-20-subset-128",
        {"label": "label", "group": "skin_type", "split_by": "patient_id"},
        {
            "label": {"BCC": 242, "NEV": 216, "ACK": 164, "SEK": 142, "MEL": 44, "SCC": 35},
            "sex": {"female": 283, "male": 228, "": 332},
            "skin_type": {"1": 53, "2": 283, "3": 141, "4": 29, "5": 4, "6": 1, "": 332},
        },
        843,
        657,
        (
            ("PAT_56_86_479", "PAT_56_88_274"),
            ("PAT_701_1321_156", "PAT_701_4056_457"),
            ("PAT_759_1433_914", "PAT_759_1538_566"),
        ),
        "seen when the copy was made",
    ),
    Case(
        "odir-5k",
        "ODIR-5K",
        "odir-5k-128",
        {"label": "label", "group": "sex", "split_by": "patient_id"},
        {
            "label": {"normal": 2873, "diabetes": 1608, "other": 708, "cataract": 293, "glaucoma": 284},
            "sex": {"male": 3424, "female": 2968, "": 0},
            "age": {"1": 28},
        },
        6392,
        3358,
    ),
    Case(
        "chestxray14",
        "ChestX-ray14, subset",
        "nih-chestxray14-subset-64",
        {"label": "label", "group": "sex", "split_by": "patient_id", "image_size": 64},
        {
            "label": {"finding": 501, "no finding": 499},
            "sex": {"female": 509, "male": 491, "": 0},
            "view": {"PA": 637, "AP": 363},
        },
        1000,
        264,
        images="images-64.npz",
    ),
)
