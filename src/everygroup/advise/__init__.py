"""Advice before training: for which groups SPARE, or models of their own, may be worth it.

The room can be called: `everygroup.advise(cohort)` is `everygroup.advise.advise(cohort)`.
"""

import sys
from types import ModuleType
from typing import Any

from everygroup.advise.advice import Advice, advise

__all__ = ["Advice", "advise"]


class _Room(ModuleType):
    """Lets `everygroup.advise` be both the room and its main function, whichever was imported first."""

    def __call__(self, *data: Any, **options: Any) -> Advice:
        return advise(*data, **options)


sys.modules[__name__].__class__ = _Room
