"""`everygroup audit`: all group-wise numbers of a table of predictions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from everygroup.cli.cohort_options import BinsOption, parse_bins
from everygroup.console import console, say
from everygroup.errors import OutputError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from everygroup.audit import Audit
    from everygroup.predictions import Predictions

ALL_SPLITS = "all"
NOT_COMPARED = ("n too small", "one patient or lesion")


def audit(
    file: Annotated[Path, typer.Argument(help="CSV of predictions, or a run folder that holds predictions.csv.")],
    y_true: Annotated[str | None, typer.Option(help="Column of the label.")] = None,
    y_pred: Annotated[str | None, typer.Option(help="Column of the answer.")] = None,
    y_score: Annotated[
        list[str] | None, typer.Option(help="Column of a class's score, repeatable; or a pattern such as 'score_*'.")
    ] = None,
    group: Annotated[list[str] | None, typer.Option(help="Column of a sensitive attribute; repeatable.")] = None,
    bins: BinsOption = None,
    id_column: Annotated[str | None, typer.Option(help="Column of the sample id.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of the patient or lesion.")] = None,
    split: Annotated[
        str | None, typer.Option(help="Audit the rows of this split; 'test' where there is one, 'all' for everything.")
    ] = None,
    split_column: Annotated[str | None, typer.Option(help="Column of the split.")] = None,
    baseline: Annotated[Path | None, typer.Option(help="Predictions of another model for the same samples.")] = None,
    n_boot: Annotated[int, typer.Option(min=1, help="Bootstrap replicates and permutations.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the resampling.")] = 0,
    min_n: Annotated[int, typer.Option(min=1, help="Groups with fewer samples are left out of gaps.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; FILE-audit beside the file.")] = None,
) -> None:
    """Measure performance in every group, the gaps between groups, and how certain all this is."""
    from everygroup.audit import audit as run_audit
    from everygroup.predictions import Predictions

    path = _csv_of(file)
    folder = out if out is not None else path.parent / f"{path.stem}-audit"
    if (folder / "config.yaml").exists():
        raise OutputError(
            f"{folder} is the folder of a run, whose summary.csv, audit.json and report.html would be replaced.",
            fix=f"choose another folder, such as --out {folder}-audit, or leave out --out",
        )
    rules = parse_bins(bins)

    def read(path: Path) -> Predictions:
        scores = y_score if y_score is None or len(y_score) > 1 else y_score[0]
        read_table = Predictions.read_csv(
            _csv_of(path),
            y_true=y_true,
            y_pred=y_pred,
            y_score=scores,
            groups=group or None,
            bins=rules,
            id=id_column,
            unit=cluster,
            split=split_column,
        )
        return _choose_split(read_table, split)

    predictions = read(file)
    other = None if baseline is None else read(baseline)
    result = run_audit(predictions, baseline=other, n_boot=n_boot, seed=seed, min_n=min_n)
    show(result)
    asked = {"predictions": path.name, "samples": len(predictions), "baseline": baseline.name if baseline else "none"}
    for written in write(result, folder, asked):
        say(f"Wrote {written}")


def write(result: Audit, folder: Path, asked: dict[str, Any]) -> list[Path]:
    """Write everything an audit leaves behind, and return the files."""
    from everygroup.report import write_report

    title = f"Audit of {asked['predictions']}"
    return [
        result.to_csv(folder / "summary.csv"),
        result.to_json(folder / "audit.json"),
        write_report(folder / "report.html", title=title, question=asked, audit=result),
    ]


def show(result: Audit) -> None:
    """Print one table per attribute, the comparison, the flags and the summary."""
    for attribute, rows in result.table.groupby("attribute", sort=False):
        records = [r for r in _records(rows) if r["group"] != "worst"]
        for table in _tables(f"By {attribute}: value, 95 % interval", records, _value_cell, console.width):
            console.print(table)
    for attribute, rows in result.comparison.groupby("attribute", sort=False):
        records = _records(rows)
        changes = [r for r in records if not r["metric"].startswith("fate_")]
        for table in _tables(f"Change against the baseline, by {attribute}", changes, _change_cell, console.width):
            console.print(table)
        for r in records:
            if r["metric"].startswith("fate_"):
                say(f"{r['metric']}: {r['value']:.3f} ({r['note']})")
    for flag in result.flags:
        console.print(f"! {flag}", markup=False, style="yellow", soft_wrap=True)
    say(result.summary())


def _csv_of(path: Path) -> Path:
    return path / "predictions.csv" if path.is_dir() else path


def _choose_split(predictions: Predictions, split: str | None) -> Predictions:
    if split == ALL_SPLITS:
        return predictions
    if split is not None:
        return predictions.of_split(split)
    found = set(predictions.table["split"])
    if "test" in found and len(found) > 1:
        say("Auditing the rows of split 'test' (--split all for everything).")
        return predictions.of_split("test")
    return predictions


def _new_table(title: str, columns: list[str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if i == 0 else "right")
    return table


def _tables(
    title: str, records: list[dict[str, Any]], cell: Callable[[dict[str, Any]], str], width: int
) -> list[Table]:
    """Metrics down, groups and the gap across; as many tables as the groups need at this width."""
    from rich.text import Text

    metrics = list(dict.fromkeys(r["metric"] for r in records))
    groups = list(dict.fromkeys(r["group"] for r in records if r["group"] != "gap"))
    cells = {(r["group"], r["metric"]): cell(r) for r in records}
    n = {r["group"]: r["n"] for r in records}
    longest = max(len(m) for m in metrics)
    per_table = max(1, (width - longest - 5) // (max(len("-0.000 to -0.000"), *map(len, groups)) + 3))
    columns = [*groups, "gap"]
    tables = []
    for first in range(0, len(columns), per_table):
        part = columns[first : first + per_table]
        headings = ["gap" if g == "gap" else f"{g}\nn = {n[g]}" for g in part]
        table = _new_table(f"{title} (continued)" if first else title, ["", *headings])
        for metric in metrics:
            texts = [cells.get((g, metric), "") for g in part]
            if any(texts):
                table.add_row(Text(metric), *(Text(t) for t in texts))
        tables.append(table)
    return tables


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in record.items()} for record in rows.to_dict("records")]


def _value_cell(record: dict[str, Any]) -> str:
    """Value, interval and what to know about it, line by line."""
    if math.isnan(record["value"]):
        return "undefined"
    lines = [f"{record['value']:.3f}"]
    if not math.isnan(record["low"]):
        lines.append(f"{record['low']:.3f} to {record['high']:.3f}")
    if not math.isnan(record["p"]):
        lines.append(_p(record["p"]))
    if record["note"] in NOT_COMPARED:
        lines.append(record["note"])
    return "\n".join(lines)


def _change_cell(record: dict[str, Any]) -> str:
    """Change, interval, p of the accuracies, and the verdict of a gap or why a group is not compared, line by line."""
    if math.isnan(record["change"]):
        return "undefined"
    lines = [f"{record['change']:+.3f}"]
    if not math.isnan(record["low"]):
        lines.append(f"{record['low']:+.3f} to {record['high']:+.3f}")
    if not math.isnan(record["p"]):
        lines.append(_p(record["p"]))
    elif record["note"] and (record["group"] == "gap" or record["note"] in NOT_COMPARED):
        lines.append(record["note"])
    return "\n".join(lines)


def _p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
