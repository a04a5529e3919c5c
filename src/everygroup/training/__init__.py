"""One training loop for every network of every method."""

from everygroup.training.device import resolve_device
from everygroup.training.heads import solved, train_heads
from everygroup.training.learner import Batch, Learner
from everygroup.training.log import RunLog, trained_briefly
from everygroup.training.loop import Trained, train, training_key
from everygroup.training.optimiser import Optimisers
from everygroup.training.plain import train_plain
from everygroup.training.selection import SELECTION, SelectionRule, ValidationPredictions, selection_rule
from everygroup.training.task import Task

__all__ = [
    "SELECTION",
    "Batch",
    "Learner",
    "Optimisers",
    "RunLog",
    "SelectionRule",
    "Task",
    "Trained",
    "ValidationPredictions",
    "resolve_device",
    "selection_rule",
    "solved",
    "train",
    "train_heads",
    "train_plain",
    "trained_briefly",
    "training_key",
]
