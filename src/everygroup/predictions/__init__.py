"""The hinge between models and audits: one table of predictions, built from arrays or read from anybody's file."""

from everygroup.predictions._coding import group_order
from everygroup.predictions.audit_options import AuditOptions
from everygroup.predictions.of_targets import TargetPredictions
from everygroup.predictions.predictions import Predictions
from everygroup.predictions.reading import read_predictions
from everygroup.predictions.table_reading import TableReading

__all__ = ["AuditOptions", "Predictions", "TableReading", "TargetPredictions", "group_order", "read_predictions"]
