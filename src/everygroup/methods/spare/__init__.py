"""SPARE, by idea: options, candidates, distances, training, merging, and the method that puts them together."""

from __future__ import annotations

from everygroup.methods.spare.method import Spare

__all__ = ["Spare"]
