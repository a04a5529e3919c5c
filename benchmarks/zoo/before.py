"""Pre-processing: what samples are drawn, weighed, made or seen as."""

from __future__ import annotations

from zoo.adversarial import READ, WORLD, compared
from zoo.effect import Effect
from zoo.worlds import PICTURES, lesions, odds_gap, right_on_dark, separability, tinted

GAP = "gap of the rates within each diagnosis"
SAMPLING = ("resampling(over=cell)", "reweighing", "stratified_batches(over=cell)", "fill_cells")
SITE = "the group, such as a site, is written in the vectors and has nothing to do with the diagnosis"
SKIN = "simulated lesions on lighter and darker skin"
FEW = "simulated lesions, three of a hundred on darker skin"
DARK = "right answers on darker skin"
SEEN = ("edges", "edges(kind=high_frequencies)", "mask", "z_score(over=image)", "opposite_tone")
TINTED = "simulated lesions, half of them in another tint of the same brightness"
EFFECTS = [
    *(Effect(m, WORLD, GAP, compared(m, odds_gap)) for m in SAMPLING),
    *(Effect(m, SITE, READ, compared(m, separability, share=0.5)) for m in ("z_score", "combat")),
    *(Effect(m, SKIN, READ, compared(m, separability, PICTURES, lesions)) for m in SEEN),
    Effect("edges(kind=grey)", TINTED, READ, compared("edges(kind=grey)", separability, PICTURES, tinted)),
    Effect(
        "opposite_tone", FEW, DARK, compared("opposite_tone", right_on_dark, PICTURES, lesions, dark=0.03), "larger"
    ),
]
