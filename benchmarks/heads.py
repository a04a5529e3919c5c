"""58 weighted ridge-penalised heads in one batched solve, against scikit-learn's LogisticRegression one by one.

    python benchmarks/heads.py [--embedded FOLDER --label malignant] [--rounds 5]

The fits: nine sets of sample weights (equal; exp(-d) of eight spreads) times six penalties, and four more. Both solve
the same problems on one thread; times are medians over rounds of one process. "loss" is how far the worst fit lies
above the best loss that any run found for it. scikit-learn is timed with three tolerances, ours with four; a ratio is
that to the fastest run of scikit-learn whose every fit comes within 1e-4.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from everygroup import read_cohort
from everygroup.training.convex import logistic_heads

ENOUGH = 1e-4
Fit = Callable[[], list[tuple[np.ndarray, np.ndarray]]]


def problem(folder: Path | None, label: str | None, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return 128 principal components of training samples and their labels: of embeddings, or made up like them."""
    rng = np.random.default_rng(0)
    if folder is not None:
        cohort = read_cohort(folder, label=label)
        kept = rng.permutation(len(cohort))[:2452]
        x, y = cohort.batch(slice(None))[kept].astype(float), cohort.y[kept]
        x -= x.mean(0)
        _, _, v = np.linalg.svd(x, full_matrices=False)
        x = x @ v[:128].T
        return x / np.sqrt((x**2).mean()), y
    x = rng.standard_normal((2452, 128)) * np.linspace(4, 0.5, 128)
    z = x[:, :n_classes] * 0.3 + rng.gumbel(size=(2452, n_classes))
    return x / np.sqrt((x**2).mean()), z.argmax(1)


def losses(x: np.ndarray, y: np.ndarray, w: np.ndarray, l2: np.ndarray, heads: list) -> np.ndarray:
    """Return the penalised loss of every fit."""
    found = []
    for m, (weight, bias) in enumerate(heads):
        z = torch.from_numpy(x @ weight.T + bias)
        each = torch.nn.functional.cross_entropy(z, torch.from_numpy(y), reduction="none").numpy()
        found.append((w[:, m] * each).mean() + l2[m] / 2 * (weight**2).sum())
    return np.array(found)


def ours(x: np.ndarray, y: np.ndarray, w: np.ndarray, l2: np.ndarray, tolerance: float) -> Fit:
    """Return a call of the batched solver."""

    def fit() -> list[tuple[np.ndarray, np.ndarray]]:
        found = logistic_heads(x, np.eye(y.max() + 1)[y], w, l2, tolerance=tolerance)
        return list(zip(found.weight, found.bias, strict=True))

    return fit


def theirs(x: np.ndarray, y: np.ndarray, w: np.ndarray, l2: np.ndarray, tolerance: float) -> Fit:
    """Return a loop over LogisticRegression."""

    def fit() -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for m in range(len(l2)):
            model = LogisticRegression(C=1 / (l2[m] * len(y)), tol=tolerance, max_iter=2000)
            model.fit(x, y, sample_weight=w[:, m])
            two = len(model.coef_) == 1
            weight = np.concatenate([0 * model.coef_, model.coef_]) if two else model.coef_
            found.append((weight, np.r_[0, model.intercept_] if two else model.intercept_))
        return found

    return fit


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embedded", type=Path)
    parser.add_argument("--label", nargs="*", default=[None])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cases = [(label, 0) for label in options.label] if options.embedded else [(None, 2), (None, 3)]
    print(f"{'problem':24} {'solver':14} {'tolerance':>9} {'seconds':>8} {'loss':>8} {'ratio':>6}")
    for label, n_classes in cases:
        x, y = problem(options.embedded, label, n_classes)
        rng = np.random.default_rng(1)
        spreads = [np.ones(len(y)), *(np.exp(-rng.random(len(y)) * s) for s in np.linspace(0.5, 6, 8))]
        penalties = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1]
        fits = [(s, p) for s in spreads for p in penalties] + [(spreads[0], p) for p in (2e-3, 6e-3, 2e-2, 6e-2)]
        w, l2 = np.stack([s / s.mean() for s, _ in fits], 1), np.array([p for _, p in fits])
        runs = {("everygroup", t): ours(x, y, w, l2, t) for t in (3e-6, 1e-3, 3e-3, 1e-2)}
        runs |= {("scikit-learn", t): theirs(x, y, w, l2, t) for t in (1e-4, 1e-3, 1e-2)}
        seconds, reached = {}, {}
        for key, fit in runs.items():
            took = []
            for _ in range(options.rounds):
                started = time.perf_counter()
                heads = fit()
                took.append(time.perf_counter() - started)
            seconds[key], reached[key] = float(np.median(took)), losses(x, y, w, l2, heads)
        best = np.min(list(reached.values()), axis=0)
        excess = {key: float((value - best).max()) for key, value in reached.items()}
        rival = min(seconds[k] for k in runs if k[0] == "scikit-learn" and excess[k] <= ENOUGH)
        name = f"{label or 'made up'}, {y.max() + 1} classes"
        for key in runs:
            ratio = f"{rival / seconds[key]:6.1f}" if excess[key] <= ENOUGH else ""
            print(f"{name:24} {key[0]:14} {key[1]:9.0e} {seconds[key]:8.3f} {excess[key]:8.1e} {ratio}")


if __name__ == "__main__":
    main()
