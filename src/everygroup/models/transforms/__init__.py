"""Kinds of transforms. One file, one kind; a new file is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from everygroup.models.transforms.base import TRANSFORMS, Tensors, Transform, build_transform, register_transform

for _file in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_file.name}")

__all__ = ["TRANSFORMS", "Tensors", "Transform", "build_transform", "register_transform"]
