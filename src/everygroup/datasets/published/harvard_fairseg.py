"""Harvard-FairSeg: scanning laser fundus images of 10,000 patients with masks of disc and cup (Tian et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._harvard import ATTRIBUTES, GLAUCOMA, UNKNOWN_IS_MISSING, read_harvard
from everygroup.datasets.published._registry import register


@register
class HarvardFairSeg(Adapter):
    """One npz file a patient with the image and its mask; data_summary.csv under ReadMe."""

    info = DataSetInfo(
        name="harvard_fairseg",
        title="Harvard-FairSeg",
        modality="scanning laser ophthalmoscopy",
        task="outlines of optic disc and cup; glaucoma where the table has it",
        citation="Tian, Shi, Luo, Kouhana, Elze, Wang. FairSeg: a large-scale medical image segmentation dataset for "
        "fairness learning using Segment Anything model with fair error-bound scaling. ICLR 2024",
        licence="CC BY-NC-ND 4.0",
        access="registration: ophai.hms.harvard.edu",
        files=("ReadMe/data_summary.csv", "data_00001.npz, ... with slo_fundus, disc_cup_mask and attributes"),
        attributes=ATTRIBUTES,
        unit="image_id",
        n_images=10000,
        defects=(
            UNKNOWN_IS_MISSING,
            "Sex is coded 0 female, 1 male, against PAPILA (0 male).",
            "The set is one of outlines: the column `mask` names the array (0 is background, other values are rim and "
            "cup). The glaucoma label is not in every copy of the table.",
        ),
        doubtful=True,
    )
    label_maps = (GLAUCOMA,)

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        found = read_harvard(folder, mask="disc_cup_mask", column_map=column_map)
        if found.table["glaucoma"].isna().all():
            note = "the table has no glaucoma labels: only the masks are a reference here"
            return replace(found, notes=(*found.notes, note))
        return found
