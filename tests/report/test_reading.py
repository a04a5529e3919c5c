from __future__ import annotations

from everygroup.audit.flags import Flag
from everygroup.audit.words import title_of
from everygroup.metrics.changes import clear_direction
from everygroup.report.reading import Reading, lower_is_better

from .conftest import FakeAudit, comparison, table


def test_the_first_of_several_methods_is_the_baseline() -> None:
    reading = Reading.of([FakeAudit(table("erm")), FakeAudit(table("spare"))], {})
    assert (reading.baseline, reading.method, reading.methods) == ("erm", "spare", ["erm", "spare"])


def test_direction_and_titles() -> None:
    assert clear_direction(0.1, 0.2) == 1 == clear_direction(-0.2, -0.1, lower=True)
    assert clear_direction(-0.1, 0.2) == 0 == clear_direction(float("nan"), 0.2)
    assert lower_is_better("ece") and not lower_is_better("unheard_of")
    assert title_of("unheard_of_auc") == "unheard of auc" and title_of("fate_eopp0_lab").startswith("FATE over")


def test_the_front_is_one_method_with_its_own_settings_and_the_baselines_name() -> None:
    audits = [FakeAudit(table("erm"), settings={"n": 1}), FakeAudit(table("spare"), comparison(), settings={"n": 2})]
    front = Reading.of(audits, {"baseline": "old.csv"}).front
    assert set(front.table["method"]) == {"spare"} and front.settings == {"n": 2}
    assert set(front.comparison["baseline"]) == {"old.csv"}


def test_flags_of_all_audits_are_ranked_once() -> None:
    stop, note = Flag("stop", "One class."), Flag("note", "Of a part.")
    audits = [FakeAudit(table("erm"), flags=(note, "Plain.")), FakeAudit(table("spare"), flags=(stop, note))]
    assert Reading.of(audits, {}).flags == (stop, Flag("caution", "Plain."), note)


def test_what_stops_the_baseline_does_not_stop_the_method_in_front() -> None:
    audits = [
        FakeAudit(table("erm"), flags=(Flag("stop", "One class."), Flag("caution", "erm: small."))),
        FakeAudit(table("spare"), flags=(Flag("caution", "small."),)),
    ]
    told = [(flag.severity, str(flag)) for flag in Reading.of(audits, {}).flags]
    assert told == [("caution", "small."), ("caution", "One class."), ("caution", "erm: small.")]
