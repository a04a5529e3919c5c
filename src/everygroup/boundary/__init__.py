"""Boundary distances: how far an image is from another answer of a model (floor 2)."""

from everygroup.boundary.decision import CrossesCut, Decision, DiceFalls, LabelFlips, LeavesBand
from everygroup.boundary.distances import Distances, boundary_distances
from everygroup.boundary.perturbation import Perturbation, minimal_perturbation

__all__ = [
    "CrossesCut",
    "Decision",
    "DiceFalls",
    "Distances",
    "LabelFlips",
    "LeavesBand",
    "Perturbation",
    "boundary_distances",
    "minimal_perturbation",
]
