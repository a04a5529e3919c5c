"""What reports say of a published data set: its terms and how its labels were made."""

from __future__ import annotations

from typing import Any

import pytest

from everygroup.datasets.published._choose import LABEL
from everygroup.report import model_card
from everygroup.report.data_set import DATA_SET, MADE_LABEL, data_set_facts

from .conftest import FakeAudit, table

PREPARED: dict[str, Any] = {
    "name": "fitzpatrick17k",
    "title": "Fitzpatrick17k",
    "licence": "CC BY-NC-SA 3.0 | research",
    "access": "open",
    "citation": "Groh et al. 2021",
    "label_map": {"name": "three", "version": 1, "column": "three_partition_label", "note": "the authors'"},
    "left_out": {"unlabelled": 0, "bad_images": 2, "by_label_map": 1200},
}


def test_facts_of_a_prepared_set() -> None:
    facts = data_set_facts(PREPARED, "label")
    assert tuple(facts) == DATA_SET
    assert facts["label map"] == "three, version 1, from the column three_partition_label: the authors'"
    assert facts["rows left out"] == "2 bad images, 1,200 by label map"


def test_a_label_map_is_told_only_of_the_label_it_made() -> None:
    assert "label map" not in data_set_facts(PREPARED, "nine_partition_label")


def test_label_maps_make_the_column_that_is_looked_for() -> None:
    assert MADE_LABEL == LABEL


@pytest.mark.parametrize("provenance", [{}, {"name": "mine", "left_out": {"unlabelled": 0}}])
def test_nothing_is_said_where_nothing_is_known(provenance: dict[str, Any]) -> None:
    assert data_set_facts(provenance, "label") == {}


def test_the_model_card_says_on_which_terms_the_data_may_be_used() -> None:
    question = {"cohort": "fitzpatrick17k", **data_set_facts(PREPARED, "label"), "method": "spare"}
    card = model_card(FakeAudit(table()), question=question)
    section = card.split("### Training Data")[1].split("### Training Procedure")[0]
    assert "- licence of the data: CC BY-NC-SA 3.0 \\| research" in section
    assert "- label map: three, version 1" in section and "- to be cited for the data: Groh et al. 2021" in section
