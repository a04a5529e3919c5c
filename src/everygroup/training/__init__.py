"""One training loop for every network of every method."""

from everygroup.training.device import resolve_device
from everygroup.training.log import RunLog, trained_briefly
from everygroup.training.loop import (
    Batch,
    Objective,
    Trained,
    batch_normalised_cross_entropy,
    build_from,
    load_trained,
    sample_losses,
    train,
    training_key,
    weighted_cross_entropy,
)
from everygroup.training.predict import predict_logits
from everygroup.training.selection import SELECTION, SelectionRule, ValidationPredictions, selection_rule
from everygroup.training.task import Task

__all__ = [
    "SELECTION",
    "Batch",
    "Objective",
    "RunLog",
    "SelectionRule",
    "Task",
    "Trained",
    "ValidationPredictions",
    "batch_normalised_cross_entropy",
    "build_from",
    "load_trained",
    "predict_logits",
    "resolve_device",
    "sample_losses",
    "selection_rule",
    "train",
    "trained_briefly",
    "training_key",
    "weighted_cross_entropy",
]
