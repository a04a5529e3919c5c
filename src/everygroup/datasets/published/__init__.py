"""Published medical image sets, one file each: from the files as distributed to a tidy table.

Nothing is downloaded. `everygroup list datasets` names them, `everygroup describe NAME` says what is in one, and
`everygroup prepare NAME RAW_FOLDER --out COHORT` makes a cohort of it. A new file in this folder is found by itself.
"""

import importlib
import pkgutil

from everygroup.datasets.published._adapter import Adapter, DataSetInfo, LabelMap, Published
from everygroup.datasets.published._prepare import MISSING_IMAGES, missing_images, prepare_published
from everygroup.datasets.published._registry import ADAPTERS, adapter_of, list_datasets, register

__all__ = [
    "ADAPTERS",
    "MISSING_IMAGES",
    "Adapter",
    "DataSetInfo",
    "LabelMap",
    "Published",
    "adapter_of",
    "list_datasets",
    "missing_images",
    "prepare_published",
    "register",
]

for _module in pkgutil.iter_modules(__path__):
    if not _module.name.startswith("_"):
        importlib.import_module(f"{__name__}.{_module.name}")
