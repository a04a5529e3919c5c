"""The pages of a run: report, model card and brief."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from everygroup.audit import Audit
from everygroup.audit.called import called
from everygroup.benchmark.comparison import Run
from everygroup.benchmark.pictures import weight_strips
from everygroup.benchmark.written import infos_of
from everygroup.check import fingerprint
from everygroup.console import recorded_warnings
from everygroup.report import write_brief, write_model_card, write_report
from everygroup.report.data_set import data_set_facts
from everygroup.spare import weight_summary


def write_pages(run: Run, environment: dict[str, Any]) -> None:
    """Write report.html, model-card.md and brief.html into the run's folder."""
    train, weights, folder = run.comparison.split.train, run.model.weights, run.folder
    audits = _with_cautions(run)
    both: dict[str, Any] = {
        "title": f"{run.comparison.method} on {train.provenance.get('name', 'the cohort')}",
        "question": _question(run),
        "fingerprint": fingerprint(run.comparison.cohort, run.comparison.split).to_dict(),
        "methods": list({i["name"]: i for method in run.audits for i in infos_of(method)}.values()),
        "environment": environment,
    }
    write_model_card(folder / "model-card.md", audits, **both)
    write_brief(folder / "brief.html", title=both["title"], question=both["question"], audit=audits)
    write_report(
        folder / "report.html",
        audit=audits,
        log=run.log,
        weights=weights,
        weight_summary=weight_summary(weights) if weights is not None else None,
        image_strips=weight_strips(train, weights) if weights is not None else None,
        of_patients=not train.provenance.get("simulated", False),
        **both,
    )


def _with_cautions(run: Run) -> list[Audit]:
    """Return the audits with what was warned of; flags of a method that the main one has not got name it."""
    main, shared = run.comparison.method, run.audits[run.comparison.method].flags
    audits = {
        m: replace(a, flags=tuple(replace(f, text=f"{m}: {f}") for f in a.flags if f not in shared))
        for m, a in run.audits.items()
    }
    audits[main] = audits[main].heeding(recorded_warnings())
    top = next(iter(audits))  # the page lists the flags of all methods in this order
    audits[top] = audits[top].heeding(run.comparison.cautions)
    return list(audits.values())


def _question(run: Run) -> dict[str, Any]:
    """Return what was asked, by name."""
    comparison, split = run.comparison, run.comparison.split
    train, settings = split.train, comparison.settings
    return {
        "cohort": train.provenance.get("name", ""),
        **data_set_facts(train.provenance, train.label),
        "label": train.label,
        "classes": ", ".join(called(train.classes, train.label or "").get(c, c) for c in train.classes),
        "groups": f"{', '.join(train.groups)} (by {train.rule.name})",
        "method": comparison.method,
        "baseline": "erm" if "erm" in run.audits else "",
        "compared with": ", ".join(m for m in run.audits if m != comparison.method) or "nothing",
        "samples (train / validation / test)": f"{len(train)} / {len(split.validation)} / {len(split.test)}",
        "split hash": split.hash,
        "seed": settings.seed,
        "backbone": run.model.backbone,
        "updates per network": settings.n_updates(len(train)),
        **{f"chosen by {name}": said for name, said in run.model.info.get("chosen", {}).items()},
    }
