"""Attribute values become groups: cuts, category sets, intersections, missing values."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everygroup.cohort.groups import Binning, GroupRule, as_category, missing_column, natural_key
from everygroup.errors import CohortError

TABLE = pd.DataFrame(
    {
        "age": [54, 55, 55.5, 90, None, 0],
        "sex": ["female", "male", " female ", None, "male", ""],
        "skin": [1.0, 2.0, 3.0, 4.0, np.nan, 6.0],
    }
)


def groups_of(rule: GroupRule, table: pd.DataFrame = TABLE, groups: Any = None) -> list[str | None]:
    names, index = rule.assign(table, groups)
    assert index.dtype == np.int64
    return [names[i] if i >= 0 else None for i in index]


@pytest.mark.parametrize("spec", ["55", 55, [55], (55.0,), " 55 ", Binning(cuts=(55.0,))])
def test_a_value_equal_to_the_cut_falls_below(spec: Any) -> None:
    rule = GroupRule.make("age", {"age": spec})
    assert groups_of(rule) == ["<=55", "<=55", ">55", ">55", None, "<=55"]
    assert rule.assign(TABLE)[0] == ("<=55", ">55")


def test_several_cuts() -> None:
    rule = GroupRule.make("age", {"age": "0, 54.5,60"})
    assert rule.bins["age"].names == ("<=0", "(0,54.5]", "(54.5,60]", ">60")
    assert groups_of(rule) == ["(0,54.5]", "(54.5,60]", "(54.5,60]", ">60", None, "<=0"]


def test_bins_without_a_sample_are_no_groups() -> None:
    names, index = GroupRule.make("age", {"age": "20,54,100"}).assign(TABLE.iloc[:2])
    assert names == ("(20,54]", "(54,100]")
    assert index.tolist() == [0, 1]


def test_neighbouring_large_cuts_keep_their_own_names() -> None:
    assert Binning.parse("x", [1234567, 1234568, 1e20]).names[:2] == ("<=1234567", "(1234567,1234568]")


def test_category_sets_with_and_without_names() -> None:
    rule = GroupRule.make("skin", {"skin": "light: 1,2,3 | dark:4,5,6"})
    assert groups_of(rule) == ["light", "light", "light", "dark", None, "dark"]
    bare = GroupRule.make("skin", {"skin": "1,2|3,4"})
    assert bare.bins["skin"].names == ("1,2", "3,4")
    assert groups_of(bare) == ["1,2", "1,2", "3,4", "3,4", None, None]  # 6 stands in no set


def test_category_sets_as_a_mapping_read_numbers_as_categories() -> None:
    rule = GroupRule.make("skin", {"skin": {"light": [1.0, "2.0", 3], "dark": [4, 5, 6]}})
    assert groups_of(rule) == ["light", "light", "light", "dark", None, "dark"]


def test_categories_without_a_rule() -> None:
    assert groups_of(GroupRule.make("sex")) == ["female", "male", "female", None, "male", None]
    assert GroupRule.make("skin").assign(TABLE)[0] == ("1", "2", "3", "4", "6")


@pytest.mark.parametrize(
    "value",
    [None, float("nan"), np.float32("nan"), pd.NA, pd.NaT, "", "  ", "nan", "NaN", "<NA>"],
)
def test_missing_stays_missing(value: Any) -> None:
    assert as_category(value) is None
    table = pd.DataFrame({"a": pd.Series(["x", value, "y"], dtype=object)})
    assert GroupRule.make("a").assign(table)[1].tolist() == [0, -1, 1]
    assert GroupRule.make("a", {"a": "x|y"}).assign(table)[1].tolist() == [0, -1, 1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3.0, "3"),
        ("3.0", "3"),
        ("3.00", "3"),
        (np.float32(3), "3"),
        (3, "3"),
        ("3.5", "3.5"),
        (2.5, "2.5"),
        (True, "True"),
        (" a b ", "a b"),
        ("-1.0", "-1"),
        (float("inf"), "inf"),
        ("058Y", "058Y"),
        ("None", "None"),  # what words mean is settled where a table is read
        ("NA", "NA"),
        ("unknown", "unknown"),
    ],
)
def test_values_as_text(value: Any, text: str) -> None:
    assert as_category(value) == text


def test_a_column_of_missing_values_only() -> None:
    table = pd.DataFrame({"age": [None, "", np.nan]})
    for bins in (None, {"age": "55"}, {"age": "a:1|b:2"}):
        names, index = GroupRule.make("age", bins).assign(table)
        assert names == ()
        assert index.tolist() == [-1, -1, -1]


def test_intersections_in_the_order_of_their_bins() -> None:
    rule = GroupRule.make(["sex", "age"], {"age": "10,54"})
    assert rule.name == "sex & age"
    assert groups_of(rule) == ["female & (10,54]", "male & >54", "female & >54", None, None, None]
    table = pd.DataFrame({"age": [90, 50, 5, 50], "kind": ["10", "10", "10", "2"]})
    assert GroupRule.make(["age", "kind"], {"age": "10,60"}).assign(table)[0] == (
        "<=10 & 10",
        "(10,60] & 2",
        "(10,60] & 10",
        ">60 & 10",
    )


def test_groups_fixed_at_training_hold_at_prediction() -> None:
    rule = GroupRule.make("sex")
    later = pd.DataFrame({"sex": ["male", "other", "female", None]})
    assert groups_of(rule, later, ("male", "female")) == ["male", None, "female", None]
    names, index = rule.assign(later, ["male", "female"])
    assert names == ("male", "female")
    assert index.tolist() == [0, -1, 1, -1]


@pytest.mark.parametrize(
    "spec", ["", "a,b", "60,40", "40,40", "40,nan", [], [40, None], float("inf"), None, object(), "40;60"]
)
def test_cuts_that_cannot_be_read(spec: Any) -> None:
    with pytest.raises(CohortError, match=r"Cannot read the bins .* of 'age'") as caught:
        GroupRule.make("age", {"age": spec})
    assert "age=40,60" in caught.value.fix


@pytest.mark.parametrize(
    "spec", ["a:1,2|b:2,3", "a:1|a:2", "a:1|b:", "1|", {"a": [1], "b": []}, {"a": [1], "b": [1.0]}]
)
def test_category_sets_that_overlap_or_are_empty(spec: Any) -> None:
    with pytest.raises(CohortError, match="category sets of 'skin' are empty or overlap"):
        GroupRule.make("skin", {"skin": spec})


def test_a_category_set_cannot_claim_the_missing() -> None:
    with pytest.raises(CohortError, match="'nan', which counts as missing"):
        GroupRule.make("skin", {"skin": "light:1,2|rest:3,nan"})
    rule = GroupRule.make("race", {"race": "native:NA|other:AS,WH"})
    assert rule.assign(pd.DataFrame({"race": ["NA", "AS", None]}))[1].tolist() == [0, 1, -1]


def test_texts_in_a_column_to_be_cut_are_all_named_at_once() -> None:
    values = ["40", "adult", "41", "child", "adult", None]
    with pytest.raises(
        CohortError, match=r"3 of 6 values are no numbers: 'adult' \(row 3\), 'child' \(row 5\)"
    ) as caught:
        GroupRule.make("age", {"age": "55"}).assign(pd.DataFrame({"age": values}))
    assert "category sets" in caught.value.fix


def test_ages_of_any_spelling_are_cut() -> None:
    rule = GroupRule.make("age", {"age": "40,60"})
    ages = ["040Y", "41", "89+", "90 or older", "018M", "61,5", "40-49", "999Y", "-1", "", ">90"]
    table = pd.DataFrame({"age": [a if a != "40-49" else "45-49" for a in ages]})
    assert rule.values(table, "age") == [
        *("<=40", "(40,60]", ">60", ">60", "<=40", ">60", "(40,60]"),
        *(None, None, None, ">60"),
    ]
    (said,) = rule.remarks(table)
    assert said == "2 ages in 'age' are placeholders or impossible ('999Y', '-1') and are in no group."


def test_a_cut_that_would_tear_an_open_age_is_refused_with_the_count() -> None:
    table = pd.DataFrame({"age": ["50", "95"] + ["89+"] * 12})
    with pytest.raises(
        CohortError, match="12 of 14 values are only known to be 89 or more: '89\\+' \\(row 4\\)"
    ) as caught:
        GroupRule.make("age", {"age": "40,90"}).assign(table)
    assert "cuts of at most 89" in caught.value.fix
    at_bound = GroupRule.make("age", {"age": "89"})
    assert at_bound.values(table, "age")[-1] == ">89"
    assert at_bound.remarks(table) == ["'89+' in 'age' (12 rows) counts as above 89."]
    with pytest.raises(CohortError, match="1 of 2 values are not known well enough: '40-49'"):
        GroupRule.make("age", {"age": "45"}).assign(pd.DataFrame({"age": ["40-49", "50"]}))


def test_a_column_of_other_numbers_keeps_what_an_age_could_not_be() -> None:
    rule = GroupRule.make("dose", {"dose": "0"})
    assert rule.values(pd.DataFrame({"dose": ["-1", "999", "1.5"]}), "dose") == ["<=0", ">0", ">0"]


def test_dates_of_birth_are_cut_as_ages_at_the_visit() -> None:
    rule = GroupRule.make("birth", {"birth": "40"})
    table = pd.DataFrame(
        {
            "birth": ["24.12.1950", "1980-06-15", None, "20100101", "2030-01-01"],
            "study_date": ["20200615", "2020-06-14", "2020-01-01", "2020-01-01", "2020-01-01"],
            "site": ["a", "b", "a", "b", "a"],
        }
    )
    assert rule.values(table, "birth") == [">40", "<=40", None, "<=40", None]
    assert rule.remarks(table) == ["1 ages by 'birth' are impossible (below 0 or above 120) and are in no group."]
    with pytest.raises(CohortError, match="needs the date of the visit too, and no column holds one"):
        rule.values(table[["birth", "site"]], "birth")
    unclear = table.assign(birth=["03/04/1950", "05/06/1951", "07/08/1960", None, "01/02/1970"])
    with pytest.raises(CohortError, match=r"4 of 5 values of 'birth' have day and month in an order .* '03/04/1950'"):
        rule.values(unclear, "birth")


def test_a_missing_column_names_the_nearest() -> None:
    with pytest.raises(CohortError, match="No column 'Sex' in the table") as caught:
        GroupRule.make("Sex").assign(TABLE)
    assert caught.value.fix == "did you mean 'sex'? The columns are: age, sex, skin"
    assert missing_column("q", [1, 2], "x.csv").fix == "The columns are: 1, 2"


@given(st.lists(st.text(max_size=6), max_size=6))
def test_natural_order_takes_any_text(texts: list[str]) -> None:
    assert sorted(sorted(texts, key=natural_key)) == sorted(texts)


def test_natural_order() -> None:
    assert sorted(["10", "2", ">55", "<=55", "a²", "²", "grade 10", "grade 9"], key=natural_key)[:2] == ["2", "10"]
    assert sorted(["grade 10", "grade 9"], key=natural_key) == ["grade 9", "grade 10"]
    assert sorted([">55", "<=55"], key=natural_key) == ["<=55", ">55"]


cuts = st.lists(st.floats(-1e6, 1e6) | st.integers(-500, 500), min_size=1, max_size=5).map(
    lambda values: sorted({float(v) for v in values})
)


@given(cuts, st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=10))
def test_cuts_put_every_value_between_its_neighbours(edges: list[float], values: list[float | None]) -> None:
    binning = Binning.parse("x", edges)
    assert len(set(binning.names)) == len(edges) + 1
    bounds = dict(zip(binning.names, pairwise([-math.inf, *edges, math.inf]), strict=True))
    for value, name in zip(values, binning.apply("x", pd.Series(values, dtype=object)), strict=True):
        if value is None:
            assert name is None
        else:
            assert name is not None
            low, high = bounds[name]
            assert low < value <= high


words = st.from_regex(r"[a-z]{1,5}", fullmatch=True).filter(lambda w: as_category(w) is not None)
sets = st.lists(words, min_size=2, max_size=6, unique=True).map(lambda w: {f"set {v}": [v] for v in w})


@given(st.dictionaries(st.sampled_from(["age", "skin", "site"]), cuts | sets, max_size=3))
def test_a_rule_survives_json(bins: dict[str, Any]) -> None:
    rule = GroupRule.make(["age", "sex", "skin", "site"], bins)
    again = GroupRule.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule
    assert again.to_dict() == rule.to_dict()


def test_bins_of_a_column_that_is_not_grouped_by_are_a_mistake() -> None:
    with pytest.raises(CohortError, match="Bins are given for 'agee', but groups are made by age"):
        GroupRule.make("age", {"agee": "55"})


def test_a_column_is_named_once_and_groups_have_names_of_their_own() -> None:
    with pytest.raises(CohortError, match="by 'sex' twice"):
        GroupRule.make(["sex", "sex"])
    table = pd.DataFrame({"a": ["x & y", "x"], "b": ["z", "y & z"]})
    with pytest.raises(CohortError, match="'x & y & z'"):
        GroupRule.make(["a", "b"]).assign(table)


def test_dates_of_birth_are_to_be_cut() -> None:
    table = pd.DataFrame({"dob": [f"19{40 + k}-03-12" for k in range(20)]})
    with pytest.raises(CohortError, match="20 different values") as error:
        GroupRule.make("dob").refuse_numbers(table)
    assert "--bins dob=40,60" in str(error.value.fix)
