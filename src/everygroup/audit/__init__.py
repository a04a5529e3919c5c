"""All group-wise numbers computed from predictions, with n, intervals and nulls.

The room can be called: `everygroup.audit(predictions)` is `everygroup.audit.audit(predictions)`, and
`everygroup.audit("preds.csv", groups=["sex"])` is `everygroup.audit.audit_table(...)`: all that the command does.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from everygroup.audit.curves import curve_rows
from everygroup.audit.door import audit_table
from everygroup.audit.gates import Gate, GateResult, gates
from everygroup.audit.predicted import audit_predictions
from everygroup.audit.result import Audit
from everygroup.audit.run import audit, audit_arrays
from everygroup.audit.sources import source_rows
from everygroup.audit.tasks import audit_anomaly, audit_multilabel, audit_regression, audit_segmentation

__all__ = [
    "Audit",
    "Gate",
    "GateResult",
    "audit",
    "audit_anomaly",
    "audit_arrays",
    "audit_multilabel",
    "audit_predictions",
    "audit_regression",
    "audit_segmentation",
    "audit_table",
    "curve_rows",
    "gates",
    "source_rows",
]


class _Room(ModuleType):
    """Lets `everygroup.audit` be both the room and its main function, whichever was imported first."""

    def __call__(self, first: Any, **options: Any) -> Audit:
        from everygroup.predictions import Predictions

        if isinstance(first, (str, Path)):
            return audit_table(first, **options)
        return audit(first, **options) if isinstance(first, Predictions) else audit_arrays(first, **options)


sys.modules[__name__].__class__ = _Room
