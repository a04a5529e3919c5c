"""Methods by the name of their paper: one file, one class, one reference each; found by the name of their file."""

from __future__ import annotations

from typing import Any

from everygroup.methods.chain import Chain, create_method
from everygroup.methods.imported import import_files
from everygroup.methods.info import MethodInfo
from everygroup.methods.lab import Lab
from everygroup.methods.parts import After, Before, ByGroup, Learn, Part, method
from everygroup.methods.registry import class_named, list_methods, method_class
from everygroup.methods.store import Store

__all__ = [
    "After",
    "Before",
    "ByGroup",
    "Chain",
    "Lab",
    "Learn",
    "MethodInfo",
    "Part",
    "Store",
    "create_method",
    "import_files",
    "list_methods",
    "method",
    "method_class",
]


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    return class_named(name)
