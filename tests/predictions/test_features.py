"""Features of any network in a file: the forms they come in, and everything that is wrong with them at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from everygroup.errors import PredictionsError
from everygroup.predictions.features import read_features

X = np.arange(12, dtype=np.float32).reshape(4, 3)
IDS = np.array(["a", "b", "c", "d"])


def test_an_npy_with_its_ids_beside_it(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    assert read_features(tmp_path / "x.npy").ids is None
    (tmp_path / "x.csv").write_text("image_id,other\n" + "".join(f"{i},1\n" for i in IDS))
    np.testing.assert_array_equal(read_features(tmp_path / "x.npy").ids, IDS)
    (tmp_path / "x.ids.txt").write_text("\n".join(IDS[::-1]) + "\n")
    np.testing.assert_array_equal(read_features(tmp_path / "x.npy").ids, IDS[::-1])


@pytest.mark.parametrize("name", ["features", "embeddings", "x", "whatever"])
def test_a_matrix_by_its_usual_names_or_the_only_one(tmp_path: Path, name: str) -> None:
    more = {} if name == "whatever" else {"other": np.ones((4, 2))}
    np.savez(tmp_path / "x.npz", **{name: X, "ids": IDS}, **more)
    np.testing.assert_array_equal(read_features(tmp_path / "x.npz").values, X)


def test_of_several_matrices_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, features=X, x=X + 1, ids=IDS)
    with pytest.raises(PredictionsError, match="several matrices") as caught:
        read_features(file)
    assert "x.npz#features" in str(caught.value)
    np.testing.assert_array_equal(read_features(f"{file}#x").values, X + 1)
    with pytest.raises(PredictionsError, match="no matrix 'y'"):
        read_features(f"{file}#y")


def test_a_parquet_with_one_column_of_lists(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"image_id": IDS.tolist(), "vector": X.tolist()}), tmp_path / "x.parquet")
    found = read_features(tmp_path / "x.parquet")
    np.testing.assert_array_equal(found.values, X)
    assert found.ids is not None and found.ids.tolist() == IDS.tolist()
    parquet.write_table(pa.table({"image_id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}), tmp_path / "y.parquet")
    with pytest.raises(PredictionsError, match="of 2 lengths"):
        read_features(tmp_path / "y.parquet")


def test_everything_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    x = X.astype(np.float64)
    x[1, 2], x[2, 0], x[3, 1] = np.nan, np.inf, 1e300
    np.savez(tmp_path / "x.npz", features=x, ids=np.array(["a", "", "a", "d"]))
    with pytest.raises(PredictionsError) as caught:
        read_features(tmp_path / "x.npz")
    told = str(caught.value)
    for part in (
        "2 rows hold values that are missing or infinite, the first is row 2 of the samples (value 3 is missing)",
        "1 rows hold values too large for 32 bits, the first is row 4 (1e+300)",
        "1 rows have no id, the first is row 2",
        "the id 'a' stands in several rows (1 rows repeat one, the first is row 3)",
    ):
        assert part in told
