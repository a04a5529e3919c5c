"""MILK10k: 5,240 lesions, each with a clinical and a dermoscopic image, in eleven classes (ISIC challenge 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
from everygroup.errors import CohortError

_LESIONS = {
    "AKIEC": 303,
    "BCC": 2522,
    "BEN_OTH": 44,
    "BKL": 544,
    "DF": 52,
    "INF": 50,
    "MAL_OTH": 9,
    "MEL": 450,
    "NV": 746,
    "SCCKA": 473,
    "VASC": 47,
}
_MALIGNANT = ("AKIEC", "BCC", "MAL_OTH", "MEL", "SCCKA")
_FACTS = ("lesion_id", "image_type", "isic_id", "age_approx", "sex", "skin_tone_class", "site")


@register
class Milk10k(Adapter):
    """The training part of the challenge."""

    info = DataSetInfo(
        name="milk10k",
        title="MILK10k",
        modality="clinical close-ups and dermoscopy, in pairs",
        task="eleven classes of skin lesions",
        citation="MILK study team. MILK10k. ISIC Archive, 2025, doi:10.34970/648456",
        licence="CC BY-NC 4.0",
        access="open: challenge.isic-archive.com, MILK10k",
        files=(
            "MILK10k_Training_Metadata.csv, MILK10k_Training_GroundTruth.csv",
            "if wanted: MILK10k_Training_Supplement.csv",
            "images in any folder below, named <isic_id>.jpg",
        ),
        attributes={
            "age": "years, in steps of 5 (age_approx)",
            "sex": "female, male",
            "skin_tone_class": "0 (darkest) to 5 (lightest)",
            "site": "body site",
        },
        unit="lesion_id",
        n_images=10480,
        counts={  # two images a lesion
            "diagnosis": {name: 2 * n for name, n in _LESIONS.items()},
            "sex": {"male": 2 * 3152, "female": 2 * 2088},
            "skin_tone_class": {"0": 12, "1": 210, "2": 1012, "3": 6348, "4": 2132, "5": 766},
            "image_type": {"clinical: close-up": 5240, "dermoscopic": 5240},
        },
        defects=(
            "Two images of one lesion show two modalities: keep one with --leave-out 'image_type=dermoscopic' or "
            "'image_type=clinical: close-up', or else split by lesion_id.",
            "Skin tone class 0, the darkest, has 6 lesions, and MAL_OTH 9: too few to test.",
            "That 0 is the darkest tone was not confirmed on the images.",
        ),
    )
    label_maps = (
        LabelMap("eleven", 1, "diagnosis", {c: c for c in _LESIONS}, "the challenge's classes"),
        LabelMap(
            "malignant",
            1,
            "diagnosis",
            {c: "malignant" if c in _MALIGNANT else "benign" for c in _LESIONS},
            "AKIEC, partly pre-malignant, and SCCKA, which holds keratoacanthomas, count as malignant",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table, one row an image; see `Adapter.read`."""
        path = find_file(folder, "MILK10k_Training_Metadata.csv")
        facts = read_source(path, needs=_FACTS, text=["isic_id", "lesion_id"], column_map=column_map)
        check_ids(path, facts["isic_id"], "isic_id")
        truth_path = find_file(folder, "MILK10k_Training_GroundTruth.csv")
        truth = read_source(truth_path, needs=["lesion_id", *_LESIONS], text=["lesion_id"], column_map=column_map)
        diagnosis = truth[["lesion_id"]].assign(diagnosis=from_one_hot(truth, list(_LESIONS), where=str(truth_path)))
        table, without = join(facts, diagnosis, on="lesion_id", path=truth_path)
        if without:
            raise CohortError(
                f"{truth_path}: has no row for the lesion of {without} images of {path.name}.",
                fix="take both tables from one release",
            )
        if has_file(folder, "MILK10k_Training_Supplement.csv"):
            more_path = find_file(folder, "MILK10k_Training_Supplement.csv")
            more = read_source(more_path, needs=["isic_id"], text=["isic_id"], column_map=column_map)
            table, _ = join(table, more, on="isic_id", path=more_path)
        age, impossible = years(table["age_approx"])
        tidy = table.drop(columns="age_approx").assign(
            image_id=table["isic_id"],
            image=table["isic_id"],
            age=age,
            sex=recode(table["sex"], SEX, column="sex", where=str(path)),
            skin_tone_class=categories(table["skin_tone_class"]),
            site=categories(table["site"]),
        )
        notes = (f"{impossible} impossible ages count as missing",) if impossible else ()
        return Published(tidy, path, folder, notes)
