"""Figures: functions that take tidy tables and return altair charts, and ways to write them.

Colours are Okabe and Ito's, and every colour comes with a shape. Heavy libraries are imported on first use.
"""

from everygroup.figures.cells import cell_heatmap
from everygroup.figures.critical_difference import critical_difference_diagram
from everygroup.figures.export import DARK_CSS, html_fragment, inline_svg, save
from everygroup.figures.groups import change_against_baseline, metric_by_group
from everygroup.figures.strips import image_strip
from everygroup.figures.training import training_curves
from everygroup.figures.weights import utility_against_similarity, weight_quantiles, weights_by_source_group

__all__ = [
    "DARK_CSS",
    "cell_heatmap",
    "change_against_baseline",
    "critical_difference_diagram",
    "html_fragment",
    "image_strip",
    "inline_svg",
    "metric_by_group",
    "save",
    "training_curves",
    "utility_against_similarity",
    "weight_quantiles",
    "weights_by_source_group",
]
