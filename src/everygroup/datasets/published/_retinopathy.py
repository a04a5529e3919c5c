"""Label maps of the international scale of diabetic retinopathy (grades 0 to 4; Wilkinson et al. 2003)."""

from __future__ import annotations

from everygroup.datasets.published._adapter import LabelMap

GRADES = ("no retinopathy", "mild", "moderate", "severe", "proliferative")


def any_retinopathy(column: str) -> LabelMap:
    """Grade 1 or more against none."""
    return LabelMap("any", 1, column, _from_grade(1, "no retinopathy", "retinopathy"), "grade 1 or more")


def referable(column: str) -> LabelMap:
    """Grade 2 or more against less."""
    note = "grade 2 or more; macular edema does not enter"
    return LabelMap("referable", 1, column, _from_grade(2, "not referable", "referable"), note)


def grades(column: str) -> LabelMap:
    """The five grades as five classes."""
    return LabelMap("grades", 1, column, {str(k): name for k, name in enumerate(GRADES)}, "the five grades")


def _from_grade(first: int, below: str, above: str) -> dict[str, str | None]:
    return {str(grade): above if grade >= first else below for grade in range(len(GRADES))}
