"""Whatever the file holds, reading it gives predictions or one of our own errors; never anything else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everygroup.errors import EverygroupError
from everygroup.predictions import Predictions, read_predictions
from everygroup.tables.guard import guard, unguard

RELAXED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
NAMES = [
    "y_true",
    "y_pred",
    "label",
    "score_a",
    "score_b",
    "p_x",
    "p_y",
    "risk",
    "id",
    "patient",
    "sex",
    "split",
    "",
    "a b",
]
CELLS = st.one_of(
    st.sampled_from(
        ["a", "b", "0", "1", "-1", "0.5", "0,5", "1.0", "nan", "", " ", "inf", "-inf", "test", "val", "x,y", '"']
    ),
    st.text(max_size=6),
    st.floats(width=16).map(str),
)


def read(path: Path, **options: object) -> Predictions | None:
    try:
        return read_predictions(path, **options)
    except EverygroupError as error:
        assert error.message and error.fix
        return None


def sound(p: Predictions) -> None:
    """What every reader of predictions relies on."""
    assert len(p) == len(p.table) > 0
    assert ((p.y_true >= -1) & (p.y_true < len(p.classes))).all()
    assert ((p.y_pred >= 0) & (p.y_pred < len(p.classes))).all()
    assert not p.table.isna().any(axis=None)
    if p.has_scores:
        assert np.isfinite(p.y_score).all() and (np.abs(p.y_score.sum(axis=1) - 1) <= 0.011).all()
    for name in p.sensitive:
        names, index = p.attribute(name)
        assert len(set(names)) == len(names) and ((index >= -1) & (index < len(names))).all()
    assert (p.units != "").all() and p.clustered == (np.unique(p.unit_index).size < len(p))


@RELAXED
@given(st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    for name in ("f.csv", "f.parquet"):
        (tmp_path / name).write_bytes(data)
        if (p := read(tmp_path / name)) is not None:
            sound(p)


@RELAXED
@given(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=8),
    st.lists(st.lists(CELLS, min_size=1, max_size=8), max_size=8),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    st.booleans(),
)
def test_any_table(
    tmp_path: Path, names: list[str], rows: list[list[str]], mark: str, encoding: str, own: bool
) -> None:
    lines = [mark.join(line) for line in [names, *rows]]
    (tmp_path / "f.csv").write_bytes("\n".join(lines).encode(encoding, errors="replace"))
    p = read(tmp_path / "f.csv", **({} if own else {"groups": names[:1]}))
    if p is not None:
        sound(p)


@RELAXED
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.lists(st.sampled_from(["a", "b", "=c", "-1", "'x", "@", ""]), min_size=n, max_size=n),
            st.lists(st.floats(0, 1), min_size=n, max_size=n),
            st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=n, max_size=n),
        )
    )
)
def test_what_is_written_is_read_back(tmp_path: Path, columns: tuple[list[str], list[float], list[str | None]]) -> None:
    y, score, sex = columns
    try:
        p = Predictions.from_arrays(
            y, score, sensitive_features={"sex": sex}, classes=sorted({*y, "a", "b"} - {""})[:2]
        )
    except EverygroupError:
        return
    sound(p)
    q = read_predictions(p.to_csv(tmp_path / "own.csv"))
    sound(q)
    np.testing.assert_array_equal(p.y_true, q.y_true)
    np.testing.assert_array_equal(p.y_pred, q.y_pred)
    np.testing.assert_allclose(p.y_score, q.y_score, atol=1e-8)


@RELAXED
@given(
    st.one_of(
        st.none(), st.lists(st.one_of(st.integers(-3, 5), st.none(), st.text(max_size=2), st.booleans()), max_size=6)
    ),
    st.one_of(
        st.none(),
        st.floats(),
        st.lists(st.floats(-0.5, 1.5, width=16), max_size=6),
        st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=3), max_size=6),
        st.lists(st.complex_numbers(), max_size=3),
        st.lists(st.text(max_size=2), max_size=4),
    ),
    st.one_of(st.none(), st.lists(st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers())), max_size=6)),
)
def test_any_arrays(y: object, score: object, group: object) -> None:
    try:
        p = Predictions.from_arrays(y, score, sensitive_features=None if group is None else {"a": group}, group=group)
    except EverygroupError as error:
        assert error.message
        return
    if len(p):
        sound(p)


@given(st.text(st.sampled_from("'=+-@\t\r1a."), max_size=6))
def test_guarding_can_be_undone_and_leaves_no_formula(text: str) -> None:
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "@", "\t", "\r"))


def test_no_formula_starts_a_cell(tmp_path: Path) -> None:
    evil = "=cmd|' /C calc'!A0"
    p = Predictions.from_arrays([0, 1], y_pred=[0, 1], sensitive_features={evil: [evil, "<script>alert(1)</script>"]})
    path = p.to_csv(tmp_path / "p.csv")
    text = path.read_text()
    assert f"'{evil}" in text and f",{evil}" not in text
    q = read_predictions(path)
    assert q.sensitive == (evil,)
    assert q.attribute(evil)[0] == ("<script>alert(1)</script>", evil)


@pytest.mark.parametrize("rows", [0, 3])
def test_parquet_of_odd_types(tmp_path: Path, rows: int) -> None:
    frame = pd.DataFrame({"y_true": [[1], [2], [3]], "y_pred": [1, 2, 3]})[:rows]
    frame.to_parquet(tmp_path / "f.parquet")
    assert read(tmp_path / "f.parquet") is None or rows
