"""Disentanglement: features that say less of the group."""

from __future__ import annotations

from zoo.adversarial import READ, WORLD, compared
from zoo.effect import Effect
from zoo.worlds import odds_gap, separability

GAP = "gap of the rates within each diagnosis"


EFFECTS = [
    Effect("orthogonal", WORLD, READ, compared("orthogonal", separability)),
    Effect("orthogonal", WORLD, GAP, compared("orthogonal", odds_gap)),
    Effect(
        "conditional_vae",
        "the group is written in the vectors and has nothing to do with the diagnosis",
        READ,
        compared("conditional_vae", separability, share=0.5),
    ),
    Effect("metadata_norm", WORLD, GAP, compared("metadata_norm", odds_gap)),
    Effect("penalised_metadata_norm", WORLD, GAP, compared("penalised_metadata_norm", odds_gap)),
    Effect("odr(prior=1)", WORLD, READ, compared("odr(prior=1)", separability)),
]
