"""Figures: functions that take tidy tables and return altair charts, and ways to write them.

Colours are Okabe and Ito's, and every colour comes with a shape. Heavy libraries are imported on first use.
"""

from everygroup.figures.cells import cell_heatmap
from everygroup.figures.chance import gaps_against_chance
from everygroup.figures.cohort import age_pyramid, boxes_by_category, count_heatmap
from everygroup.figures.critical_difference import critical_difference_diagram
from everygroup.figures.curves import calibration_by_group, curves_by_group, roc_by_group, thinned
from everygroup.figures.export import DARK_CSS, html_fragment, inline_svg, save
from everygroup.figures.groups import change_against_baseline, metric_by_group
from everygroup.figures.harms import harm_by_group
from everygroup.figures.periods import metric_over_time
from everygroup.figures.strips import image_strip
from everygroup.figures.subgroups import intersections_forest
from everygroup.figures.tradeoff import pareto_front, utility_against_disparity
from everygroup.figures.training import training_curves
from everygroup.figures.weights import utility_against_similarity, weight_quantiles, weights_by_source_group

__all__ = [
    "DARK_CSS",
    "age_pyramid",
    "boxes_by_category",
    "calibration_by_group",
    "cell_heatmap",
    "change_against_baseline",
    "count_heatmap",
    "critical_difference_diagram",
    "curves_by_group",
    "gaps_against_chance",
    "harm_by_group",
    "html_fragment",
    "image_strip",
    "inline_svg",
    "intersections_forest",
    "metric_by_group",
    "metric_over_time",
    "pareto_front",
    "roc_by_group",
    "save",
    "thinned",
    "training_curves",
    "utility_against_disparity",
    "utility_against_similarity",
    "weight_quantiles",
    "weights_by_source_group",
]
