from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everygroup.errors import OutputError
from everygroup.report import gaps_table, groups_table, model_card, write_model_card, write_tables
from everygroup.report.tables import latex_text, markdown_text

from .conftest import HOSTILE, FakeAudit, table
from .synthetic import full_audit

MITCHELL = (
    *("Model Details", "Intended Use", "Factors", "Metrics", "Evaluation Data", "Training Data"),
    *("Quantitative Analyses", "Ethical Considerations", "Caveats and Recommendations"),
)
HUGGING_FACE = (
    *("Model Details", "Uses", "Direct Use", "Downstream Use", "Out-of-Scope Use", "Bias, Risks, and Limitations"),
    *("Recommendations", "How to Get Started with the Model", "Training Details", "Training Data"),
    *("Training Procedure", "Evaluation", "Results", "Summary", "Environmental Impact", "Technical Specifications"),
    *("Citation", "Model Card Contact", "Model Sources", "Model Description"),
)


def test_latex_of_groups() -> None:
    text = groups_table(full_audit(), form="latex")
    assert r"sex & female & 1,200 & 0.8" in text and r"\toprule" in text and r"\bottomrule" in text
    columns = re.search(r"begin{tabular}{(\w+)}", text)
    assert columns is not None
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") + 1 for line in lines} == {len(columns.group(1))}
    assert r"95 \% intervals" in text


def test_markdown_of_groups_and_chosen_metrics() -> None:
    text = groups_table(full_audit(), metrics=["auc"])
    lines = text.splitlines()
    assert lines[0] == "| Attribute | Group | n | AUC |"
    assert lines[1] == "| --- | --- | ---: | ---: |"
    assert len(lines) == 2 + 8
    with pytest.raises(OutputError, match="no metric dice"):
        groups_table(full_audit(), metrics=["dice"])
    with pytest.raises(OutputError, match="html"):
        groups_table(full_audit(), form="html")  # type: ignore[arg-type]


def test_the_card_says_what_the_brief_says() -> None:
    card = model_card([full_audit("erm", baseline=""), full_audit()])
    assert "unlikely to be chance (p = 0.004)" in card and "melanoma in over 60 rests on 9 patients." in card


def test_several_methods_get_a_column() -> None:
    both = [full_audit("erm", baseline=""), full_audit()]
    assert "| Attribute | Group | Method | n |" in groups_table(both)
    assert "| Attribute | Gap in | Method | Gap | p | By chance | Detectable |" in gaps_table(both)
    plain = gaps_table(FakeAudit(table()))
    assert plain.splitlines()[0] == "| Attribute | Gap in | Gap | p |"
    assert "| age | F1 (macro) | 0.100 (0.020 to 0.200) | &lt; 0.001 |" in plain


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=30))
def test_escaped_text_cannot_end_a_cell_or_run(text: str) -> None:
    tex = latex_text(text)
    bare = re.sub(r"\\(text\w+|dots)\{\}|\\[{}$&#_%]|\$(-|\\geq|\\leq)\$", "", tex)
    assert not set(bare) & set("\\{}$&#_%~^<>")
    markdown = markdown_text(text)
    assert "<" not in markdown and "\n" not in markdown
    assert not re.search(r"(?<!\\)(\\\\)*[|`]", re.sub(r"\\[\\|`]", "", markdown))


def test_tables_are_written(tmp_path: Path) -> None:
    written = write_tables(tmp_path, FakeAudit(table(groups=("young", HOSTILE))))
    assert sorted(p.name for p in written) == ["gaps.md", "gaps.tex", "groups.md", "groups.tex"]
    assert all(p.is_file() for p in written)
    assert "<script" not in (tmp_path / "groups.md").read_text(encoding="utf-8")


def test_model_card_has_all_headings() -> None:
    text = model_card(full_audit(), question={"cohort": "made up", "method": "spare", "command": "everygroup audit x"})
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    assert set(MITCHELL) <= set(headings) and set(HUGGING_FACE) <= set(headings)
    assert len(headings) == len(set(headings))
    levels = [len(h) for h in re.findall(r"^(#+) ", text, re.MULTILINE)]
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert text.startswith("---\nlibrary_name: everygroup\n")
    assert "Made by: everygroup audit x" in text and "- cohort: made up" in text


def test_model_card_invents_nothing() -> None:
    text = model_card(full_audit())
    for heading in ("Intended Use", "Citation", "Model Sources", "Training Data", "Evaluation Data"):
        part = text.split(f"# {heading}\n")[1].strip().splitlines()[0]
        assert part.startswith("**Question for the team:**"), heading
    assert "fair model" not in text
    assert "| sex | female | 1,200 |" in text and "0.700 (0.650 to 0.750)" in text
    assert "melanoma in over 60 rests on 9 patients" in text


def test_model_card_of_a_run_is_escaped(tmp_path: Path) -> None:
    path = write_model_card(
        tmp_path / "card.md",
        FakeAudit(table(groups=("young", HOSTILE)), flags=(HOSTILE,)),
        title=HOSTILE,
        question={"cohort": HOSTILE, "n": 5, "note": ""},
        fingerprint={"warnings": [HOSTILE]},
        methods=[{"name": HOSTILE, "paper": None, "families": ["a"]}],
        environment={"python": "3.11", "command": f"everygroup fit {HOSTILE}", "seconds": 3.2},
    )
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text and "<img" not in text
    assert "- seconds: 3.200" in text and "families: a" in text
