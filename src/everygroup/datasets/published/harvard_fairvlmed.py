"""Harvard-FairVLMed: scanning laser fundus images and clinical notes of 10,000 patients (Luo et al. 2024, FairCLIP)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._harvard import ATTRIBUTES, GLAUCOMA, UNKNOWN_IS_MISSING, read_harvard
from everygroup.datasets.published._registry import register


@register
class HarvardFairVlMed(Adapter):
    """data_summary.csv and one npz file a patient, in folders by use."""

    info = DataSetInfo(
        name="harvard_fairvlmed",
        title="Harvard-FairVLMed",
        modality="scanning laser ophthalmoscopy",
        task="glaucoma",
        citation="Luo, Shi, Khan, Afzal, Huang, Yuan, Tian, Song, Kouhana, Elze, Fang, Wang. FairCLIP: Harnessing "
        "fairness in vision-language learning. CVPR 2024",
        licence="CC BY-NC-ND 4.0",
        access="registration: ophai.hms.harvard.edu",
        files=(
            "data_summary.csv",
            "Training/data_00001.npz, Validation/..., Test/... with slo_fundus, attributes and note",
        ),
        attributes=ATTRIBUTES,
        unit="image_id",
        n_images=10000,
        counts={
            "sex": {"female": 5631, "male": 4369},
            "use": {"training": 7000, "validation": 1000, "test": 2000},
        },
        defects=(
            UNKNOWN_IS_MISSING,
            "Sex is coded 0 female, 1 male, against PAPILA (0 male).",
            "The clinical notes (note, gpt4_summary) mostly name the diagnosis: never use them as input.",
            "`use` is the set's own split; it is kept as a column.",
        ),
    )
    label_maps = (GLAUCOMA,)

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        return read_harvard(folder, column_map=column_map)
