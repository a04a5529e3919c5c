"""Audits of what is not one class per sample: regression, segmentation, anomaly scores, several labels, images.

They share the engine, the intervals and the result of the audit of classes, and differ in their metrics.
"""

from everygroup.audit.tasks.anomaly import audit_anomaly
from everygroup.audit.tasks.multilabel import audit_multilabel
from everygroup.audit.tasks.reconstruction import audit_reconstruction
from everygroup.audit.tasks.regression import audit_regression
from everygroup.audit.tasks.segmentation import audit_segmentation

__all__ = [
    "audit_anomaly",
    "audit_downstream",
    "audit_multilabel",
    "audit_reconstruction",
    "audit_regression",
    "audit_segmentation",
]
