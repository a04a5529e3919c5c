"""Networks: backbones by name, with input scaling inside."""

from everygroup.networks.backbones import (
    OWN,
    Classifier,
    NetworkSpec,
    build_network,
    list_backbones,
    resolve_backbone,
)

__all__ = ["OWN", "Classifier", "NetworkSpec", "build_network", "list_backbones", "resolve_backbone"]
