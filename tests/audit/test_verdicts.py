from __future__ import annotations

from everygroup.audit.verdicts import verdicts

from .made_up import MadeUp

RACES = {"Black": (34, 43), "White": (164, 169)}
HEALTHY = {"Black": (367, 399), "White": (1450, 1590)}
SEXES = {"female": (130, 140), "male": (128, 139)}


def test_a_clear_gap_is_said_once_with_its_counts_and_its_p() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.034).rates("race", "specificity", HEALTHY, p=0.6)
    said = verdicts(audit)
    assert said.headline == (
        "Misses 21 of 100 cases of pneumothorax in Black patients (9 of 43), 3 of 100 in White patients (5 of 169); "
        "unlikely to be chance (p = 0.034)."
    )
    assert said.by_attribute[0].sentences == (
        said.headline,
        "Raises a false alarm in 9 of 100 cases without pneumothorax in White patients (140 of 1,590), 8 of 100 in "
        "Black patients (32 of 399); cannot be told apart from chance (p = 0.600).",
    )


def test_evidence_comes_before_harm_and_harm_before_size() -> None:
    audit = MadeUp()
    audit.rates("sex", "sensitivity", SEXES, p=0.8).rates("sex", "specificity", {"f": (90, 100), "m": (50, 100)}, p=0.2)
    audit.rates("race", "sensitivity", RACES, p=0.3).rates("race", "specificity", HEALTHY, p=0.01)
    said = verdicts(audit)
    assert [v.title for v in said.by_attribute] == ["race", "sex"]
    assert said.headline.startswith("Raises a false alarm") and said.headline.endswith("(p = 0.010).")
    assert said.by_attribute[1].sentences[0].startswith("Misses")  # the smaller gap, but disease that is missed


def test_a_gap_that_case_mix_makes_does_not_speak_for_an_attribute() -> None:
    audit = MadeUp().rates("race", "ppv", {"a": (10, 90), "b": (80, 90)}, p=0.001)
    audit.rates("race", "accuracy", {"a": (10, 90), "b": (80, 90)}, p=0.001).rates("race", "sensitivity", RACES, p=0.2)
    assert verdicts(audit).by_attribute[0].lead.metric == "sensitivity"  # type: ignore[union-attr]


def test_no_clear_gap_is_not_no_gap() -> None:
    audit = MadeUp().rates("sex", "sensitivity", SEXES, p=0.8, detectable=0.14)
    said = verdicts(audit)
    assert said.headline.startswith(
        "No gap between groups can be told apart from chance; that does not show that there is none."
    )
    assert "8 of 100 cases of pneumothorax in male patients (11 of 139), 7 of 100 in female" in said.headline
    assert said.unknown == (
        "By sex, differences in missed cases below 14 of 100 would often be overlooked with so few: there are 139 "
        "cases of pneumothorax in male patients. To show a difference of 10 of 100, about 167 in each group are "
        "needed.",
    )


def test_groups_too_small_are_named_with_their_n() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.034, small={"Pacific": 4})
    audit.rates("site", "sensitivity", {"A": (3, 5)}, small={"B": 6})
    said = verdicts(audit)
    assert said.by_attribute[1].sentences == ("No two groups of site are large enough to be compared: B (n = 6).",)
    assert said.unknown[0] == "By race, nothing can be said of Pacific (n = 4)."


def test_nothing_can_be_compared() -> None:
    audit = MadeUp().rates("site", "sensitivity", {"A": (3, 5)}, small={"B": 6})
    assert verdicts(audit).headline == "No two groups are large enough to be compared."


def test_all_groups_worse_is_the_headline() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.034)
    audit.change("race", "sensitivity", {"Black": (0.9, 0.79), "White": (0.99, 0.97), "overall": (0.96, 0.9)})
    assert verdicts(audit).headline == (
        "2 of 2 groups got worse than with old.csv in missed cases (sensitivity); most of all Black patients, missed "
        "cases 21 of 100, before 10 of 100."
    )


def test_all_groups_worse_in_the_other_direction_is_seen_too() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.5).rates("race", "specificity", HEALTHY, p=0.6)
    audit.change("race", "sensitivity", {"Black": (0.8, 0.8), "White": (0.97, 0.97)})
    audit.change("race", "specificity", {"Black": (0.95, 0.92), "White": (0.95, 0.91)})
    assert verdicts(audit).headline.startswith("2 of 2 groups got worse than with old.csv in false alarms")


def test_some_groups_worse_is_no_headline() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.034)
    audit.change("race", "sensitivity", {"Black": (0.9, 0.79), "White": (0.97, 0.97)})
    said = verdicts(audit)
    assert said.headline.startswith("Misses 21 of 100")
    assert said.moved is not None and said.moved.sentence == (
        "Against old.csv, of 2 groups 0 improved, 1 got worse and 1 showed no clear change in missed cases "
        "(sensitivity)."
    )


def test_levelled_down_is_said_where_the_intervals_show_it() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.2)
    audit.change("race", "sensitivity", {"Black": (0.79, 0.79), "White": (0.97, 0.85)})
    audit.gap_change("race", "sensitivity", 0.18, 0.06, "levelled down")
    said = verdicts(audit).by_attribute[0].sentences[-1]
    assert "this method reduces the measured gap; levelled down: no group gained (by 0.120" in said
    assert "fair" not in said


def test_several_classes_speak_of_the_critical_one() -> None:
    audit = MadeUp({"headline": "recall[melanoma]", "positive": "", "critical": ["melanoma"]})
    audit.rates("skin_type", "recall[melanoma]", {"I-II": (66, 70), "V-VI": (14, 20)}, p=0.02)
    audit.rates("skin_type", "balanced_accuracy", {"I-II": (80, 100), "V-VI": (40, 100)}, p=0.4)
    assert verdicts(audit).headline == (
        "Misses 30 of 100 cases of melanoma in the group V-VI (skin_type) (6 of 20), 6 of 100 in the group I-II "
        "(skin_type) (4 of 70); unlikely to be chance (p = 0.020)."
    )


def test_a_regression_is_told_in_its_unit() -> None:
    audit = MadeUp({"headline": "mae", "task": "regression", "unit": {"mae": "years"}})
    audit.values("sex", "mae", {"men": 6.83, "women": 3.04}, p=0.001)
    assert verdicts(audit).headline == (
        "Is off by 6.8 years in men (n = 360), 3.0 in women (n = 360); unlikely to be chance (p = 0.001)."
    )


def test_an_overlap_is_told_as_it_is() -> None:
    audit = MadeUp({"headline": "dice", "task": "segmentation"}).values("site", "dice", {"A": 0.71, "B": 0.84}, p=0.3)
    assert "Its Dice is 0.710 in the group A (site) (n = 360), 0.840 in the group B (site)" in verdicts(audit).headline


def test_many_looks_are_counted() -> None:
    audit = MadeUp().rates("race", "sensitivity", RACES, p=0.034).rates("sex", "sensitivity", SEXES, p=0.8)
    assert verdicts(audit).unknown[-1] == (
        "2 gaps were tested, and 1 has p < 0.05; without any true gap about 0.1 would."
    )
