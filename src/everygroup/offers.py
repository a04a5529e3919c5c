"""What objects of lower floors offer through rooms above them: pictures of a cohort, pages of an audit.

A room imports only from below. Where a person expects a method on the object in hand, the method asks here, and the
package's front door, which knows every floor, has said which function it is.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

OFFERS: dict[str, str] = {}
"""Name of the method -> 'module:function'; the function gets the object first."""


def offered(name: str) -> Callable[..., Any]:
    """The function behind a method, imported on first use."""
    module, _, function = OFFERS[name].partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
