"""DermaMNIST: the images of HAM10000 at 28 to 224 pixels, without attributes (Yang et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._medmnist import read_medmnist
from everygroup.datasets.published._registry import register

_CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")  # in the order of MedMNIST's indices


@register
class DermaMnist(Adapter):
    """For trying out networks: nothing is known of the patients."""

    info = DataSetInfo(
        name="dermamnist",
        title="DermaMNIST (MedMNIST)",
        modality="dermoscopy",
        task="seven classes of pigmented lesions",
        citation="Yang et al. MedMNIST v2: a large-scale lightweight benchmark for 2D and 3D biomedical image "
        "classification. Scientific Data 10, 41 (2023)",
        licence="CC BY-NC 4.0",
        access="open: Zenodo, doi:10.5281/zenodo.10519652",
        files=("dermamnist.npz, or dermamnist_64.npz, dermamnist_128.npz, dermamnist_224.npz",),
        attributes={},
        unit="image_id",
        n_images=10015,
        counts={"split": {"train": 7007, "val": 1003, "test": 2005}},
        defects=(
            "There is no age, sex or skin type: groups cannot be compared.",
            "There is no lesion either, and the official split was made by image: images of one lesion of HAM10000 "
            "lie in several parts of it (Abhishek, Jain, Hamarneh 2025). Prefer ham10000.",
        ),
    )
    label_maps = (
        LabelMap(
            "seven", 1, "class_index", {str(k): c for k, c in enumerate(_CLASSES)}, "MedMNIST's, by HAM10000's codes"
        ),
        LabelMap(
            "malignant",
            1,
            "class_index",
            {str(k): "malignant" if c in ("mel", "bcc", "akiec") else "benign" for k, c in enumerate(_CLASSES)},
            "as the map of this name of ham10000",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the table, with the official split as the column `split`; see `Adapter.read`."""
        return read_medmnist(folder, self.info.name)
