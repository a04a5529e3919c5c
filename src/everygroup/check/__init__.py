"""What is in a cohort, its table and its pixels, and what about it could mislead."""

from everygroup.check.fingerprint import Fingerprint, fingerprint
from everygroup.check.look import Look, look_at_images
from everygroup.check.mean_images import mean_images
from everygroup.check.run import cautions, check_cohort, refuse_misread
from everygroup.check.suspicions import doubtful_units, refuse_forgotten_unit

__all__ = [
    "Fingerprint",
    "Look",
    "cautions",
    "check_cohort",
    "doubtful_units",
    "fingerprint",
    "look_at_images",
    "mean_images",
    "refuse_forgotten_unit",
    "refuse_misread",
]
