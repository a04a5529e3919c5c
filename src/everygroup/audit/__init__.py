"""All group-wise numbers computed from predictions, with n, intervals and nulls."""

from everygroup.audit.result import Audit
from everygroup.audit.run import audit, audit_arrays

__all__ = ["Audit", "audit", "audit_arrays"]
