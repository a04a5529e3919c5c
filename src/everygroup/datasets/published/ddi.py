"""DDI, Diverse Dermatology Images: 656 biopsied lesions on three ranges of skin tone (Daneshjou et al. 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._coding import categories, find_file, read_source
from everygroup.datasets.published._registry import register

_FIRST_RELEASE = "malignancy(malig=1)"


@register
class Ddi(Adapter):
    """Made to evaluate models, not to train them."""

    info = DataSetInfo(
        name="ddi",
        title="DDI (Diverse Dermatology Images)",
        modality="clinical photographs",
        task="malignant or benign, proven by biopsy",
        citation="Daneshjou et al. Disparities in dermatology AI performance on a diverse, curated clinical image set. "
        "Science Advances 8, eabq6147 (2022)",
        licence="Stanford University dataset research use agreement: no redistribution, no commercial use",
        access="registration: Stanford AIMI, ddi-dataset.github.io",
        files=("ddi_metadata.csv", "<DDI_file>, such as 000001.png, in the same folder or any below"),
        attributes={"skin_tone": "12, 34 or 56: Fitzpatrick types I-II, III-IV, V-VI"},
        unit="image_id",
        n_images=656,
        counts={"skin_tone": {"12": 208, "34": 241, "56": 207}, "malignant": {"True": 171, "False": 485}},
        defects=(
            "Types I-II and V-VI were matched by diagnosis, age, sex and date; III-IV were not: the usual comparison "
            "is 12 with 56.",
            "There is no patient in the table; 656 images come from fewer patients.",
            "656 images are for evaluation: a network trained on them has seen very little.",
        ),
    )
    label_maps = (
        LabelMap(
            "malignant",
            1,
            "malignant",
            {"True": "malignant", "False": "benign", "1": "malignant", "0": "benign"},
            "the authors'; 78 diseases stand in the column disease",
        ),
    )

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "ddi_metadata.csv")
        names = {_FIRST_RELEASE: "malignant", **(column_map or {})}
        table = read_source(
            path, needs=["DDI_file", "skin_tone", "malignant", "disease"], text=["DDI_file"], column_map=names
        )
        check_ids(path, table["DDI_file"], "DDI_file")
        unnamed = [c for c in table.columns if not c or c.startswith("Unnamed")]  # the row number of the authors' table
        tidy = table.drop(columns=unnamed).assign(
            image_id=[Path(name).stem for name in table["DDI_file"]],
            image=table["DDI_file"],
            skin_tone=categories(table["skin_tone"]),
            malignant=categories(table["malignant"]),
        )
        return Published(tidy, path, folder)
