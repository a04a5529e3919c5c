"""What is in a cohort, and what about it could mislead: counted before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from everygroup.check.missing import missing_in_labels, missing_values
from everygroup.check.suspicions import small_cells, suspicions
from everygroup.check.values import age_by_sex, implausible
from everygroup.cohort.cohort import Cohort
from everygroup.cohort.counts import cells, duplicates, prevalence, units
from everygroup.cohort.crossed import MISSING
from everygroup.cohort.split import Split
from everygroup.files import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MIN_CELL = 10
_MAX_SHOWN_CLASSES = 12
_PARTS = ("train", "validation", "test")
_MAX_SHOWN_ROWS, _MAX_SHOWN_COLUMNS = 30, 9


@dataclass(frozen=True)
class Fingerprint:
    """Counts of a cohort and warnings about it.

    Attributes
    ----------
    cells : DataFrame
        part, label, group, n: one row a cell; part is "all", and "train", "validation", "test" where a split was
        given; group is "missing" where a sensitive attribute is.
    prevalence : DataFrame
        group, label, n, n_positive, rate, low, high: share of each label in a group, with its 95 % Wilson interval.
    missing : DataFrame
        attribute, sensitive, n, n_missing, share, n_outside (values in no bin), and the test of missingness against
        the label (test, smallest_expected, p_label, p_holm, cramers_v); equal `pattern`: missing in the same rows.
    missing_by_label : DataFrame
        attribute, label, n, n_missing, share.
    implausible : DataFrame
        attribute, what, values, n, n_units, expected (from the neighbouring values).
    ages : DataFrame
        band, sex, n: patients or lesions by ten years of age and sex; empty without a column of ages.
    units : DataFrame
        part, n, n_units, most_per_unit: images and patients (or lesions).
    duplicates : dict
        Sets of byte-identical images, as stored: sets, images, across_units, conflicting_labels, across_parts.
    warnings : tuple of str
        What could mislead, in plain words.
    overlaps : bool
        Whether an image may count under several labels: findings, structures.
    more : mapping of str to DataFrame
        Tables that others added, such as what was found in the pixels (`everygroup.check.look_at_images`).
    """

    name: str
    grouping: str
    image_shape: tuple[int, ...]
    cells: pd.DataFrame
    prevalence: pd.DataFrame
    missing: pd.DataFrame
    missing_by_label: pd.DataFrame
    implausible: pd.DataFrame
    ages: pd.DataFrame
    units: pd.DataFrame
    duplicates: dict[str, int]
    warnings: tuple[str, ...]
    overlaps: bool = False
    more: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def plus(self, tables: Mapping[str, pd.DataFrame], warnings: Sequence[str]) -> Fingerprint:
        """Return the fingerprint with tables and warnings added; a name given again replaces its table."""
        said = tuple(dict.fromkeys((*self.warnings, *warnings)))
        return replace(self, more={**self.more, **tables}, warnings=said)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON-able values."""
        names = ("cells", "prevalence", "missing", "missing_by_label", "implausible", "ages", "units")
        tables = {name: getattr(self, name).to_dict(orient="records") for name in names}
        more = {name: table.to_dict(orient="records") for name, table in self.more.items()}
        value = {
            "name": self.name,
            "grouping": self.grouping,
            "image_shape": self.image_shape,
            **tables,
            "duplicates": self.duplicates,
            **more,
            "warnings": self.warnings,
        }
        return dict(plain(value))

    def to_text(self) -> str:
        """Return the fingerprint as plain text."""
        blocks = [self._headline()]
        for title, table in self._shown():
            blocks.append(f"{title}\n{table.to_string(index=False)}")
        blocks.append("\n".join(f"! {w}" for w in self.warnings) if self.warnings else "No warnings.")
        return "\n\n".join(blocks)

    def __str__(self) -> str:
        return self.to_text()

    def render(self, console: Console) -> None:
        """Print the fingerprint as tables on a terminal."""
        from rich.text import Text

        console.print(Text(self._headline(), style="bold"))
        for title, table in self._shown():
            console.print(_rich(title, table))
        for warning in self.warnings:
            console.print(Text(f"! {warning}", style="yellow"))
        if not self.warnings:
            console.print("No warnings.")

    def _headline(self) -> str:
        whole = self.units.iloc[0]
        shape = " x ".join(str(s) for s in self.image_shape)
        of = f" of {whole['n_units']} patients or lesions" if whole["n_units"] < whole["n"] else ""
        return f"{self.name}: {whole['n']} images ({shape}){of}, grouped by {self.grouping}"

    def _shown(self) -> list[tuple[str, pd.DataFrame]]:
        """Return (title, table of text) in the order of reading."""
        shown = [(self._cells_title(), self._cells_wide())]
        rates = self.prevalence
        if rates["label"].nunique() <= _MAX_SHOWN_CLASSES:
            text = [f"{r.rate:.3f} [{r.low:.3f}, {r.high:.3f}]" if r.n else "undefined" for r in rates.itertuples()]
            wide = rates.assign(text=text).set_index(["group", "label"])["text"]
            sizes = {str(g): int(n) for g, n in zip(rates["group"], rates["n"], strict=True)}
            rows = [
                {"group": g, "n": str(n), **{k: wide[g, k] for k in rates["label"].unique()}}
                for g, n in sizes.items()
                if g != MISSING or n
            ]
            shown.append(("Share of each label within a group, with 95 % interval", pd.DataFrame(rows)))
        shown += [("Missing values", missing_shown(self.missing))]
        names = {"n": "images", "n_units": "patients or lesions", "most_per_unit": "most images of one"}
        shown.append(("Images and patients", self.units.rename(columns=names).astype(str)))
        d = self.duplicates
        names = {
            "sets": "sets",
            "images": "images",
            "across_units": "across patients",
            "conflicting_labels": "labels differ",
        }
        shown.append(("Byte-identical images", pd.DataFrame([{v: str(d[k]) for k, v in names.items()}])))
        for name, table in self.more.items():
            texts = as_shown(table)
            # What is too large for a terminal stands in the JSON file and on the page.
            if texts.shape[0] <= _MAX_SHOWN_ROWS and texts.shape[1] <= _MAX_SHOWN_COLUMNS:
                shown.append((name.replace("_", " ").capitalize(), texts))
        return [(title, table) for title, table in shown if len(table)]

    @property
    def _is_split(self) -> bool:
        return len(self.units) > 1

    def _cells_title(self) -> str:
        parts = " (all = train + validation + test)" if self._is_split else ""
        return f"Samples by label and group{parts}"

    def _cells_wide(self) -> pd.DataFrame:
        """One row a label, one column a group; with a split each cell reads '10 = 6 + 2 + 2'."""
        groups = list(self.cells["group"].unique())
        labels = list(self.cells["label"].unique())
        n = self.cells.set_index(["part", "label", "group"])["n"]
        if not sum(n["all", label, MISSING] for label in labels):
            groups.remove(MISSING)
        split = self._is_split

        def text(counts: dict[str, int]) -> str:
            return f"{counts['all']} = {' + '.join(str(counts[p]) for p in _PARTS)}" if split else str(counts["all"])

        parts = ("all", *_PARTS) if split else ("all",)
        rows = []
        for label in [*labels, *([] if self.overlaps else ["total"])]:
            chosen = labels if label == "total" else [label]
            row = {"label": label}
            for group in [*groups, "total"]:
                among = groups if group == "total" else [group]
                row[group] = text({p: int(sum(n[p, k, g] for k in chosen for g in among)) for p in parts})
            rows.append(row)
        return pd.DataFrame(rows)


def fingerprint(cohort: Cohort, split: Split | None = None) -> Fingerprint:
    """Count a cohort (and the parts of a split of it) and list what could mislead.

    Parameters
    ----------
    cohort : Cohort
    split : Split, optional
        Adds the counts of its parts, and warnings about cells too small to train on or to test.

    Returns
    -------
    Fingerprint
    """
    counted = [cells(cohort, "all")]
    if split is not None:
        counted += [cells(getattr(split, part), part) for part in _PARTS]
    table = pd.concat(counted, ignore_index=True)
    missing = missing_values(cohort)
    odd, about_values = implausible(cohort)
    twins = duplicates(cohort, split)
    warnings = suspicions(cohort, missing, about_values, twins)
    sizes = table
    if cohort.target == "number":  # a network learns from all of its fifths together
        sizes = table.groupby(["part", "group"], sort=False, as_index=False)["n"].sum().assign(label="any number")
    if split is None:
        warnings += small_cells(sizes, "all", MIN_CELL, "learn from or to test")
    else:
        warnings += small_cells(sizes, "train", MIN_CELL, "learn from")
        warnings += small_cells(sizes, "test", MIN_CELL, "test")
    return Fingerprint(
        name=str(cohort.provenance.get("name", "cohort")),
        grouping=cohort.rule.name,
        image_shape=cohort.sample_shape,
        cells=table,
        prevalence=prevalence(cohort),
        missing=missing,
        missing_by_label=missing_in_labels(cohort, missing),
        implausible=odd,
        ages=age_by_sex(cohort),
        units=units(cohort, split),
        duplicates=twins,
        warnings=tuple(warnings),
        overlaps=cohort.outcome.overlaps,
    )


def missing_shown(missing: pd.DataFrame) -> pd.DataFrame:
    """Return the missing values as texts with headings; columns of one pattern share a row."""
    rows = []
    for _, same in missing.assign(key=missing["pattern"].where(missing["pattern"] >= 0, missing.index + 1e9)).groupby(
        "key", sort=False
    ):
        row = same.iloc[0]
        names = [str(a) for a in same["attribute"]]
        rows.append(
            {
                "attribute": ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else ""),
                "missing": str(row["n_missing"]),
                "share": f"{row['share']:.1%}",
                "in no bin": str(same["n_outside"].sum()),
                "p by label": _p(row["p_label"]),
                "p, Holm": _p(row["p_holm"]),
                "test": row["test"] or "-",
                "least expected": "-" if pd.isna(row["smallest_expected"]) else f"{row['smallest_expected']:.1f}",
                "Cramér's V": "-" if pd.isna(row["cramers_v"]) else f"{row['cramers_v']:.2f}",
            }
        )
    return pd.DataFrame(rows)


def as_shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table as texts with plain headings; a value with its low and high end becomes one column."""
    text = table.map(lambda v: ("undefined" if pd.isna(v) else f"{v:.3g}") if isinstance(v, float) else str(v))
    for name in [str(c).removesuffix("_low") for c in table.columns if str(c).endswith("_low")]:
        if name in table and f"{name}_high" in table:
            low, high = f"{name}_low", f"{name}_high"
            text[name] = text[name] + " [" + text[low] + ", " + text[high] + "]"
            text = text.drop(columns=[low, high])
    return text.rename(columns=lambda name: str(name).replace("_", " "))


def _p(p: float) -> str:
    return "-" if pd.isna(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def _rich(title: str, table: pd.DataFrame) -> Table:
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=Text(title), title_justify="left")
    for k, column in enumerate(table.columns):
        shown.add_column(Text(str(column)), justify="left" if k == 0 else "right")
    for row in table.itertuples(index=False):
        shown.add_row(*(Text(str(v)) for v in row))
    return shown
