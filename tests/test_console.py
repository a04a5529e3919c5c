"""Messages, warnings and progress bars."""

import io
import threading
import time
from collections.abc import Callable

import pytest
from rich.console import Console

from everygroup import console
from everygroup.errors import EverygroupError


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A wide terminal that can be read back."""
    stream = io.StringIO()
    monkeypatch.setattr(console, "console", Console(file=stream, force_terminal=True, width=100, color_system=None))
    monkeypatch.delenv("CI", raising=False)
    return stream


def test_say_prints_text_from_data_as_it_is(screen: io.StringIO) -> None:
    console.say("group [red]<=55[/red] " + "x" * 200)
    assert screen.getvalue() == "group [red]<=55[/red] " + "x" * 200 + "\n"


def test_output_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("hello")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\n"


def test_a_warning_is_shown_once_and_remembered(screen: io.StringIO) -> None:
    console.warn("few samples [n=3]")
    console.warn("few samples [n=3]")
    console.warn("another")
    assert screen.getvalue().count("! few samples [n=3]") == 1
    recorded = console.recorded_warnings()
    assert recorded == ["few samples [n=3]", "another"]
    recorded.clear()
    assert len(console.recorded_warnings()) == 2
    console.clear_warnings()
    assert console.recorded_warnings() == []


def test_progress_counts_on_a_terminal(screen: io.StringIO) -> None:
    with console.progress(4, "group_model[<=55]") as advance:
        advance(1)
        advance(3)
    shown = screen.getvalue()
    assert "group_model[<=55]" in shown
    assert "4/4" in shown


class Clock:
    """Time that passes only where it is said; every look by the heartbeat is one more beat of 30 s."""

    def __init__(self, beats: int, during: Callable[[int], None] = lambda beat: None) -> None:
        self.now, self.beats, self.during, self.left = 1000.0, beats, during, threading.Event()

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        """Stand for Event.wait: time passes at once, until the beats are used up."""
        if self.beats == 0:
            self.left.set()
            return True
        self.beats -= 1
        self.now += seconds
        self.during(self.beats)
        return False


def beaten(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Let the heartbeat run by a clock of the test."""

    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return clock.wait(timeout or 0) if timeout is not None else super().wait()

    monkeypatch.setattr(console, "time", clock)
    monkeypatch.setattr(console.threading, "Event", Over)


@pytest.mark.parametrize("ci", [True, False])
def test_without_a_terminal_and_in_ci_long_work_says_a_line_every_half_minute(
    screen: io.StringIO, monkeypatch: pytest.MonkeyPatch, ci: bool
) -> None:
    if ci:
        monkeypatch.setenv("CI", "1")
    else:
        monkeypatch.setattr(console, "console", Console(file=screen))
    assert console.is_quiet()
    steps: list[Callable[[int], None]] = []
    ready = threading.Event()

    def during(left: int) -> None:
        ready.wait()
        if left == 1:
            steps[0](900)

    clock = Clock(beats=3, during=during)
    beaten(monkeypatch, clock)
    with console.progress(4000, "erm", done=1000) as advance:
        steps.append(advance)
        ready.set()
        clock.left.wait()
    assert screen.getvalue().splitlines() == [
        "erm: 1,000 of 4,000",  # after 30 s with nothing done there is no pace yet
        "erm: 1,900 of 4,000, 2 min left",  # 900 in 60 s, what an earlier run did apart
        "erm: 1,900 of 4,000, 4 min left",
    ]


def test_work_of_less_than_half_a_minute_is_silent(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "console", Console(file=screen))
    with console.progress(4, "training") as advance:
        advance(4)
    assert screen.getvalue() == "" and console.HEARTBEAT == 30


def test_time_left_follows_the_pace() -> None:
    assert console.time_left(30, 0, 10) == ""
    assert console.time_left(30, 5, 10) == "30 s left" and console.time_left(100, 1, 13) == "20 min left"
    assert console.time_left(30, 10, 10) == console.time_left(30, 12, 10) == "0 s left"


def test_details_are_printed_unless_they_are_gathered(screen: io.StringIO) -> None:
    console.detail("p.csv", "label: column 'dx'.", "label dx")
    console.detail("p.csv", "", "answer y_pred")
    assert screen.getvalue() == "p.csv: label: column 'dx'.\n"
    with console.gathering() as found:
        for _ in range(2):
            console.detail("p.csv", "label: column 'dx'.", "label dx")
    assert [str(d) for d in found] == ["p.csv: label: column 'dx'."] and found[0].short == "label dx"
    assert screen.getvalue().count("label") == 1


def test_details_are_printed_where_reading_fails(screen: io.StringIO) -> None:
    with pytest.raises(EverygroupError), console.gathering():
        console.detail("p.csv", "label: column 'dx'.", "label dx")
        raise EverygroupError("no", fix="yes")
    assert screen.getvalue() == "p.csv: label: column 'dx'.\n"
    console.detail("p.csv", "again.")  # nothing is gathered any more
    assert screen.getvalue().endswith("p.csv: again.\n")


def test_long_work_is_told_now_and_then_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with console.told("Audit", every=0.02) as at:
        at("sex: 40 %")
        time.sleep(0.3)
    lines = capsys.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 15 and set(lines) == {"Audit: sex: 40 % (0 s)"}
    with console.told("Audit"):
        pass
    time.sleep(0.05)
    assert capsys.readouterr().err == ""
