"""Performance and fairness of predictions: pure functions of arrays, without torch.

Every metric takes ``(y_true, y_pred or y_score, *, sensitive_features=...)`` and returns `Measured`: the value, the
value of every group, the number of samples behind each, and how many rates were undefined.
"""

from everygroup.metrics.calibration import expected_minus_observed
from everygroup.metrics.chance import Chance, chance_level
from everygroup.metrics.confusion import OneVsRest, confusion_counts, one_vs_rest
from everygroup.metrics.criteria import (
    CRITERIA,
    accuracy_parity_difference,
    accuracy_parity_ratio,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    measure_criterion,
    predictive_parity_difference,
    predictive_parity_ratio,
    underdiagnosis_difference,
    underdiagnosis_ratio,
)
from everygroup.metrics.disparity import (
    DISPARITIES,
    DisparityOf,
    difference,
    disparity_of,
    largest_deviation,
    mean_pairwise,
    normalised_range,
    ratio,
    signed_difference,
    skewed_error_ratio,
    standard_deviation,
    weighted_deviation,
    worst_group,
)
from everygroup.metrics.info import MetricInfo
from everygroup.metrics.lineage import VARIANTS, eodds, eopp0, eopp1, lineage_gap
from everygroup.metrics.measured import Measured
from everygroup.metrics.performance import (
    accuracy,
    balanced_accuracy,
    macro_f1,
    macro_precision,
    macro_recall,
    matthews,
    rate,
)
from everygroup.metrics.ranking import Ranking
from everygroup.metrics.rates import RATES, accuracy_of, average_rate, class_rates
from everygroup.metrics.registry import list_metrics, metric_info
from everygroup.metrics.scaled import (
    equity_scaled,
    equity_scaled_group_mean,
    equity_scaled_sd,
    performance_scaled_range,
    performance_scaled_sd,
    scaled_of,
)
from everygroup.metrics.scores import auc
from everygroup.metrics.selection import best_within_gap, best_worst_group, pareto_front, pareto_minimax
from everygroup.metrics.skin import dpm, eom, nar, ovr_accuracy_gap, pqd
from everygroup.metrics.tradeoff import dto, fate, levelling_down

__all__ = [
    "CRITERIA",
    "DISPARITIES",
    "RATES",
    "VARIANTS",
    "Chance",
    "DisparityOf",
    "Measured",
    "MetricInfo",
    "OneVsRest",
    "Ranking",
    "accuracy",
    "accuracy_of",
    "accuracy_parity_difference",
    "accuracy_parity_ratio",
    "auc",
    "average_rate",
    "balanced_accuracy",
    "best_within_gap",
    "best_worst_group",
    "chance_level",
    "class_rates",
    "confusion_counts",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "difference",
    "disparity_of",
    "dpm",
    "dto",
    "eodds",
    "eom",
    "eopp0",
    "eopp1",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "equity_scaled",
    "equity_scaled_group_mean",
    "equity_scaled_sd",
    "expected_minus_observed",
    "fate",
    "largest_deviation",
    "levelling_down",
    "lineage_gap",
    "list_metrics",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "matthews",
    "mean_pairwise",
    "measure_criterion",
    "metric_info",
    "nar",
    "normalised_range",
    "one_vs_rest",
    "ovr_accuracy_gap",
    "pareto_front",
    "pareto_minimax",
    "performance_scaled_range",
    "performance_scaled_sd",
    "pqd",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "rate",
    "ratio",
    "scaled_of",
    "signed_difference",
    "skewed_error_ratio",
    "standard_deviation",
    "underdiagnosis_difference",
    "underdiagnosis_ratio",
    "weighted_deviation",
    "worst_group",
]
