"""Kinds of steps. One file, one kind; a new file is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from everygroup.models.steps.base import (
    ABSTAINED,
    STEPS,
    Step,
    build_step,
    decided_by,
    of_group,
    register_step,
    told_by,
)

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")

__all__ = ["ABSTAINED", "STEPS", "Step", "build_step", "decided_by", "of_group", "register_step", "told_by"]
