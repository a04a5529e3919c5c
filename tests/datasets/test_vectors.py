"""Features of any network beside a table: joined by id, or refused with what to do."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from everygroup.cli.main import app
from everygroup.datasets.reader import prepare_cohort, read_cohort
from everygroup.errors import EverygroupError

N = 60
IDS = [f"p{i:03d}" for i in range(N)]
X = np.random.default_rng(0).standard_normal((N, 5)).astype(np.float32)
READING = {"label": "dx", "group": ("sex",), "split_by": "patient"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = {"image_id": IDS, "dx": ["a", "b"] * (N // 2), "sex": ["f", "m", "m"] * (N // 3), "patient": range(N)}
    pd.DataFrame(rows).to_csv(tmp_path / "metadata.csv", index=False)
    return tmp_path / "metadata.csv"


def written(folder: Path, kind: str) -> Path:
    order = np.random.default_rng(1).permutation(N)
    ids, x = np.array(IDS)[order], X[order]
    path = folder / f"features.{kind}"
    if kind == "npz":
        np.savez(path, features=x.astype(np.float16), ids=ids)
    elif kind == "h5":
        with h5py.File(path, "w") as file:
            file["features"], file["ids"] = x, [i.encode() for i in ids]
    else:
        frame = pd.DataFrame(x, columns=[f"f{k}" for k in range(5)]).assign(image_id=ids)
        frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("kind", ["npz", "h5", "parquet", "csv"])
def test_rows_find_their_features_by_id(table: Path, kind: str) -> None:
    cohort = read_cohort(table, embeddings=written(table.parent, kind), **READING)
    np.testing.assert_allclose(cohort.batch(slice(None)), X, atol=2e-3)
    assert cohort.ids.tolist() == IDS and cohort.groups == ("f", "m") and cohort.split_by == "patient"


def test_fit_and_prepare_take_them(table: Path, tmp_path: Path) -> None:
    file = written(table.parent, "npz")
    out = prepare_cohort(table, tmp_path / "prepared", embeddings=file, **READING)
    np.testing.assert_allclose(read_cohort(out).batch(slice(None)), X, atol=2e-3)
    asked = ["--embeddings", str(file), "--label", "dx", "--group", "sex", "--split-by", "patient", "--n-boot", "20"]
    run = CliRunner().invoke(app, ["fit", str(table), *asked, "--method", "blend", "-o", str(tmp_path / "run")])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "run" / "report.html").exists()
    for source in ([str(out)], [str(table), "--embeddings", str(file)]):
        asked = [*source, "-o", str(tmp_path / "answers.csv")]
        run = CliRunner().invoke(app, ["predict", str(tmp_path / "run"), *asked])
        assert run.exit_code == 0, run.output
        assert pd.read_csv(tmp_path / "answers.csv")["id"].tolist() == IDS


def test_what_does_not_fit_is_refused_by_row_and_id(table: Path) -> None:
    def reading(**arrays: np.ndarray) -> str:
        file = table.parent / "x.npz"
        np.savez(file, **arrays)
        with pytest.raises(EverygroupError) as caught:
            read_cohort(table, embeddings=file, **READING)
        return str(caught.value)

    said = reading(features=X[:-2], ids=np.array(IDS[:-2]))
    assert "2 of 60 rows have no features" in said and "'p058' (row 60)" in said and "Fix:" in said
    assert "stands in several rows" in reading(features=X, ids=np.array([*IDS[:-1], IDS[0]]))
    holes = X.copy()
    holes[3, 1] = np.nan
    assert "missing or infinite" in reading(features=holes, ids=np.array(IDS))
    assert "no ids" in reading(features=X)
    assert "pickled" in reading(features=np.array([{}] * N, dtype=object), ids=np.array(IDS))
    with pytest.raises(EverygroupError, match="No file"):
        read_cohort(table, embeddings=table.parent / "none.npz", **READING)
