"""Keep the decoders quiet while any thread is reading, and load those that are extras."""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image

from everygroup.errors import SettingsError

# Their messages quote the values of tags, which may be a patient's name.
_LOGGERS = ("pydicom", "nibabel.global")

_guard_lock = threading.Lock()
_guard: dict[str, Any] = {"depth": 0}


@contextmanager
def decoder_guard() -> Iterator[None]:
    """Switch Pillow's own size limit, and the warnings and log lines of the decoders, off while any thread is reading.

    These are process-wide settings. Our own limit is checked before a pixel is decoded and is an error rather than a
    warning; warnings about metadata do not concern the pixels. Counted, because worker threads overlap.
    """
    with _guard_lock:
        _guard["depth"] += 1
        if _guard["depth"] == 1:
            _guard["limit"] = Image.MAX_IMAGE_PIXELS
            _guard["warnings"] = warnings.catch_warnings()
            _guard["warnings"].__enter__()
            warnings.filterwarnings("ignore", module=r"(PIL|pydicom|nibabel)\.")
            _guard["loggers"] = [(logger, logger.disabled) for logger in map(logging.getLogger, _LOGGERS)]
            for logger, _ in _guard["loggers"]:
                logger.disabled = True
            Image.MAX_IMAGE_PIXELS = None
    try:
        yield
    finally:
        with _guard_lock:
            _guard["depth"] -= 1
            if _guard["depth"] == 0:
                Image.MAX_IMAGE_PIXELS = _guard["limit"]
                for logger, disabled in _guard["loggers"]:
                    logger.disabled = disabled
                _guard["warnings"].__exit__(None, None, None)


def extra_package(module: str, extra: str, what: str) -> Any:
    """Import the package of an extra.

    Raises
    ------
    SettingsError
        If it is not installed. No ImageError: it stops everything at once, whatever is done about bad images.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"Reading {what} needs the package {module.split('.')[0]} ({error}).",
            fix=f"pip install 'everygroup[{extra}]'",
        ) from None
