"""Strips of the most and least weighted training images, for the report."""

from __future__ import annotations

import numpy as np
import pandas as pd

from everygroup.cohort import Cohort

N_IMAGES = 8


def weight_strips(train: Cohort, weights: pd.DataFrame, n: int = N_IMAGES) -> list[tuple[str, bytes]]:
    """Return (caption, PNG bytes) of the out-of-group images with the largest and smallest weights per target group.

    Vectors have no picture; the list is then empty.
    """
    from everygroup.figures import image_strip

    if len(train.sample_shape) != 3:
        return []
    position = {name: i for i, name in enumerate(train.ids)}
    strips = []
    for target, part in weights.groupby("target_group", sort=False):
        outside = part[part["source_group"] != target].sort_values("weight", ascending=False, kind="stable")
        for words, rows in (("most", outside.head(n)), ("least", outside.tail(n))):
            if len(rows):
                index = np.array([position[i] for i in rows["id"]])
                captions = [
                    f"{s or 'missing'} {w:.2f}" for s, w in zip(rows["source_group"], rows["weight"], strict=True)
                ]
                strips.append(
                    (f"Out-of-group images weighted {words} for {target}", image_strip(train.batch(index), captions))
                )
    return strips
