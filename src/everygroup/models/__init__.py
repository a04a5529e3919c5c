"""What a method leaves: networks, who answers for whom, what is done before and after; saved without code."""

from everygroup.models.routed import RoutedModel

__all__ = ["RoutedModel"]
