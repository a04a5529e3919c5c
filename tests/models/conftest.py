"""The worlds of the methods."""

from __future__ import annotations

from ..methods.conftest import make_vectors, shared_store, two, vector_settings

__all__ = ["make_vectors", "shared_store", "two", "vector_settings"]
