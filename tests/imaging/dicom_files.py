"""Miniature DICOM files, written by pydicom for the tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def dicom(pixels: np.ndarray | None, *, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> Dataset:
    """A data set whose header fits the pixels, (H, W), (N, H, W) with NumberOfFrames, or colours as last axis."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = syntax
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = tags.pop("SOPInstanceUID", None) or generate_uid()
    if pixels is not None:
        colour = tags.get("PhotometricInterpretation", "MONOCHROME2") in ("RGB", "YBR_FULL", "YBR_FULL_422")
        shape = pixels.shape[:-1] if colour else pixels.shape
        ds.Rows, ds.Columns = shape[-2:]
        ds.SamplesPerPixel = 3 if colour else 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.BitsAllocated = ds.BitsStored = 8 * pixels.dtype.itemsize
        ds.PixelRepresentation = int(pixels.dtype.kind == "i")
        if colour:
            ds.PlanarConfiguration = 0
        if len(shape) == 3:
            ds.NumberOfFrames = shape[0]
        ds.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for name, value in tags.items():
        setattr(ds, name, value)
    if "BitsStored" in ds:
        ds.HighBit = ds.BitsStored - 1
    return ds


def encoded(ds: Dataset) -> bytes:
    """The file as bytes."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, ds, enforce_file_format=True)
    return stream.getvalue()


def lookup(first: int, values: np.ndarray, bits: int) -> Dataset:
    """An item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new(0x00283002, "SS" if first < 0 else "US", [len(values), first, bits])
    item.add_new(0x00283006, "OW", values.astype("<u2").tobytes())
    return item
