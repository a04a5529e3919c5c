"""What a set of sample weights amounts to: effective sample size, out-of-group share, weight by source group."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike


def effective_sample_size(weights: ArrayLike) -> float:
    """Return Kish's effective sample size (sum w)^2 / sum w^2, between 1 and n."""
    w = np.asarray(weights, dtype=np.float64)
    w = w / w.max()  # the squares of tiny weights would vanish
    return float(w.sum() ** 2 / (w**2).sum())


def out_of_group_share(weights: ArrayLike, in_group: ArrayLike) -> float:
    """Return the share of the total weight that out-of-group samples carry.

    Parameters
    ----------
    weights : (n,) sample weights
    in_group : (n,) bool, True for samples of the target group
    """
    w = np.asarray(weights, dtype=np.float64)
    return float(w[~np.asarray(in_group, dtype=bool)].sum() / w.sum())


def weight_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise a weight table by target group.

    Parameters
    ----------
    table : DataFrame
        Columns target_group, source_group, weight, utility, similarity as `everygroup.methods.Spare` writes them; an
        empty source group is missing and counts as out-of-group.

    Returns
    -------
    DataFrame
        One row a target group: n, n_in_group, effective_sample_size, out_of_group_share, mean weight in and out of
        the group, median distances.
    """
    rows = []
    for target, part in table.groupby("target_group", sort=False):
        inside = (part["source_group"] == target).to_numpy()
        weight = part["weight"].to_numpy()
        rows.append(
            {
                "target_group": target,
                "n": len(part),
                "n_in_group": int(inside.sum()),
                "effective_sample_size": effective_sample_size(weight),
                "out_of_group_share": out_of_group_share(weight, inside),
                "mean_weight_in_group": float(weight[inside].mean()) if inside.any() else np.nan,
                "mean_weight_out_of_group": float(weight[~inside].mean()) if (~inside).any() else np.nan,
                "median_utility": float(part["utility"].median()),
                "median_similarity_out_of_group": float(part.loc[~inside, "similarity"].median()),
            }
        )
    return pd.DataFrame(rows)
