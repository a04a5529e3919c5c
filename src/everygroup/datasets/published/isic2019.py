"""ISIC 2019: 25,331 dermoscopic training images in eight classes, and the test part with its ninth, unknown one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import (
    SEX,
    categories,
    find_file,
    from_one_hot,
    has_file,
    join,
    read_source,
    recode,
    years,
)
from everygroup.datasets.published._registry import register

_CLASSES = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
_ATTRIBUTES = ("age_approx", "sex", "anatom_site_general")


def _malignant(*malignant: str) -> dict[str, str | None]:
    rule: dict[str, str | None] = {c: "malignant" if c in malignant else "benign" for c in _CLASSES}
    return {**rule, "UNK": None}


@register
class Isic2019(Adapter):
    """The challenge's training part; its test part too where its tables lie in the same folder."""

    info = DataSetInfo(
        name="isic2019",
        title="ISIC 2019",
        modality="dermoscopy",
        task="eight classes of skin lesions (the test part: a ninth, unknown)",
        citation="Tschandl et al. Scientific Data 5, 180161 (2018); Codella et al. ISBI 2018, arXiv:1710.05006; "
        "Combalia et al. BCN20000, arXiv:1908.02288",
        licence="CC BY-NC 4.0",
        access="open: challenge.isic-archive.com, 2019",
        files=(
            "ISIC_2019_Training_GroundTruth.csv, ISIC_2019_Training_Metadata.csv",
            "ISIC_2019_Training_Input/<image>.jpg",
            "if wanted: ISIC_2019_Test_GroundTruth.csv, ISIC_2019_Test_Metadata.csv, ISIC_2019_Test_Input/<image>.jpg",
        ),
        attributes={
            "age": "years, in steps of 5 (age_approx)",
            "sex": "female, male",
            "anatom_site_general": "body site",
        },
        unit="lesion_id",
        n_images=25331,
        counts={
            "diagnosis": {
                "MEL": 4522,
                "NV": 12875,
                "BCC": 3323,
                "AK": 867,
                "BKL": 2624,
                "DF": 239,
                "VASC": 253,
                "SCC": 628,
            },
        },
        defects=(
            "lesion_id is blank for 2,084 training images and for all of the test part: each counts as a lesion of "
            "its own, although some may not be.",
            "About half of the images that a random split puts into the test part share a lesion with training: split "
            "by lesion_id.",
            "The training images include those of HAM10000: do not train on one and test on the other.",
            "Part of the image ids end in _downsampled; that is part of the id.",
        ),
    )
    label_maps = (
        LabelMap("eight", 1, "diagnosis", {**{c: c for c in _CLASSES}, "UNK": None}, "the challenge's, without UNK"),
        LabelMap(
            "malignant",
            1,
            "diagnosis",
            _malignant("MEL", "BCC", "SCC", "AK"),
            "actinic keratosis, which is pre-malignant, counts as malignant (akiec in HAM10000); UNK is left out",
        ),
        LabelMap(
            "malignant_without_ak",
            1,
            "diagnosis",
            _malignant("MEL", "BCC", "SCC"),
            "melanoma, basal cell and squamous cell carcinoma; actinic keratosis counts as benign; UNK is left out",
        ),
        LabelMap("nine", 1, "diagnosis", {c: c for c in (*_CLASSES, "UNK")}, "UNK stands in the test part only"),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table, the column `split` saying training or test; see `Adapter.read`."""
        path = find_file(folder, "ISIC_2019_Training_GroundTruth.csv")
        parts, notes = [], []
        for part in ("Training", "Test"):
            if not has_file(folder, f"ISIC_2019_{part}_GroundTruth.csv"):
                continue
            table, n_unknown, n_impossible = self._part(folder, part, column_map)
            parts.append(table)
            if n_unknown:
                notes.append(
                    f"{n_unknown} {part.lower()} images have no row in the metadata: their attributes are missing"
                )
            if n_impossible:
                notes.append(f"{n_impossible} impossible ages count as missing")
        table = pd.concat(parts, ignore_index=True)
        blank = int(table["lesion_id"].isna().sum())
        if blank:
            notes.append(f"{blank} images have no lesion_id; each counts as a lesion of its own")
        check_ids(path, table["image_id"], "image")
        return Published(table, path, folder, tuple(notes))

    def _part(self, folder: Path, part: str, column_map: Mapping[str, str] | None) -> tuple[pd.DataFrame, int, int]:
        path = find_file(folder, f"ISIC_2019_{part}_GroundTruth.csv")
        truth = read_source(path, needs=["image", *_CLASSES, "UNK"], text=["image"], column_map=column_map)
        facts_path = find_file(folder, f"ISIC_2019_{part}_Metadata.csv")
        lesion = ["lesion_id"] if part == "Training" else []
        facts = read_source(
            facts_path, needs=["image", *_ATTRIBUTES, *lesion], text=["image", "lesion_id"], column_map=column_map
        )
        table, n_unknown = join(truth, facts, on="image", path=facts_path)
        age, n_impossible = years(table["age_approx"])
        tidy = pd.DataFrame(
            {
                "image_id": table["image"],
                "image": table["image"],
                "diagnosis": from_one_hot(table, [*_CLASSES, "UNK"], where=str(path)),
                "age": age,
                "sex": recode(table["sex"], SEX, column="sex", where=str(facts_path)),
                "anatom_site_general": categories(table["anatom_site_general"]),
                "lesion_id": categories(table["lesion_id"]) if "lesion_id" in table else None,
                "split": part.lower(),
            }
        )
        rest = [c for c in table.columns if c not in {"image", *_CLASSES, "UNK", *_ATTRIBUTES, "lesion_id"}]
        return tidy.join(table[rest]), n_unknown, n_impossible
