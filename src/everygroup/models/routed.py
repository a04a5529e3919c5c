"""The routed model: one or several networks and the rule that says which one answers for a patient."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from everygroup.cohort import Cohort, GroupRule
from everygroup.errors import CohortError, SettingsError
from everygroup.models.files import read_model, write_model
from everygroup.models.indices import group_index, label_index
from everygroup.models.steps import ABSTAINED, Step, build_step, decided_by, told_by
from everygroup.models.told import told
from everygroup.models.transforms import Transform
from everygroup.networks import predict_outputs
from everygroup.predictions import Predictions, TargetPredictions
from everygroup.targets import Classes, Pictured, Target, target_from
from everygroup.training import Trained

Routing = Literal["known", "predicted", "soft"]
Missing = Literal["predicted", "soft", "pooled"]
PIECE = 64  # samples whose pictures are held as probabilities at once


@dataclass
class RoutedModel:
    """A trained model of all groups.

    Attributes
    ----------
    method : str
        Name of the method that made it.
    networks : dict of str to Module
        By network name; each has a `spec`.
    route : dict of str to str
        Group -> name of the network, or of the mixture, that answers for it.
    pooled : str or None
        Network or mixture that answers where no group is known; None where there is none.
    group_predictor : str or None
        Network that predicts the group; None where there is none.
    target : Target
        What it answers.
    groups : tuple of str
    rule : GroupRule
        How groups are made from sensitive attributes.
    sample_shape : tuple of int
        Shape of a stored image, (H, W, C) or (D,).
    info : dict
        Hyper-parameters, settings, hashes; JSON-able.
    transforms : tuple of Transform
        What images are seen through first.
    steps : tuple of Step
        What is done with the answers afterwards; for classes only.
    weights : DataFrame or None
        Sample weights and distances of the training samples, where the method has any.
    mixtures : dict of str to dict of str to float
        Name -> network -> share: the answer is the mean of the networks' answers with these shares, which sum to 1.
    units : dict of str to float
        By network name, what its answers are divided by, so that anomaly scores of several networks have one scale: the
        median score of validation normals that it answers for.
    """

    method: str
    networks: dict[str, nn.Module]
    route: dict[str, str]
    target: Target
    groups: tuple[str, ...]
    rule: GroupRule
    sample_shape: tuple[int, ...]
    pooled: str | None = None
    group_predictor: str | None = None
    info: dict[str, Any] = field(default_factory=dict)
    weights: pd.DataFrame | None = None
    transforms: tuple[Transform, ...] = ()
    steps: tuple[Step, ...] = ()
    mixtures: dict[str, dict[str, float]] = field(default_factory=dict)
    units: dict[str, float] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        method: str,
        train: Cohort,
        trained: Mapping[str, Trained],
        *,
        route: Mapping[str, str],
        pooled: str | None = None,
        group_predictor: str | None = None,
        info: Mapping[str, Any] | None = None,
        weights: pd.DataFrame | None = None,
        transforms: Sequence[Transform] = (),
        mixtures: Mapping[str, Mapping[str, float]] | None = None,
    ) -> RoutedModel:
        """Assemble a routed model from trained networks by name."""
        answering = next(t.target for name, t in trained.items() if name != group_predictor)
        return cls(
            method,
            {name: t.network for name, t in trained.items()},
            dict(route),
            answering,
            train.groups,
            train.rule,
            tuple(train.images.shape[1:]),
            pooled,
            group_predictor,
            {**(info or {}), "networks": {n: {"key": t.key, "epoch": t.selected_epoch} for n, t in trained.items()}},
            weights,
            tuple(transforms),
            mixtures={name: dict(shares) for name, shares in (mixtures or {}).items()},
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes, findings or structures, as a cohort of the target names them."""
        return self.target.classes

    def answers(self, cohort: Cohort, **options: Any) -> np.ndarray:
        """Return the target's answers, (n, ...): probabilities of classes or findings (n, K), numbers (n,), of masks
        probabilities (n, 1 + S, H, W), anomaly scores (n,), images (n, C, H, W); options as in `predict`.

        Those of pictures are large: `predict` keeps masks and what was measured of them.
        """
        return self._answer(cohort, group_index(self.rule, self.groups, cohort), **options)[0]

    def predict_proba(self, cohort: Cohort, **options: Any) -> np.ndarray:
        """Return the probabilities of classes (n, K), after all steps; options as in `predict`."""
        group = group_index(self.rule, self.groups, cohort)
        return told_by(self.steps, self._answer(cohort, group, **options)[0], group)

    @property
    def backbone(self) -> str:
        """Name of the networks' backbone."""
        spec: Any = next(iter(self.networks.values())).spec
        return str(spec.backbone)

    def answering_by(self, *steps: Step, **info: Any) -> RoutedModel:
        """Return the model with further steps behind its answers; `info` is added to the model's."""
        return replace(self, steps=(*self.steps, *steps), info={**self.info, **info})

    def having_chosen(self, name: str, said: str) -> RoutedModel:
        """Return the model with one sentence on what a part chose on validation; the run's pages show it."""
        return replace(self, info={**self.info, "chosen": {**self.info.get("chosen", {}), name: said}})

    def predict(
        self,
        cohort: Cohort,
        *,
        routing: Routing = "known",
        when_missing: Missing = "predicted",
        device: str | torch.device = "cpu",
        split: str | np.ndarray = "",
    ) -> Predictions | TargetPredictions:
        """Predict a cohort; which network answered is written beside each prediction.

        Parameters
        ----------
        cohort : Cohort
            Images of the shape the model was trained on; labels may be absent.
        routing : {'known', 'predicted', 'soft'}
            By the recorded group; by the group predictor's answer for everybody; or the mean of all groups'
            probabilities weighted by the group predictor's.
        when_missing : {'predicted', 'soft', 'pooled'}
            What happens where routing is 'known' and no group is recorded. What the model lacks falls back to the
            pooled network, and that to the mean of the groups' networks.
        split : str or ndarray of str, (n,)
            The part each sample belongs to; written into the predictions.

        Returns
        -------
        Predictions, or TargetPredictions where the target is not classes

        Raises
        ------
        CohortError
            If the images have another shape.
        SettingsError
            If the model has no group predictor and one is asked for.
        """
        group = group_index(self.rule, self.groups, cohort)
        rows: dict[str, Any] = {
            "sensitive_features": {a: self.rule.values(cohort.table, a) for a in self.rule.attributes},
            "group": group,
            "groups": self.groups,
            "ids": cohort.ids,
            "units": cohort.units,
            "split": split,
            "model": self.method,
        }
        how: dict[str, Any] = {"routing": routing, "when_missing": when_missing, "device": device}
        if isinstance(self.target, Classes):
            return self._classified(cohort, group, rows, how)
        routes: list[str] = []

        def pieces() -> Iterator[tuple[slice, np.ndarray]]:
            step = PIECE if isinstance(self.target, Pictured) else max(len(cohort), 1)
            for start in range(0, len(cohort), step):
                part = slice(start, min(start + step, len(cohort)))
                answers, route = self._answer(cohort.where(np.arange(part.start, part.stop)), group[part], **how)
                routes.extend(route)
                yield part, answers

        found = told(self.target, cohort, pieces())
        return TargetPredictions.from_columns(
            self.target.name,
            found.columns,
            names=self.classes,
            pictures=found.pictures,
            truth=found.truth,
            route=routes,
            **rows,
        )

    def _classified(
        self, cohort: Cohort, group: np.ndarray, rows: Mapping[str, Any], how: Mapping[str, Any]
    ) -> Predictions:
        score, route = self._answer(cohort, group, **how)
        ids = np.asarray(cohort.ids)
        decided, score = decided_by(self.steps, score, group, ids), told_by(self.steps, score, group)
        abstained = np.zeros(len(cohort), dtype=bool) if decided is None else decided == ABSTAINED
        if decided is not None:
            decided = np.where(abstained, score.argmax(1), decided)
        found = Predictions.from_arrays(
            label_index(self.classes, cohort), y_score=score, y_pred=decided, classes=self.classes, route=route, **rows
        )
        return found.with_columns({"abstained": abstained} if abstained.any() else {})

    def _answer(
        self,
        cohort: Cohort,
        group: np.ndarray,
        *,
        routing: Routing = "known",
        when_missing: Missing = "predicted",
        device: str | torch.device = "cpu",
    ) -> tuple[np.ndarray, list[str]]:
        if cohort.sample_shape != self.sample_shape:
            raise CohortError(
                f"The model was trained on images of shape {self.sample_shape}, these have {cohort.sample_shape}.",
                fix=f"read the cohort with --image-size {self.sample_shape[0]}",
            )
        for transform in self.transforms:
            if absent := [c for c in transform.columns if c not in cohort.table]:
                raise CohortError(
                    f"The model needs column {absent[0]!r}, which the data lack.", fix="add it to the table"
                )
            cohort = cohort.seen_through(transform)
        if routing != "known" and self.group_predictor is None:
            raise SettingsError(f"Method {self.method!r} has no group predictor.", fix="use --routing known")
        if routing != "known":
            group = np.full(len(cohort), -1)
            when_missing = routing
        missing = group < 0
        answers: np.ndarray | None = None
        route = [""] * len(cohort)
        how = self._when_missing(when_missing)
        if missing.any() and how == "predicted":
            guess = self._of_groups(cohort.where(missing), device).argmax(1)
            group = group.copy()
            group[missing] = guess
        for g, name in enumerate(self.groups):
            members = group == g
            if members.any():
                answers = _put(answers, members, self._answers_of(self.route[name], cohort.where(members), device))
            for i in np.flatnonzero(members):
                route[i] = f"{'predicted' if missing[i] else 'recorded'}: {name}"
        rest = group < 0
        if rest.any():
            answers = _put(answers, rest, self._without_group(cohort.where(rest), how, device))
            for i in np.flatnonzero(rest):
                route[i] = how
        if self.route and set(self.route.values()) == {self.pooled}:
            route = ["pooled"] * len(cohort)
        return np.empty((0, self.target.n_outputs)) if answers is None else answers, route

    def _when_missing(self, wanted: str) -> str:
        if self.pooled is not None and set(self.route.values()) <= {self.pooled}:
            return "pooled"
        if wanted in ("predicted", "soft") and self.group_predictor is not None:
            return wanted
        return "pooled" if self.pooled is not None else "mean of groups"

    def _without_group(self, cohort: Cohort, how: str, device: str | torch.device) -> np.ndarray:
        if how == "pooled":
            return self._answers_of(str(self.pooled), cohort, device)
        answers = np.stack([self._answers_of(self.route[g], cohort, device) for g in self.groups], 1)
        if how == "soft":
            share = self._of_groups(cohort, device)
        else:
            share = np.full((len(cohort), len(self.groups)), 1 / len(self.groups))
        flat = answers.reshape(len(answers), len(self.groups), -1)
        mixed: np.ndarray = np.einsum("ng,ngk->nk", share.astype(flat.dtype), flat)
        return mixed.reshape(len(answers), *answers.shape[2:])

    def shares(self, name: str) -> dict[str, float]:
        """Return the networks that answer under a name of `route`, and their shares."""
        return self.mixtures.get(name, {name: 1.0})

    def _answers_of(self, name: str, cohort: Cohort, device: str | torch.device) -> np.ndarray:
        if name in self.mixtures:
            parts = [share * self._answers_of(part, cohort, device) for part, share in self.shares(name).items()]
            mixed: np.ndarray = np.sum(parts, axis=0)
            return mixed
        outputs = self.outputs(name, cohort, device)
        answers = self.target.answers(outputs if isinstance(self.target, Pictured) else outputs.double()).numpy()
        return answers / self.units[name] if name in self.units else answers

    def _of_groups(self, cohort: Cohort, device: str | torch.device) -> np.ndarray:
        """The group predictor's probabilities, (n, G)."""
        return self.outputs(str(self.group_predictor), cohort, device).double().softmax(1).numpy()

    def outputs(self, name: str, cohort: Cohort, device: str | torch.device = "cpu") -> torch.Tensor:
        """Return what one network gives for samples as it sees them, (n, ...): nothing is routed or transformed."""
        network = self.networks[name].to(device)
        try:
            return predict_outputs(network, cohort, device=device, batch_size=self.target.at_once)
        finally:
            network.to("cpu")

    # ---- saving ---------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write model.json and one safetensors file a network."""
        record = {
            "method": self.method,
            "route": self.route,
            "pooled": self.pooled,
            "group_predictor": self.group_predictor,
            "target": self.target.record,
            "groups": self.groups,
            "rule": self.rule.to_dict(),
            "sample_shape": self.sample_shape,
            "mixtures": self.mixtures,
            "units": self.units,
            "steps": [step.to_dict() for step in self.steps],
            "info": self.info,
        }
        write_model(Path(folder), record, self.networks, self.transforms)

    @classmethod
    def load(cls, folder: Path | str) -> RoutedModel:
        """Read a saved model; runs no code from the files.

        Raises
        ------
        SettingsError, OutputError
            If the folder holds no model, a damaged one, or one of a newer format.
        """
        record, networks, transforms = read_model(Path(folder))
        try:
            return cls(
                record["method"],
                networks,
                record["route"],
                target_from(record["target"]),
                tuple(record["groups"]),
                GroupRule.from_dict(record["rule"]),
                tuple(record["sample_shape"]),
                record["pooled"],
                record["group_predictor"],
                record["info"],
                transforms=transforms,
                steps=tuple(build_step(step) for step in record["steps"]),
                mixtures=record["mixtures"],
                units=record["units"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise SettingsError(f"The model in {folder} is damaged: {error}.", fix="train it again") from error


def _put(answers: np.ndarray | None, rows: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Put the answers of some rows, (n,) bool, into those of all; NaN where there are none yet."""
    if answers is None:
        answers = np.full((len(rows), *found.shape[1:]), np.nan, dtype=found.dtype)
    answers[rows] = found
    return answers
