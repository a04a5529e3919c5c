"""timm is found also where torchvision's compiled part does not fit the installed torch."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

import pytest
import torch

from everygroup.networks import vision_library


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give `timm` without what it remembers, and take down what it declares."""
    monkeypatch.setattr(vision_library, "_kept", [])
    return vision_library.timm.__wrapped__


class FakeLibrary:
    defined: list[str]

    def __init__(self, name: str, kind: str) -> None:
        assert (name, kind) == ("torchvision", "DEF")
        FakeLibrary.defined = []

    def define(self, schema: str) -> None:
        FakeLibrary.defined.append(schema.split("(")[0])


def test_missing_operators_are_declared_and_the_import_tried_again(monkeypatch: pytest.MonkeyPatch, fresh: Any) -> None:
    asked: list[str] = []

    def import_module(name: str) -> ModuleType:
        asked.append(name)
        if asked == ["torchvision"]:
            monkeypatch.setitem(sys.modules, "torchvision.half_imported", ModuleType("half"))
            raise RuntimeError("operator torchvision::nms does not exist")
        return ModuleType(name)

    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "torchvision"}
    monkeypatch.setattr(torch.library, "Library", FakeLibrary)
    monkeypatch.setattr(importlib, "import_module", import_module)
    try:
        assert fresh().__name__ == "timm"
        assert "torchvision.half_imported" not in sys.modules
    finally:
        sys.modules.update(kept)
    assert asked == ["torchvision", "torchvision", "timm"]
    assert FakeLibrary.defined == ["nms", "qnms"]


def test_where_torchvision_works_nothing_is_declared(monkeypatch: pytest.MonkeyPatch, fresh: Any) -> None:
    monkeypatch.setattr(importlib, "import_module", ModuleType)
    assert fresh().__name__ == "timm"
    assert vision_library._kept == []


def test_another_error_is_not_hidden(monkeypatch: pytest.MonkeyPatch, fresh: Any) -> None:
    def import_module(name: str) -> ModuleType:
        raise RuntimeError("out of luck")

    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(RuntimeError, match="out of luck"):
        fresh()
