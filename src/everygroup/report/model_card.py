"""A model card in Markdown: the headings of Hugging Face and of Mitchell et al. (2019), filled from what was measured.

What cannot be known from a run or an audit is left as a marked question for the team, never made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from everygroup.audit.verdicts import verdicts
from everygroup.audit.words import title_of
from everygroup.figures.theme import clean_text
from everygroup.files import write_text
from everygroup.report.blocks import cell
from everygroup.report.data_set import DATA_SET
from everygroup.report.notes import LIMITS
from everygroup.report.reading import AuditLike, Reading
from everygroup.report.tables import gaps_table, groups_table, markdown_text

_ASK = "**Question for the team:** "
_FRONT_MATTER = """---
library_name: everygroup
tags:
- group-wise-audit
---
"""
# What describes the data of training, and how it was made; all else that was asked describes the evaluation.
_SAMPLES = ("label", "classes", "groups", "split_hash", "split hash", "samples (train / validation / test)")
_COHORT = ("cohort", *DATA_SET, *_SAMPLES)
_TRAINING = ("method", "backbone", "seed", "updates per network")


def model_card(
    audit: AuditLike | Sequence[AuditLike],
    *,
    title: str = "",
    question: Mapping[str, Any] | None = None,
    fingerprint: Mapping[str, Any] | None = None,
    methods: Sequence[Mapping[str, Any]] | None = None,
    environment: Mapping[str, Any] | None = None,
) -> str:
    """Return a model card as Markdown.

    Parameters
    ----------
    audit : Audit or several
        What was measured.
    title : str
        Heading; the name of the method by default.
    question : mapping, optional
        What was asked, as given to `write_report`.
    fingerprint : mapping, optional
        `Fingerprint.to_dict()` of the cohort; its warnings are repeated.
    methods : sequence of mappings, optional
        What each method is.
    environment : mapping, optional
        Versions and machine.

    Raises
    ------
    OutputError
        If the audit has no rows.
    """
    audits = list(audit) if isinstance(audit, Sequence) else [audit]
    asked = dict(question or {})
    reading = Reading.of(audits, asked)
    name = clean_text(title) or reading.method or "this model"
    warnings = [str(text) for text in (fingerprint or {}).get("warnings", ())]
    said = verdicts(reading.front)
    flags = [str(flag) for flag in reading.flags]
    attributes = ", ".join(markdown_text(a) for a in dict.fromkeys(reading.table["attribute"]))
    parts = [
        _FRONT_MATTER,
        f"# Model card for {markdown_text(name)}",
        "Filled from measurements by everygroup. A measured gap, or its absence, describes these data; it does not "
        "certify a model. Questions marked so can only be answered by the team.",
        "## Model Details",
        "### Model Description",
        _facts(asked, _TRAINING) or f"{_ASK}what kind of model is this, and how was it made?",
        _methods(methods),
        f"{_ASK}who developed it, which version and date is this, under what licence, and whom may people write to?",
        "### Model Sources",
        f"{_ASK}where are code and weights?",
        "## Uses",
        "### Intended Use",
        f"{_ASK}for which patients, by whom and at which step of care is it meant to be used? What may go wrong when "
        "it is used otherwise?",
        "#### Direct Use",
        f"{_ASK}may it be used as it is, and by whom?",
        "#### Downstream Use",
        f"{_ASK}may it be adapted, and to what?",
        "#### Out-of-Scope Use",
        f"Patients unlike those described under Evaluation Data were not examined. {_ASK}what must it not be used for?",
        "## Bias, Risks, and Limitations",
        _list([*LIMITS, *flags]),
        "### Ethical Considerations",
        f"Sensitive attributes looked at: {attributes}. {_ASK}were patients asked, who could be harmed by errors, and "
        "which error is worse?",
        "### Recommendations",
        "Read n and the interval beside every number before acting on it, and measure again where it is to be used.",
        "## How to Get Started with the Model",
        _command(asked, environment),
        "## Training Details",
        "### Training Data",
        _facts(asked, _COHORT) or f"{_ASK}what was it trained on?",
        _list(warnings),
        "### Training Procedure",
        _facts(asked, _TRAINING) or f"{_ASK}how was it trained?",
        "## Evaluation",
        "### Evaluation Data",
        _facts({k: v for k, v in asked.items() if k not in _TRAINING}, None) or f"{_ASK}which patients are these?",
        "### Factors",
        f"Groups of {attributes}. Patients whose value is missing form a group of their own and take no part in gaps. "
        f"{_ASK}which other factors (device, site, severity) matter?",
        "### Metrics",
        _list([title_of(m) for m in reading.metrics]),
        "95 % intervals, clustered by patient; the method of each is in summary.csv, beside its n.",
        "### Results",
        "#### Quantitative Analyses",
        _list([f"{v.title}: {' '.join(v.sentences)}" for v in said.by_attribute]),
        groups_table(reading),
        gaps_table(reading),
        "#### Summary",
        " ".join(markdown_text(text) for text in (said.headline, *said.unknown)),
        "## Environmental Impact",
        _facts({k: v for k, v in (environment or {}).items() if k in ("seconds", "device")}, None)
        or f"{_ASK}how long, and on what machines, was it trained?",
        "## Technical Specifications",
        _facts({k: v for k, v in (environment or {}).items() if k != "command"}, None)
        or f"{_ASK}what does it need to run?",
        "## Caveats and Recommendations",
        "The numbers were not checked against another cohort, and no threshold was chosen for a clinical purpose "
        f"unless stated above. {_ASK}what should be examined next?",
        "## Citation",
        f"{_ASK}how should it be cited?",
        "## Model Card Contact",
        f"{_ASK}who keeps this card up to date?",
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def write_model_card(path: Path | str, audit: AuditLike | Sequence[AuditLike], **given: Any) -> Path:
    """Write `model_card` to a file, atomically."""
    write_text(path, model_card(audit, **given))
    return Path(path)


def _facts(values: Mapping[str, Any], wanted: Sequence[str] | None) -> str:
    kept = values if wanted is None else {k: values[k] for k in wanted if k in values}
    return "\n".join(
        f"- {markdown_text(str(k).replace('_', ' '))}: {markdown_text(cell(v, str(k)))}"
        for k, v in kept.items()
        if v not in (None, "") and k not in ("command", "how_to_reproduce")
    )


def _list(texts: Sequence[str]) -> str:
    return "\n".join(f"- {markdown_text(text)}" for text in texts)


def _methods(methods: Sequence[Mapping[str, Any]] | None) -> str:
    lines = []
    for method in methods or ():
        shown = [f"{k}: {cell(v, str(k))}" for k, v in method.items() if v not in (None, "", [], ())]
        lines.append("; ".join(shown))
    return _list(lines)


def _command(asked: Mapping[str, Any], environment: Mapping[str, Any] | None) -> str:
    for source in (environment or {}, asked):
        for key in ("command", "how_to_reproduce"):
            if source.get(key):
                return f"Made by: {markdown_text(source[key])}"
    return f"{_ASK}how is it loaded and run?"
