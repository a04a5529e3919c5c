"""Puts measured attributes together into an `Audit`, for any kind of prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from everygroup.audit.attribute import Overall, attribute_rows, difference_rows, overall_values
from everygroup.audit.engine import Plan
from everygroup.audit.flags import Flag, part_flags, ranked, size_flags, undefined_flags
from everygroup.audit.measurement import Measurement
from everygroup.audit.result import FRAMES, Audit, frame_of
from everygroup.metrics.families import Index


class Collector:
    """Collects the rows of one audit.

    Parameters
    ----------
    plan : how it was measured.
    headline : the metric that the summary and the chance flag are about.
    shown : performance metrics to write; all by default.
    data_set, method, seed, baseline : what stands in front of every row.

    Examples
    --------
    A whole audit is::

        collector = Collector(plan, headline="mae", method="mine")
        for part in partitions:
            collector.add(measure(families, part, cluster, plan))
        result = collector.finish(settings={"n": n})
    """

    def __init__(
        self,
        plan: Plan,
        *,
        headline: str,
        shown: Sequence[str] | None = None,
        data_set: str = "",
        method: str = "",
        seed: int | None = None,
        baseline: str = "baseline",
    ) -> None:
        self.plan, self.headline, self.shown = plan, headline, None if shown is None else tuple(shown)
        self.flags: list[Flag | str] = []
        self._run = {"data_set": data_set, "method": method, "seed": seed}
        self._baseline = baseline
        self._rows: dict[str, list[Mapping[str, Any]]] = {name: [] for name in FRAMES}
        self._overall: Overall = {}
        self._parts: dict[str, dict[str, Any]] = {}
        self._titles: dict[str, str] = {}

    def add(self, m: Measurement, *, positives: Index | None = None, flags: Sequence[Flag] = ()) -> None:
        """Take the rows and flags of one attribute.

        Parameters
        ----------
        positives : (S,) samples of the second of two classes in every slot.
        flags : what the task heeds, told before what is undefined.
        """
        # the same values and intervals for all rows together, whichever attribute stratified the replicates
        self._overall = self._overall or overall_values(m)
        self.extend("table", attribute_rows(m, self._overall, shown=self.shown, positives=positives))
        self.extend("differences", difference_rows(m, shown=self.shown))
        if m.partition.title:
            self._titles[m.partition.attribute] = m.partition.title
        shown = m.metrics if self.shown is None else self.shown
        self.flags += [*size_flags(m), *flags, *undefined_flags(m, shown)]
        self.flags += part_flags(m, shown)
        if m.part:
            metrics = [name for name in m.of_part if name in shown]
            self._parts[m.partition.attribute] = {
                "clusters": m.part, "of": int(m.partition.clusters[-1]), "metrics": metrics
            }  # fmt: skip

    def extend(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Take rows of any table of `Audit`."""
        self._rows[name] += rows

    def finish(self, settings: Mapping[str, Any] | None = None) -> Audit:
        """Return the audit."""
        plan, rows = self.plan, self._rows["table"]
        frames = {name: frame_of(name, rows, **self._run) for name, rows in self._rows.items() if name != "comparison"}
        frames["comparison"] = frame_of("comparison", self._rows["comparison"], **self._run, baseline=self._baseline)
        folded = (
            "percentile of the resampled gap" if plan.interval == "percentile" else "folded simultaneous differences"
        )
        how: dict[str, Any] = {
            "n_boot": plan.n_boot,
            "seed": plan.seed,
            "min_n": plan.min_n,
            "stratify": plan.stratify,
            "interval": f"95 %, clusters resampled; by metric in the column `interval`; gaps: {folded}",
            "headline": self.headline,
            "shown": list(
                self.shown
                if self.shown is not None
                else dict.fromkeys(r["metric"] for r in rows if r["group"] == "overall")
            ),
        }
        if self._parts:
            how["resampled_part"] = self._parts
        if self._titles:
            how["titles"] = self._titles
        flags = tuple(self._titled(flag) for flag in ranked(self.flags))
        return Audit(flags=flags, settings=how | dict(settings or {}), **frames)

    def _titled(self, flag: Flag) -> Flag:
        """A flag with the name of the attribute that a grouping is made of."""
        attribute, colon, rest = flag.text.partition(":")
        return replace(flag, text=f"{self._titles.get(attribute, attribute)}{colon}{rest}")
