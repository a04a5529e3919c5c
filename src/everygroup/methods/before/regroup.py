"""Other groups for training than those that are audited: another partition, noise, pseudo-groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from pydantic import Field
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from everygroup.check.skin_tone import skin_tone
from everygroup.cohort import Cohort, GroupRule
from everygroup.errors import SettingsError
from everygroup.methods.info import ALL_TARGETS
from everygroup.methods.lab import Lab
from everygroup.methods.parts import Before, method

Pseudo = Literal["none", "clusters", "tone", "random"]
_COMPONENTS = 32  # of features, before they are clustered


@method(
    "Other groups for training",
    "pseudo-groups: Sohoni et al. No subclass left behind: fine-grained robustness in coarse-grained classification "
    "problems. NeurIPS 2020",
    cost=1,
    targets=ALL_TARGETS,
    branch="groups",
)
class Regroup(Before):
    """What follows is trained and chosen with other groups; the audit keeps those of `--group`.

    What a method is told to protect decides what it does, and in practice groups are coarse, wrong or unknown. `by`
    takes the groups of other columns (`bins` as those of `--bins`). `pseudo` makes groups of what is in the images:
    k-means on the features of an ERM network (on vectors themselves), the typology angle of the skin's colour cut into
    equally frequent parts, or random parts, which are a placebo. `noise` gives this share of patients another group
    drawn at random, `hide` this share none, in training and validation alike.

    A method that has to be told a patient's group can follow where the audited groups are made of those of training
    (noise, hide, coarser groups); otherwise only one that answers for everybody.
    """

    by: Sequence[str] = Field((), description="columns of the table that make the groups")
    bins: dict[str, Any] = Field({}, description="their rules, as in {age: '40,60'}")
    pseudo: Pseudo = Field("none", description="clusters of features, tone of the skin, or random parts, for groups")
    n: int = Field(2, ge=2, description="number of pseudo-groups")
    noise: float = Field(0.0, ge=0, le=1, description="share of patients whose group is another, at random")
    hide: float = Field(0.0, ge=0, le=1, description="share of patients whose group is taken away")

    def model_post_init(self, context: Any) -> None:
        """Refuse two partitions at once."""
        if self.by and self.pseudo != "none":
            raise SettingsError("regroup has both by and pseudo.", fix="choose one of them")

    def cost(self, groups: Sequence[str]) -> float:
        """Count the network that is clustered."""
        return 1 + (self.pseudo == "clusters")

    def prepare(self, lab: Lab) -> Lab:
        """Put the samples into other groups."""
        if self.by:
            rule = GroupRule.make(list(self.by), self.bins)
            names = rule.assign(lab.train.table)[0]
            found = [rule.assign(part.table, names)[1] for part in (lab.train, lab.validation)]
            lab = _regrouped(lab, found, names)
        elif self.pseudo != "none":
            found = {"clusters": self._clusters, "tone": self._tones, "random": self._random}[self.pseudo](lab)
            lab = _regrouped(lab, found, [f"{self.pseudo} {i + 1}" for i in range(self.n)])
        rng = np.random.default_rng([lab.settings.seed, 14])
        kept = [self._disturbed(part, rng) for part in (lab.train, lab.validation)]
        return lab.but(train=kept[0], validation=kept[1])

    def _clusters(self, lab: Lab) -> list[np.ndarray]:
        """Cluster principal components of features; a patient's samples may lie in several."""
        parts = (lab.train, lab.validation)
        if len(lab.train.sample_shape) == 1:
            x = [part.batch(slice(None)).astype(np.float64) for part in parts]
        else:
            network = lab.erm().network
            x = [lab.features(network, part).astype(np.float64) for part in parts]
        kept = min(_COMPONENTS, *x[0].shape)
        reduced = PCA(kept, random_state=lab.settings.seed).fit(x[0])
        means = KMeans(self.n, n_init=10, random_state=lab.settings.seed).fit(reduced.transform(x[0]))
        return [means.predict(reduced.transform(part)) for part in x]

    def _tones(self, lab: Lab) -> list[np.ndarray]:
        """Cut the typology angle where training samples are equally many; images without skin have no group."""
        if len(lab.train.sample_shape) != 3 or lab.train.sample_shape[-1] != 3:
            raise SettingsError("pseudo=tone reads the colour of skin.", fix="use colour images, or pseudo=clusters")
        angles = [skin_tone(part) for part in (lab.train, lab.validation)]
        cuts = np.nanquantile(angles[0], np.arange(1, self.n) / self.n)
        return [np.where(np.isfinite(a), np.searchsorted(cuts, a), -1) for a in angles]

    def _random(self, lab: Lab) -> list[np.ndarray]:
        rng = np.random.default_rng([lab.settings.seed, 15])
        return [_by_unit(part, lambda k: rng.integers(0, self.n, k)) for part in (lab.train, lab.validation)]

    def _disturbed(self, cohort: Cohort, rng: np.random.Generator) -> Cohort:
        """Exchange and hide the groups of whole patients."""
        n = len(cohort.groups)
        group = cohort.group.copy()
        if self.noise and n > 1:
            shift = _by_unit(cohort, lambda k: np.where(rng.random(k) < self.noise, rng.integers(1, n, k), 0))
            group = np.where(group >= 0, (group + shift) % n, -1)
        if self.hide:
            group = np.where(_by_unit(cohort, lambda k: rng.random(k) < self.hide), -1, group)
        return cohort.with_groups(group, cohort.groups)


def _regrouped(lab: Lab, found: Sequence[np.ndarray], names: Sequence[str]) -> Lab:
    """Put training and validation samples into these groups, by index."""
    return lab.regrouped(lab.train.with_groups(found[0], names), lab.validation.with_groups(found[1], names))


def _by_unit(cohort: Cohort, draw: Any) -> np.ndarray:
    """Draw once for every patient: k -> (k,); return it for every sample."""
    names, unit = np.unique(cohort.units, return_inverse=True)
    drawn: np.ndarray = np.asarray(draw(len(names)))[unit]
    return drawn
