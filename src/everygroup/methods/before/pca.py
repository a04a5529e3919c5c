"""Principal components of vectors, estimated on training samples."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field

from everygroup.files import hash_json
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method
from everygroup.models.transforms.base import Tensors
from everygroup.models.transforms.projection import Projection


@method(
    "Principal components",
    "Hotelling. Analysis of a complex of statistical variables into principal components. Journal of Educational "
    "Psychology 24 (1933) 417-441",
    targets=("classes", "labels", "number"),
    needs="vectors",
    blind=True,
    branch="vectors",
)
class PCA(Before):
    """Vectors as their first `n` principal components, neither scaled nor whitened; fewer where there are not so many.

    Heads on them are solved in a fraction of the time, and are regularised a little.
    """

    n: int = Field(128, ge=1, description="number of components")

    def prepare(self, lab: Lab) -> Lab:
        """Estimate the components."""

        def estimate() -> Tensors:
            x = lab.train.batch(slice(None)).astype(np.float64)
            mean = x.mean(0)
            kept = min(self.n, x.shape[1], max(1, len(x) - 1))
            _, vectors = np.linalg.eigh((x - mean).T @ (x - mean))
            basis = vectors[:, ::-1][:, :kept]
            basis = basis * np.sign(basis[np.abs(basis).argmax(0), np.arange(kept)])  # a direction has no sign
            found = {"mean": mean, "basis": basis}
            return {k: torch.from_numpy(np.ascontiguousarray(v, dtype=np.float32)) for k, v in found.items()}

        found = lab.store.tensors(hash_json(["pca", self.n, lab.train.content_hash]), estimate)
        return lab.seen_through(Projection.build({}, found))
