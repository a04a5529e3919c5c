"""Harvard-GF: maps of the nerve fibre layer of 3,300 patients, balanced by race, for glaucoma (Luo et al. 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._harvard import ATTRIBUTES, GLAUCOMA, SLO, UNKNOWN_IS_MISSING, read_harvard
from everygroup.datasets.published._registry import register

_THICKNESS = "rnflt@0:350"  # micrometres, the range of the device's own colour scale


@register
class HarvardGf(Adapter):
    """One npz file a patient; the attributes stand in the files, in some copies also in a table."""

    info = DataSetInfo(
        name="harvard_gf",
        title="Harvard-GF",
        modality="optical coherence tomography (thickness map of the retinal nerve fibre layer)",
        task="glaucoma",
        citation="Luo, Tian, Shi, Pasquale, Shen, Zebardast, Elze, Wang. Harvard Glaucoma Fairness: a retinal nerve "
        "disease dataset for fairness learning and fair identity normalization. IEEE TMI 43, 2623-2633 (2024)",
        licence="CC BY-NC-ND 4.0",
        access="registration: ophai.hms.harvard.edu",
        files=("data_0001.npz, ... with rnflt (200 x 200), oct_bscans, glaucoma, md, tds, age, male, race, ...",),
        attributes=ATTRIBUTES,
        unit="image_id",
        n_images=3300,
        counts={"use": {"training": 2100, "validation": 300, "test": 900}},
        defects=(
            UNKNOWN_IS_MISSING,
            "Sex is coded 0 female, 1 male (key `male`), against PAPILA (0 male).",
            "Races were balanced by design: prevalence and shares are not those of a clinic.",
            "The image is the thickness map, 0 to 350 micrometres from black to white, clipped, for all patients "
            "alike; the OCT volume (oct_bscans) is not used.",
            "`use` is the set's own split where a table or folders tell of it; it is kept as a column.",
        ),
        doubtful=True,
    )
    label_maps = (GLAUCOMA,)

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        return read_harvard(folder, pictures=(_THICKNESS, SLO), column_map=column_map)
