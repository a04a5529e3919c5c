"""Networks: backbones by name, with input scaling inside, and what methods make of them."""

from everygroup.networks.adapted import ADAPTERS, Adapted, logits_of, register_adapter
from everygroup.networks.backbones import (
    OWN,
    build_network,
    list_backbones,
    rebuild,
    resolve_backbone,
)
from everygroup.networks.classifier import Classifier
from everygroup.networks.domain_heads import DomainHeads
from everygroup.networks.experts import ExpertMixture
from everygroup.networks.frozen_trunk import FrozenTrunk
from everygroup.networks.group_batchnorm import GroupBatchNorm
from everygroup.networks.predict import output_batches, predict_features, predict_outputs
from everygroup.networks.reconstructing import Reconstructing
from everygroup.networks.spec import NetworkSpec
from everygroup.networks.split import Split

__all__ = [
    "ADAPTERS",
    "OWN",
    "Adapted",
    "Classifier",
    "DomainHeads",
    "ExpertMixture",
    "FrozenTrunk",
    "GroupBatchNorm",
    "NetworkSpec",
    "Reconstructing",
    "Split",
    "build_network",
    "list_backbones",
    "logits_of",
    "output_batches",
    "predict_features",
    "predict_outputs",
    "rebuild",
    "register_adapter",
    "resolve_backbone",
]
