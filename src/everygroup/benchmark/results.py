"""A benchmark's results: a pure function of the files that finished jobs left, made again at will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from everygroup.benchmark.job_gaps import gap_rows
from everygroup.benchmark.measure import long_rows
from everygroup.benchmark.recipe import CohortEntry
from everygroup.benchmark.weight_facts import FILES as WEIGHT_FILES
from everygroup.console import warn
from everygroup.errors import OutputError
from everygroup.files import read_json
from everygroup.imported import import_file
from everygroup.metrics.own import adopt
from everygroup.predictions import read_predictions
from everygroup.settings import read_config

RUN = ["cohort", "attribute", "backbone", "method", "seed"]
SETTING = ["cohort", "attribute", "backbone"]


def of_setting(table: pd.DataFrame, setting: Sequence[Any]) -> pd.DataFrame:
    """Return the rows of one cohort, attribute and backbone."""
    if table.empty:
        return table
    mask = np.ones(len(table), dtype=bool)
    for column, value in zip(SETTING, setting, strict=True):
        mask &= (table[column] == value).to_numpy()
    return table[mask]


@dataclass(frozen=True)
class FinishedJob:
    """A finished job: its folder and what its config.yaml says."""

    folder: Path
    config: Mapping[str, Any]

    @property
    def about(self) -> dict[str, Any]:
        """The columns of `RUN`."""
        return {
            "cohort": self.config["cohort"]["name"],
            "attribute": self.config["attribute"],
            "backbone": self.config["backbone"],
            "method": self.config["label"],
            "seed": self.config["seed"],
        }

    @property
    def overlap(self) -> float:
        """Test over training samples where seeds split the same samples anew, so that their tests overlap; else 0."""
        entry = CohortEntry.model_validate(self.config["cohort"])
        return entry.split[2] / entry.split[0] if entry.resplits else 0.0

    def table(self, name: str) -> pd.DataFrame:
        """Read one of its tables; names of groups stay texts, whatever they look like."""
        words = {"group", "target_group", "source_group", "target_a", "target_b", "level", "size"}
        columns = pd.read_csv(self.folder / name, nrows=0).columns
        texts = [c for c in columns if c in words]
        numbers = {c: [""] for c in columns if c not in texts}
        return pd.read_csv(
            self.folder / name, dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values=numbers
        )


class Results:
    """The result files of a benchmark folder.

    Parameters
    ----------
    out : path
        Folder of `everygroup benchmark`.

    Raises
    ------
    OutputError
        If there is no finished job, or one comparison was run under two settings.
    """

    def __init__(self, out: Path | str) -> None:
        self.out = Path(out)
        self.every = [
            FinishedJob(done.parent, read_config(done.parent / "config.yaml"))
            for done in sorted(self.out.glob("jobs/*/done"))
        ]
        self.final = [job for job in self.every if job.config["stage"] == "final"]
        if not self.final:
            raise OutputError(f"{out} holds no finished job of a benchmark.", fix="run everygroup benchmark first")
        where = self.out / "recipe.yaml"
        self.recipe: dict[str, Any] = read_config(where) if where.exists() else {}
        order = [str(m.get("label") or m["name"]) for m in self.recipe.get("methods", [])]
        place = {label: i for i, label in enumerate(order)}
        self.final.sort(key=lambda job: place.get(job.config["label"], len(place)))  # the recipe's order, else by name

    @cached_property
    def rows(self) -> pd.DataFrame:
        """All values: `RUN`, part, group, metric, value, n, job, overlap (`FinishedJob.overlap`)."""
        tables = [
            table.drop(columns="attribute").assign(**job.about, job=job.folder.name, overlap=job.overlap)
            for job in self.final
            for table in (job.table("metrics.csv"), *self._own_values(job))
        ]
        rows = pd.concat(tables, ignore_index=True)[[*RUN, "part", "group", "metric", "value", "n", "job", "overlap"]]
        per = rows.groupby(RUN, sort=False)["job"].nunique().reset_index()
        if len(twice := per[per["job"] > 1]):
            one = twice.iloc[0]
            raise OutputError(
                f"{self.out} holds two results of {one['method']} on {one['cohort']} by {one['attribute']} "
                f"({one['backbone']}, seed {one['seed']}).",
                fix="delete the job folder that is out of date",
            )
        self._check_data()
        return rows

    @cached_property
    def gaps(self) -> pd.DataFrame:
        """Gaps of all parts with their null: `RUN`, overlap and the columns of `gap_rows`."""
        tables = [self._gaps(job).assign(**job.about, overlap=job.overlap) for job in self.final]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def own(self) -> list[str]:
        """Metrics in the files that the recipe imports; measured here and not by the jobs, so that one added or mended
        later needs no training."""
        files = [Path(str(file)) for file in self.recipe.get("imports", [])]
        lost = [file.name for file in files if not file.is_file()]
        if lost:
            warn(f"{', '.join(lost)} of the recipe is not there any more: metrics that it defined are left out.")
        return [name for file in files if file.is_file() for name in adopt(import_file(file)[0])]

    def _own_values(self, job: FinishedJob) -> list[pd.DataFrame]:
        if not self.own:
            return []
        return [long_rows(read_predictions(job.folder / "predictions.csv"), str(job.config["attribute"]), self.own)]

    def _check_data(self) -> None:
        """Refuse runs of one seed and setting that saw different data or another split: they are no pairs."""
        seen: dict[tuple[Any, ...], tuple[FinishedJob, tuple[str, str]]] = {}
        for job, environment in zip(self.final, self.environments, strict=True):
            data = (str(environment.get("cohort_hash", "")), str(environment.get("split_hash", "")))
            key = tuple(job.about[k] for k in (*SETTING, "seed"))
            first, known = seen.setdefault(key, (job, data))
            if known != data:
                raise OutputError(
                    f"{first.folder.name} and {job.folder.name} in {self.out / 'jobs'} were run on different data or "
                    f"another split of {job.about['cohort']}: they cannot be compared.",
                    fix="delete the folders of the data that are out of date and run the benchmark again",
                )

    @staticmethod
    def _gaps(job: FinishedJob) -> pd.DataFrame:
        if (job.folder / "gaps.csv").exists():
            return job.table("gaps.csv")
        return gap_rows(read_predictions(job.folder / "predictions.csv"))  # a folder of an earlier version

    def weights(self, name: str) -> pd.DataFrame:
        """One of the weight tables ('weight_summary.csv', ...) of the methods that weight samples; may be empty."""
        assert name in WEIGHT_FILES
        found = [job.table(name).assign(**job.about) for job in self.final if (job.folder / name).exists()]
        found = [table for table in found if len(table)]
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame()

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What every finished job cost, search jobs included; one row a job."""
        rows: list[dict[str, Any]] = []
        for job in self.every:
            cost = read_json(job.folder / "cost.json")
            stage = {key: job.config[key] for key in ("stage", "draw")}
            rows.append({**job.about, **stage, **{k: v for k, v in cost.items() if not isinstance(v, list)}})
        return pd.DataFrame(rows)

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """What parts chose on validation (a round, a threshold, nothing): `RUN`, by, chosen; one row a run and part."""
        rows = [
            {**job.about, "by": part, "chosen": said}
            for job in self.final
            if (job.folder / "chosen.json").exists()
            for part, said in read_json(job.folder / "chosen.json").items()
        ]
        return pd.DataFrame(rows, columns=[*RUN, "by", "chosen"])

    @cached_property
    def names(self) -> dict[str, str]:
        """Registry name of every label."""
        return {job.config["label"]: job.config["method"] for job in self.final}

    @cached_property
    def environments(self) -> list[dict[str, Any]]:
        """environment.json of every final job."""
        return [read_json(job.folder / "environment.json") for job in self.final]

    @cached_property
    def failed(self) -> list[str]:
        """Jobs that failed, each with its reason."""
        found = [read_json(path) for path in sorted(self.out.glob("jobs/*/failed.json"))]
        return [f"{f['job']}: {f['message']}" if f.get("message") else str(f["job"]) for f in found]

    @cached_property
    def partly_searched(self) -> list[str]:
        """Methods whose hyper-parameters were chosen while some draws had failed, and how many were judged."""
        found = []
        for path in sorted(self.out.glob("choices/*.json")):
            record = read_json(path)
            judged = sum(draw["values"] is not None for draw in record["draws"])
            if record["chosen"] is not None and judged < len(record["draws"]):
                where = f"{record['cohort']} by {record['attribute']} ({record['backbone']})"
                found.append(f"{record['method']} on {where}, {judged} of {len(record['draws'])}")
        return found

    @cached_property
    def missing(self) -> list[str]:
        """Final runs that the recipe names and no finished job gives, by setting and method."""
        there = {tuple(job.about[key] for key in RUN) for job in self.final}
        lacking: dict[str, list[int]] = {}
        for cohort, backbone, method, seed in product(
            *(self.recipe.get(key, []) for key in ("cohorts", "backbones", "methods", "seeds"))
        ):
            for attribute in cohort.get("attributes") or {"own": None}:
                label = str(method.get("label") or method["name"])
                if (cohort["name"], attribute, backbone, label, seed) not in there:
                    lacking.setdefault(f"{label} on {cohort['name']} by {attribute} ({backbone})", []).append(seed)
        return [f"{what}, seed {', '.join(map(str, seeds))}" for what, seeds in lacking.items()]


def any_result(out: Path | str) -> bool:
    """Tell whether there is anything to collect: a finished job that is no search."""
    done = Path(out).glob("jobs/*/done")
    return any(read_config(path.parent / "config.yaml")["stage"] == "final" for path in done)
