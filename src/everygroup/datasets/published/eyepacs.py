"""EyePACS, as in the Kaggle challenge of 2015: 35,126 fundus photographs graded for diabetic retinopathy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from everygroup.datasets._table import check_ids
from everygroup.datasets.published._adapter import Adapter, DataSetInfo, Published
from everygroup.datasets.published._coding import find_file, read_source, recode
from everygroup.datasets.published._image_files import locate
from everygroup.datasets.published._registry import register
from everygroup.datasets.published._retinopathy import any_retinopathy, grades, referable


@register
class EyePacs(Adapter):
    """trainLabels.csv and the photographs of the training part."""

    info = DataSetInfo(
        name="eyepacs",
        title="EyePACS (Kaggle diabetic retinopathy detection)",
        modality="colour fundus photography",
        task="diabetic retinopathy, five grades",
        citation="Kaggle: Diabetic Retinopathy Detection (2015); Cuadros, Bresnick. EyePACS: an adaptable telemedicine "
        "system for diabetic retinopathy screening. J Diabetes Sci Technol 3, 509-516 (2009)",
        licence="rules of the Kaggle competition",
        access="registration: Kaggle, diabetic-retinopathy-detection",
        files=("trainLabels.csv", "train/10_left.jpeg, train/10_right.jpeg, ..."),
        attributes={"eye": "left, right: of the image, no property of a patient"},
        unit="patient_id",
        n_images=35126,
        counts={"level": {"0": 25810, "1": 2443, "2": 5292, "3": 873, "4": 708}},
        defects=(
            "There are no demographics in the Kaggle release: no age, sex or race. The only attribute is which eye an "
            "image shows, which serves to try methods out and tells nothing of groups of patients.",
            "Both eyes of a patient are here (the number in the name): split by patient_id.",
            "Grades are by one reader and known to be noisy; many photographs are out of focus or under-exposed.",
        ),
    )
    label_maps = (referable("level"), any_retinopathy("level"), grades("level"))

    def read(self, folder: Path, *, column_map: Mapping[str, str] | None = None) -> Published:
        """Return the tidy table; see `Adapter.read`."""
        path = find_file(folder, "trainLabels.csv")
        table = read_source(path, needs=["image", "level"], text=["image"], column_map=column_map)
        check_ids(path, table["image"], "image")
        names = table["image"].str.removesuffix(".jpeg")
        images, files = locate(folder, [f"{name}.jpeg" for name in names], prefer=["train"])
        side = names.str.extract(r"_(left|right)$", expand=False)
        without = int(side.isna().sum())
        coded = table.assign(
            image_id=names,
            image=files,
            patient_id=names.str.extract(r"^(.+?)(?:_(?:left|right))?$", expand=False),
            eye=recode(side, {"left": "left", "right": "right"}, column="eye", where=str(path)),
        )
        notes = (f"{without} images do not say which eye they show",) if without else ()
        return Published(coded, path, images, notes)
