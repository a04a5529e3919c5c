"""Audit of reconstructed images, from the images or from values measured before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Unpack

from numpy.typing import ArrayLike

from everygroup.audit.driver import Features, MakeFamilies, Options, Task, rows_of, run
from everygroup.audit.result import Audit
from everygroup.audit.tasks.per_image import checked_scores, same_scores, undefined_flags
from everygroup.errors import PredictionsError
from everygroup.metrics.families import Array
from everygroup.metrics.means import Means
from everygroup.metrics.reconstruction import Images, image_quality
from everygroup.predictions.task import OF_RECONSTRUCTIONS


def audit_reconstruction(
    scores: Mapping[str, ArrayLike] | None = None,
    images: tuple[Images, Images] | None = None,
    *,
    sensitive_features: Features,
    cluster: ArrayLike | None = None,
    baseline: Mapping[str, ArrayLike] | Images | None = None,
    data_range: float | None = None,
    **options: Unpack[Options],
) -> Audit:
    """Measure reconstructed images in every group: PSNR, SSIM and NMSE, each per image and then the mean.

    As `baseline` the images before reconstruction tell how much it brings to every group.

    Parameters
    ----------
    scores : (n,) values per image by metric: 'psnr', 'ssim', 'nmse'; NaN where undefined.
    images : (true, reconstructed), each (n, H, W), (n, H, W, C), (n, H, W, D, C) or a list of n; this or `scores`.
    sensitive_features : attribute columns by name, or one sequence.
    cluster : (n,) patient of every image.
    baseline : of another method on the same samples: the same scores, or its images; gives `Audit.comparison`.
    data_range : white less black; 255 for uint8 and 1 for floats within [0, 1] without it.
    **options : of `everygroup.audit.audit`: n_boot, seed, min_n, attributes, stratify, interval, intersections,
        data_set, method, run_seed.

    Raises
    ------
    PredictionsError
        For images or scores that do not fit together, unknown or impossible scores; names image or position.

    Examples
    --------
    >>> psnr = {"psnr": [32.0, 32.0] * 10 + [29.0, 29.0] * 10}
    >>> result = audit_reconstruction(psnr, sensitive_features={"site": ["A"] * 20 + ["B"] * 20}, n_boot=99)
    >>> result.value("site", "gap", "psnr")
    3.0
    """
    if (scores is None) == (images is None):
        raise PredictionsError(
            "Give scores or images, and not both.", fix="audit_reconstruction(images=(true, reconstructed))"
        )
    if images is None:
        ours = checked_scores(scores or {}, OF_RECONSTRUCTIONS)
    elif isinstance(images, (tuple, list)) and len(images) == 2:
        ours = image_quality(*images, data_range=data_range)
    else:
        raise PredictionsError(
            "images is not (true, reconstructed).", fix="give two sets of images of the same samples"
        )
    theirs: dict[str, Array] | None = None
    if baseline is not None:
        if isinstance(baseline, Mapping) == (images is not None):
            raise PredictionsError(
                "The baseline and the model are of different kinds.", fix="give scores for both, or images for both"
            )
        other = (
            checked_scores(baseline, OF_RECONSTRUCTIONS)
            if isinstance(baseline, Mapping)
            else image_quality(images[0], baseline, data_range=data_range)  # type: ignore[index]
        )
        theirs = same_scores(other, ours)

    def families(values: Mapping[str, Array]) -> MakeFamilies:
        return lambda part: [Means(values)]

    samples = rows_of(len(next(iter(ours.values()))), sensitive_features, cluster)
    return run(
        Task(
            "reconstruction",
            samples,
            families(ours),
            headline="psnr" if "psnr" in ours else next(iter(ours)),
            baseline=None if theirs is None else families(theirs),
            crossed=[Means(ours)],
            flags=undefined_flags(ours),
        ),
        options,
    )
