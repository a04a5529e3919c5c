"""Import timm, also where torchvision's compiled part does not fit the installed torch."""

from __future__ import annotations

from functools import cache
from types import ModuleType


@cache
def timm() -> ModuleType:
    """Return the timm module.

    On a CPU build of torch beside a torchvision built for CUDA, `import torchvision` fails because two operators are
    unknown. Only then their schemas are declared; models work without the operators themselves.
    """
    import importlib
    import sys

    import torch

    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        importlib.import_module("torchvision")
    return importlib.import_module("timm")


_kept: list[object] = []  # a declaration lives as long as its Library object
