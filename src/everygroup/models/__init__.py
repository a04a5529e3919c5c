"""What a method leaves: networks, who answers for whom, and what is done before and after. Saved as safetensors and JSON."""

from everygroup.models.routed import RoutedModel

__all__ = ["RoutedModel"]
