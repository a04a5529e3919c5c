"""Methods by the name of their paper: one file, one class, one reference each."""

from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.erm import ERM
from everygroup.methods.group_model import GroupModel
from everygroup.methods.registry import METHODS, create_method, list_methods, method_class, register
from everygroup.methods.routed import RoutedModel
from everygroup.methods.spare import Spare
from everygroup.methods.store import Store

__all__ = [
    "ERM",
    "METHODS",
    "GroupModel",
    "Method",
    "MethodInfo",
    "RoutedModel",
    "Spare",
    "Store",
    "create_method",
    "list_methods",
    "method_class",
    "register",
]
