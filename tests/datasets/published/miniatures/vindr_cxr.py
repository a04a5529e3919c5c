"""VinDr-CXR as downloaded: three readers an image in the training table, one consensus in the test table, DICOM."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FINDINGS = (
    "Aortic enlargement",
    "Atelectasis",
    "Calcification",
    "Cardiomegaly",
    "Clavicle fracture",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Enlarged PA",
    "ILD",
    "Infiltration",
    "Lung Opacity",
    "Lung cavity",
    "Lung cyst",
    "Mediastinal shift",
    "Nodule/Mass",
    "Pleural effusion",
    "Pleural thickening",
    "Pneumothorax",
    "Pulmonary fibrosis",
    "Rib fracture",
    "Other lesion",
    "COPD",
    "Lung tumor",
    "Pneumonia",
    "Tuberculosis",
)
TAGS = (("M", "054Y"), ("F", "061Y"), ("O", ""), ("", "000Y"), ("F", "011M"), ("M", "047Y"))


def build(folder: Path) -> None:
    """Draw the published layout into an empty folder."""
    pytest.importorskip("pydicom", reason="DICOM files are drawn with pydicom")
    rng = np.random.default_rng(0)
    train, test = [], []
    for k in range(12):
        name, split = f"{k:032x}", "test" if k >= 8 else "train"
        write_dicom(folder / split / f"{name}.dicom", rng, *TAGS[k % len(TAGS)])
        for reader in range(1 if split == "test" else 3):
            # image k: each finding by as many of the three readers as its position says
            said = {f: int(k % 3 > 0 and reader < (k + j) % 4) for j, f in enumerate(FINDINGS)}
            row = {"image_id": name, "rad_id": f"R{reader + 1}", **said}
            healthy = {"No finding": int(k % 3 == 0)}
            if split == "test":
                row.pop("rad_id")
                test.append({**row, "Other diseases": 0, **healthy})
            else:
                train.append({**row, "Other disease": 0, **healthy})
    (folder / "annotations").mkdir()
    pd.DataFrame(train).to_csv(folder / "annotations" / "image_labels_train.csv", index=False)
    pd.DataFrame(test).to_csv(folder / "annotations" / "image_labels_test.csv", index=False)


def write_dicom(path: Path, rng: np.random.Generator, sex: str, age: str) -> None:
    """Write a grey image of 6 x 6 pixels with two tags."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    image.PatientSex, image.PatientAge = sex, age
    image.Rows = image.Columns = 6
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit, image.PixelRepresentation = 15, 0
    image.PixelData = rng.integers(0, 4096, (6, 6), dtype=np.uint16).tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
