"""How frequent classes are among samples without labels, from a classifier's probabilities."""

from __future__ import annotations

import numpy as np

_STEPS, _CLOSE = 10_000, 1e-10


def class_shares(
    p: np.ndarray, trained: np.ndarray, *, towards: np.ndarray | None = None, pseudo_samples: float = 0.0
) -> np.ndarray:
    r"""Return the shares of classes, (K,), under which probabilities are likeliest, by EM:

    .. math:: \pi_k \leftarrow \frac{1}{n + m} \left( \sum_i r_{ik} + m \tau_k \right), \quad
        r_{ik} = \frac{\pi_k p_{ik} / \pi^0_k}{\sum_l \pi_l p_{il} / \pi^0_l}

    Right if the classifier is calibrated where it was trained, and nothing has changed but how frequent classes are.

    Parameters
    ----------
    p : (n, K)
        Probabilities of samples whose classes are not known; without any, `towards` is returned.
    trained : (K,)
        pi^0, the shares that the probabilities reckon with.
    towards : (K,), optional
        tau, shares to start from and to be drawn towards; by default `trained`.
    pseudo_samples : float
        m, the samples that they count for.

    References
    ----------
    Saerens, Latinne and Decaestecker. Adjusting the outputs of a classifier to new a priori probabilities. Neural
    Computation 14 (2002) 21-41.

    Examples
    --------
    >>> class_shares(np.array([[0.9, 0.1]] * 8 + [[0.1, 0.9]] * 2), np.array([0.5, 0.5])).round(2)
    array([0.88, 0.12])
    """
    shares = start = np.asarray(trained if towards is None else towards, dtype=np.float64)
    if not len(p):
        return start
    ratio = p / np.maximum(trained, 1e-12)
    for _ in range(_STEPS):
        share = shares * ratio
        share /= share.sum(1, keepdims=True)
        found = (share.sum(0) + pseudo_samples * start) / (len(p) + pseudo_samples)
        if np.abs(found - shares).max() < _CLOSE:
            return found
        shares = found
    return shares
