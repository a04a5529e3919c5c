"""Methods by the name of their paper: one file, one class, one reference each."""

from everygroup.methods.apple import Apple
from everygroup.methods.auto import Auto
from everygroup.methods.base import Method, MethodInfo
from everygroup.methods.distilled import Distilled
from everygroup.methods.domain_independent import DomainIndependent
from everygroup.methods.erm import ERM
from everygroup.methods.fair_adabn import FairAdaBN
from everygroup.methods.fair_moe import FairMoE
from everygroup.methods.fairprune import FairPrune
from everygroup.methods.fairquantize import FairQuantize
from everygroup.methods.group_dro import GroupDRO
from everygroup.methods.group_model import GroupModel
from everygroup.methods.imported import import_files
from everygroup.methods.multitask import MultiTask
from everygroup.methods.registry import METHODS, create_method, list_methods, method_class, register
from everygroup.methods.resampling import Resampling
from everygroup.methods.routed import RoutedModel
from everygroup.methods.scp_fairprune import SCPFairPrune
from everygroup.methods.spare import Spare
from everygroup.methods.store import Store
from everygroup.methods.stratified_erm import StratifiedERM
from everygroup.methods.subset_erm import SubsetERM

__all__ = [
    "ERM",
    "METHODS",
    "Apple",
    "Auto",
    "Distilled",
    "DomainIndependent",
    "FairAdaBN",
    "FairMoE",
    "FairPrune",
    "FairQuantize",
    "GroupDRO",
    "GroupModel",
    "Method",
    "MethodInfo",
    "MultiTask",
    "Resampling",
    "RoutedModel",
    "SCPFairPrune",
    "Spare",
    "Store",
    "StratifiedERM",
    "SubsetERM",
    "create_method",
    "import_files",
    "list_methods",
    "method_class",
    "register",
]
