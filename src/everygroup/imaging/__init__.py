"""Reading images safely and preparing them once."""

from everygroup.imaging._fill import BadImage
from everygroup.imaging.duplicates import Duplicates, find_duplicates, units_with_duplicates
from everygroup.imaging.prepare import PreparedImages, open_prepared, prepare_images, store_key
from everygroup.imaging.read import DEFAULT_MAX_PIXELS, RESIZE_POLICIES, read_image, resize_image
from everygroup.imaging.sources import ImageSource, open_source

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "RESIZE_POLICIES",
    "BadImage",
    "Duplicates",
    "ImageSource",
    "PreparedImages",
    "find_duplicates",
    "open_prepared",
    "open_source",
    "prepare_images",
    "read_image",
    "resize_image",
    "store_key",
    "units_with_duplicates",
]
