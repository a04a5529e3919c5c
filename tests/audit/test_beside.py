"""Embeddings and rows to calibrate on come from files: the same numbers as from arrays, or one clear error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from everygroup.audit import Audit, audit, audit_table
from everygroup.errors import EverygroupError, SettingsError
from everygroup.predictions import read_predictions

N, D = 240, 4
RNG = np.random.default_rng(0)
SEX = np.tile(["f", "m"], N // 2)
Y = RNG.integers(0, 2, N)
SCORE = np.clip(0.25 + 0.5 * Y + RNG.normal(0, 0.25, N), 0.001, 0.999)
X = RNG.normal(size=(N, D)) + 1.5 * (SEX == "f")[:, None]
IDS = np.array([f"{k:03d}" for k in range(N)])
COLUMNS = ["group", "quantity", "value", "low", "high", "n"]


def frame(part: slice = slice(None)) -> pd.DataFrame:
    return pd.DataFrame({"image_id": IDS, "y_true": Y, "score": SCORE, "sex": SEX}).iloc[part]


@pytest.fixture
def preds(tmp_path: Path) -> Path:
    split = np.where(np.arange(N) % 4 == 0, "val", "test")
    frame().assign(split=split).to_csv(tmp_path / "preds.csv", index=False)
    return tmp_path / "preds.csv"


def run(file: Path, **options: Any) -> Audit:
    return audit_table(file, groups=["sex"], n_boot=20, **options)


def sources(found: Audit, what: str) -> pd.DataFrame:
    rows = found.sources
    return rows.loc[(rows["source"] == what) | rows["quantity"].str.contains(what), COLUMNS].reset_index(drop=True)


def save(path: Path, kind: str) -> Path:
    order = np.random.default_rng(1).permutation(N)
    table = pd.DataFrame(X[order], columns=[f"f{k}" for k in range(D)])
    if kind == "npz":
        np.savez(path / "e.npz", ids=IDS[order], features=X[order])
    elif kind == "npz of other names":
        np.savez(path / "e.npz", ids=IDS[order], last_layer=X[order])
    elif kind == "csv":
        table.assign(image_id=IDS[order], sex=SEX[order] == "f").to_csv(path / "e.csv", index=False)
    elif kind == "csv of other ids":
        table.assign(image_id=[f"images/{i}.png" for i in IDS[order]]).to_csv(path / "e.csv")
    elif kind == "parquet":
        table.assign(image_id=IDS[order]).to_parquet(path / "e.parquet")
    elif kind == "rows":
        np.save(path / "e.npy", X)
    return next(path.glob("e.*"))


@pytest.mark.parametrize("kind", ["npz", "npz of other names", "csv", "csv of other ids", "parquet", "rows"])
def test_embeddings_of_a_file_are_those_of_an_array(preds: Path, kind: str) -> None:
    found = sources(run(preds, embeddings=save(preds.parent, kind)), "separability")
    rows = read_predictions(preds, groups=["sex"]).of_split("test")
    here = np.arange(N) % 4 != 0
    wanted = sources(audit(rows, embeddings=X[here], n_boot=20), "separability")
    assert len(found) == 3 and found["value"].between(0.9, 1).all()
    pd.testing.assert_frame_equal(found, wanted, rtol=1e-9)


def test_what_is_no_embedding_is_refused(preds: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "pickled.npz", ids=np.array(["a", 1], dtype=object), features=X)
    np.save(tmp_path / "short.npy", X[:-1])
    np.save(tmp_path / "deep.npy", X[:, :, None])
    np.savez(tmp_path / "two.npz", a=X, b=X)
    np.savez(tmp_path / "half.npz", ids=IDS[: N // 2], features=X[: N // 2])
    np.savez(tmp_path / "twice.npz", ids=np.r_[IDS[:-1], IDS[:1]], features=X)
    np.savez(tmp_path / "nan.npz", ids=IDS, features=np.where(np.arange(N)[:, None] == 5, np.nan, X))
    pd.DataFrame({"image_id": IDS, "y_true": Y, "name": "x"}).to_csv(tmp_path / "none.csv", index=False)
    (tmp_path / "text.npz").write_text("no archive")
    for name, words in {
        "pickled.npy": "pickled objects, which could run code",
        "pickled.npz": "pickled objects, which could run code",
        "short.npy": f"no ids and {N - 1} rows, but preds.csv has {N}",
        "deep.npy": "have shape",
        "two.npz": "several matrices that may be the features",
        "half.npz": "90 of the 180 audited samples have no features, the first is '121'",
        "twice.npz": "'000' stands in several rows",
        "nan.npz": "the first is row 6",
        "none.csv": "no column of numbers is left",
        "text.npz": "cannot be read|pickled objects",
        "absent.npy": "there is no such file",
    }.items():
        with pytest.raises(EverygroupError, match=words) as caught:
            run(preds, embeddings=tmp_path / name)
        assert caught.value.fix, name
    with pytest.raises(SettingsError, match="--embeddings is for classes"):
        run(preds, embeddings=tmp_path / "short.npy", task="regression", y_pred="score")


def test_ids_without_a_partner_in_the_table(tmp_path: Path) -> None:
    frame().drop(columns="image_id").to_csv(tmp_path / "bare.csv", index=False)
    np.savez(tmp_path / "e.npz", ids=IDS, features=X)
    with pytest.raises(EverygroupError, match="has ids, and no column identifies the rows") as caught:
        run(tmp_path / "bare.csv", embeddings=tmp_path / "e.npz")
    assert "--id-column" in caught.value.fix


def test_coverage_of_a_file_is_that_of_predictions(tmp_path: Path) -> None:
    frame(slice(0, 120)).to_csv(tmp_path / "test.csv", index=False)
    frame(slice(120, None)).to_csv(tmp_path / "val.csv", index=False)
    found = run(tmp_path / "test.csv", calibration=tmp_path / "val.csv")
    test, val = (read_predictions(tmp_path / f"{name}.csv", groups=["sex"]) for name in ("test", "val"))
    wanted = audit(test, calibration=val, n_boot=20)
    rows = sources(found, "90 % sets")
    assert len(rows) == 12 and set(rows["group"]) == {"overall", "f", "m"}
    pd.testing.assert_frame_equal(rows, sources(wanted, "90 % sets"))
    assert not [f for f in found.flags if f.severity == "stop"]
    assert found.settings["asked"]["calibration"] == "val.csv"


def test_rows_that_are_audited_and_calibrate_are_a_leak(preds: Path, tmp_path: Path) -> None:
    found = run(preds, calibration=preds)  # its validation rows calibrate, its test rows are audited
    assert len(sources(found, "90 % sets")) == 12
    assert not [f for f in found.flags if f.severity == "stop"]
    frame(slice(0, 120)).to_csv(tmp_path / "test.csv", index=False)
    for part, n in ((slice(100, 200), 20), (slice(119, 239), 1)):
        frame(part).to_csv(tmp_path / "val.csv", index=False)
        (stop,) = [
            f for f in run(tmp_path / "test.csv", calibration=tmp_path / "val.csv").flags if f.severity == "stop"
        ]
        assert str(stop).startswith(f"{n} ") and "val.csv" in str(stop) and "a leak" in str(stop)
    for name in ("test", "val"):
        frame(slice(0, 120)).drop(columns="image_id").to_csv(tmp_path / f"{name}.csv", index=False)
    stops = [f for f in run(tmp_path / "test.csv", calibration=tmp_path / "val.csv").flags if f.severity == "stop"]
    assert len(stops) == 1 and "the same label and scores" in str(stops[0])
    frame(slice(120, None)).drop(columns="image_id").to_csv(tmp_path / "val.csv", index=False)
    found = run(tmp_path / "test.csv", calibration=tmp_path / "val.csv")
    assert not [f for f in found.flags if f.severity == "stop"], "row numbers are no ids"


def test_patients_in_both_are_a_leak(tmp_path: Path) -> None:
    patient = np.array([f"p{k // 2}" for k in range(N)])
    patient[120:124] = "p3"
    for name, part in (("test", slice(0, 120)), ("val", slice(120, None))):
        frame().assign(fall=patient).iloc[part].to_csv(tmp_path / f"{name}.csv", index=False)
    found = run(tmp_path / "test.csv", calibration=tmp_path / "val.csv", cluster="fall")
    assert [str(f)[:27] for f in found.flags if f.severity == "stop"] == ["1 patient or sample stands "]


def test_what_cannot_calibrate_is_refused(preds: Path, tmp_path: Path) -> None:
    for drop, words in (("sex", "sex"), ("score", "val.csv")):
        frame().drop(columns=drop).assign(y_pred=Y).to_csv(tmp_path / "val.csv", index=False)
        with pytest.raises(EverygroupError, match=words):
            run(preds, calibration=tmp_path / "val.csv")


def test_training_rows_calibrate_too_sure_sets(preds: Path, tmp_path: Path) -> None:
    frame().assign(image_id=[f"other{k}" for k in range(N)], split="train").to_csv(tmp_path / "val.csv", index=False)
    texts = [str(f) for f in run(preds, calibration=tmp_path / "val.csv").flags if f.severity == "caution"]
    assert any("240 of 240 rows to calibrate on are training samples" in t for t in texts), texts
