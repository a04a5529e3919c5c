"""Chains: how they are written, what they refuse, and that parts work together."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from everygroup.cohort import Split
from everygroup.errors import SettingsError
from everygroup.methods import ERM, Chain, GroupModel, Resampling, Spare, Store, create_method
from everygroup.methods.chain import parse
from everygroup.settings import TrainSettings


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("erm", [("erm", {})]),
        (" erm ", [("erm", {})]),
        ("erm()", [("erm", {})]),
        ("a(x=1) + b", [("a", {"x": 1}), ("b", {})]),
        ("a(x=1e-4,y=off,z=true)+b(w=null)", [("a", {"x": 1e-4, "y": "off", "z": True}), ("b", {"w": None})]),
        ("a(x=[1, 2], y={g0: 0.5, g1: 0.9})", [("a", {"x": [1, 2], "y": {"g0": 0.5, "g1": 0.9}})]),
        (
            "a(x=[[1, 2], [3]]) + b(y={p: [1, {q: 2}]})",
            [("a", {"x": [[1, 2], [3]]}), ("b", {"y": {"p": [1, {"q": 2}]}})],
        ),
        ("a(groups=['x + y', \"p, q (r)\"], z='(')", [("a", {"groups": ["x + y", "p, q (r)"], "z": "("})]),
        ("a(x='it''s')", [("a", {"x": "it's"})]),
        ("a(t=b(u=1))", [("a", {"t": "b(u=1)"})]),
    ],
    ids=str,
)
def test_what_is_written_is_read(text: str, expected: list[tuple[str, dict[str, Any]]]) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize("text", ["", "+", "erm +", "+ erm", "erm(x=1", "erm(x=1) y", "(x=1)", "erm(1)", "erm(x=[1)"])
def test_what_cannot_be_read_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match="Cannot read") as caught:
        create_method(text)
    assert caught.value.fix


WAYS: list[Any] = [
    "resampling(over=cell) + spare(alpha=0.3, scale=median, weighting=ranking)",
    ["resampling(over=cell)", "spare(alpha=0.3, scale=median, weighting=ranking)"],
    [{"resampling": {"over": "cell"}}, {"spare": {"alpha": 0.3, "scale": "median", "weighting": "ranking"}}],
    {"resampling": {"over": "cell"}, "spare": {"alpha": 0.3, "scale": "median", "map": "ranking"}},
    [Resampling(over="cell"), "spare(alpha=0.3, distance={scale: median}, weighting={map: ranking})"],
    [[Resampling(over="cell")], Spare(alpha=0.3, scale="median", weighting="ranking")],
]


@pytest.mark.parametrize("written", WAYS, ids=str)
def test_every_way_of_writing_is_the_same_chain(written: Any) -> None:
    chain = create_method(written)
    assert chain == Chain((Resampling(over="cell"), Spare(alpha=0.3, scale="median", weighting="ranking")))
    assert chain.name == "resampling + spare"
    assert [info.name for info in chain.infos] == ["resampling", "spare"]
    assert chain.hyperparameters.keys() == {"resampling", "spare"}
    assert create_method(chain) is chain
    again = create_method(chain.hyperparameters)
    assert (str(again), again.hyperparameters) == (str(chain), chain.hyperparameters)


@pytest.mark.parametrize(
    "written",
    [
        "erm",
        "erm(selection_by=group)",
        "resampling(power=0.5) + erm",
        "merge_groups(to=3) + spare(alpha={g0: 0.2, g1: 0.9}, weighting=selection, quantiles=[0.2, 0.8])",
        "spare(alpha=validation, alphas=[0.0, 1.0], sharing=adapters, rank=2, pooled=true)",
        "spare(distance=logit_gap, similarity=none)",
        "fair_moe(experts=3, noise=1e-05, balance=group_size)",
        "erm + thresholds(target=0.9)",
        "apple(local_updates=5)",
    ],
)
def test_a_chain_is_written_as_it_is_read(written: str) -> None:
    chain = create_method(written)
    assert create_method(str(chain)) == chain
    assert str(create_method(str(chain))) == str(chain)


def test_groups_are_written_in_quotes_where_they_need_them() -> None:
    chain = create_method([{"subset_erm": {"groups": ["a + b", "c, d", "e (f)", "1", "it's", 'say "x"']}}])
    assert create_method(str(chain)) == chain
    one = create_method([{"subset_erm": {"groups": "a + b"}}])
    assert create_method(str(one)) == one


def test_only_what_differs_from_the_defaults_is_written() -> None:
    assert str(create_method("spare")) == "spare"
    assert str(Chain((Spare(alpha=0.5, min_group=7, weighting="ranking"),))) == "spare(min_group=7, weighting=ranking)"


@pytest.mark.parametrize(
    ("written", "words", "fix"),
    [
        ("erm + resampling", "'resampling' .*stands behind 'erm'.* would do nothing", "resampling \\+ erm"),
        ("spare + merge_groups", "'merge_groups' .*stands behind 'spare'", "merge_groups \\+ spare"),
        ("thresholds + erm", "'erm' .*stands behind 'thresholds'", "erm \\+ thresholds"),
        ("erm + spare", "'erm' and 'spare' both train the networks", "all but one"),
        ("resampling + group_model + group_dro", "'group_model' and 'group_dro' both", "all but one"),
        ([], "no parts", "erm"),
        ("resampel + erm", "Unknown method 'resampel'", "did you mean 'resampling'"),
        ("erm + spar(alpha=0.3)", "Unknown method 'spar'", "did you mean 'spare'"),
        ("spare(alpa=0.3)", "Unknown hyper-parameter 'alpa'", "did you mean 'alpha'"),
        ("spare(simliarity=none)", "Unknown hyper-parameter 'simliarity'", "did you mean 'similarity'"),
        ("resampling(power=2) + erm", "power = 2: ", "change power"),
        ("erm,group_model", "Unknown method 'erm,group_model'", "--compare erm --compare group_model"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_with_the_reason(written: Any, words: str, fix: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        create_method(written)
    assert caught.value.fix
    assert re.search(fix, caught.value.fix)


def test_further_hyperparameters_find_their_part() -> None:
    chain = create_method("resampling + spare", {"power": 0.5, "alpha": 0.3, "spare": {"scale": "rank"}})
    assert chain == Chain((Resampling(power=0.5), Spare(alpha=0.3, scale="rank")))
    assert create_method("spare", {"alpha": 0.3}) == Chain((Spare(alpha=0.3),))
    with pytest.raises(SettingsError, match="'over' is a hyper-parameter of 'resampling' and 'group_dro'") as caught:
        create_method("resampling + group_dro", {"over": "cell"})
    assert "resampling(over=cell)" in str(caught.value.fix)
    one_of_them = create_method("resampling + group_dro", {"group_dro": {"over": "cell"}})
    assert one_of_them.hyperparameters["resampling"]["over"] == "group"
    assert one_of_them.hyperparameters["group_dro"]["over"] == "cell"
    with pytest.raises(SettingsError, match="Unknown hyper-parameter 'alpa'"):
        create_method("resampling + spare", {"alpa": 0.3})


def test_costs_add_up() -> None:
    groups = ("a", "b", "c", "d", "e", "f")
    for text, expected in (
        ("resampling", 1),
        ("resampling + erm", 1),
        ("resampling + group_model", 6),
        ("group_model + thresholds", 6),
        ("merge_groups + group_model", 1 + 2),
        ("merge_groups(to=9) + group_model", 6),
        ("merge_groups(to=3) + resampling + spare", 1 + 3 + 1 + 3),
        ("merge_groups", 2),
    ):
        assert create_method(text).cost(groups) == expected, text


# ---- parts work together ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short(vector_settings: TrainSettings) -> TrainSettings:
    return vector_settings.but(updates=25)


def test_resampling_goes_in_front_of_spare(two: Split, short: TrainSettings) -> None:
    store, answers = Store(), {}
    for text in ("spare(min_group=10)", "resampling(over=cell) + spare(min_group=10)", "resampling(over=cell)"):
        model = create_method(text).fit(two.train, two.validation, settings=short, store=store)
        answers[text] = model.predict_proba(two.test)
        assert model.method == create_method(text).name
    spare, both, resampled = answers.values()
    assert not np.array_equal(spare, both)
    assert not np.array_equal(resampled, both)
    named = store.log.table["model"].unique()
    assert set(named) == {"erm", "group_model[g0]", "group_model[g1]", "group_predictor", "spare[g0]", "spare[g1]"}
    # two networks of each group's, twice, the resampled network of everybody, and one group predictor for both chains
    assert len(store._trained) == 2 * 4 + 1 + 1


def test_without_a_part_that_learns_erm_stands_there(two: Split, short: TrainSettings) -> None:
    store = Store()
    models = [
        create_method(text).fit(two.train, two.validation, settings=short, store=store)
        for text in ("resampling", "resampling + erm", "erm")
    ]
    alone, written, erm = (m.predict_proba(two.test) for m in models)
    np.testing.assert_array_equal(alone, written)
    assert not np.array_equal(alone, erm)
    assert [m.method for m in models] == ["resampling", "resampling + erm", "erm"]
    assert models[1].info["hyperparameters"].keys() == {"resampling", "erm"}
    assert models[0].info["hyperparameters"] == {"over": "group", "power": 1.0}


def test_all_parts_are_checked_before_anything_is_trained(two: Split, short: TrainSettings) -> None:
    store = Store()
    for text, words in (
        ("resampling + fair_adabn", "needs a backbone with batch norm"),
        ("resampling + subset_erm(groups=[dark])", "no group 'dark'"),
        ("resampling + spare(scale=paper_size)", "needs images"),
    ):
        with pytest.raises(SettingsError, match=words):
            create_method(text).fit(two.train, two.validation, settings=short, store=store)
    assert not store._trained


def test_a_fit_leaves_torchs_random_state_alone(two: Split, short: TrainSettings) -> None:
    state = torch.get_rng_state()
    for part in (ERM(), GroupModel()):
        part.fit(two.train, two.validation, settings=short)
    assert torch.equal(torch.get_rng_state(), state)
