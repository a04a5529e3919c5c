"""Tables as hospitals write them: grouped thousands, values called NA and None, one value in several spellings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from everygroup.audit import Audit, audit_table
from everygroup.console import clear_warnings, recorded_warnings
from everygroup.datasets import read_cohort
from everygroup.errors import CohortError, EverygroupError
from everygroup.tables import Spelling


@pytest.fixture(autouse=True)
def _no_warnings() -> None:
    clear_warnings()


def save(path: Path, columns: dict[str, object]) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def audit(path: Path, groups: list[str], **options: object) -> Audit:
    chosen = {} if "task" in options else {"metrics": ["accuracy"]}
    return audit_table(path, groups=groups, n_boot=20, **{**chosen, **options})


def values(result: Audit, metric: str = "accuracy") -> dict[str, float]:
    t = result.table
    return dict(t.loc[t["metric"] == metric, ["group", "value"]].itertuples(index=False, name=None))


def german(v: float) -> str:
    whole, tenth = divmod(round(v * 10), 10)
    return f"{whole:,}".replace(",", ".") + (f",{tenth}" if tenth else "")


def test_whole_thousands_beside_decimal_commas(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    truth = np.where(np.arange(80) % 2, rng.integers(600, 2400, 80), rng.uniform(600, 995, 80).round(1))
    answer = np.where(np.arange(80) % 2, (truth + rng.normal(0, 30, 80)).round(), (truth + 1.5).round(1))
    sex = np.where(np.arange(80) % 4 < 2, "f", "m")
    lines = [f"s{i};{german(t)};{german(a)};{s}" for i, (t, a, s) in enumerate(zip(truth, answer, sex, strict=True))]
    (tmp_path / "v.csv").write_text("\n".join(["id;true;pred;sex", *lines]))
    result = audit(tmp_path / "v.csv", ["sex"], task="regression", y_true="true", y_pred="pred")
    found = values(result, "mae")
    for group in "fm":
        assert found[group] == pytest.approx(np.abs(truth - answer)[sex == group].mean())


def races(path: Path) -> Path:
    race = np.array(["AS", "BL", "NA", "WH", "PI"])[np.arange(300) % 5]
    y = np.arange(300) // 5 % 2
    wrong = (race == "NA") & (np.arange(300) % 3 == 0)
    return save(path / "p.csv", {"image_id": np.arange(300), "y_true": y, "y_pred": y ^ wrong, "race": race})


def test_a_race_called_na(tmp_path: Path) -> None:
    path = races(tmp_path)
    found = audit(path, ["race"])
    assert "race: 60 of 300 cells read 'NA'" in " ".join(recorded_warnings())
    assert "--not-missing NA" in " ".join(recorded_warnings()) and "NA" not in values(found)
    for options in ({"spelling": Spelling.make(not_missing="NA")}, {"bins": {"race": "NA:NA|rest:AS,BL,WH,PI"}}):
        assert values(audit(path, ["race"], **options))["NA"] == pytest.approx(2 / 3)


def grades(answers: list[str], path: Path) -> Path:
    labels = np.array(["None", "Mild", "Severe"])[np.arange(90) % 3]
    return save(
        path / "p.csv", {"image_id": np.arange(90), "y_true": labels, "y_pred": answers, "sex": ["f", "m"] * 45}
    )


def test_a_grade_called_none(tmp_path: Path) -> None:
    path = grades((["None", "Mild", "Mild"] * 30), tmp_path)
    assert values(audit(path, ["sex"]))["overall"] == pytest.approx(2 / 3)
    never = grades((["Mild", "Mild", "Severe"] * 30), tmp_path)
    with pytest.raises(EverygroupError, match="30 of 90 cells read 'None'"):
        audit(never, ["sex"])
    kept = audit(never, ["sex"], spelling=Spelling.make(not_missing="None"))
    assert values(kept)["overall"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("word", ["None", "none"])
def test_a_cohorts_grade_called_none(tmp_path: Path, word: str) -> None:
    (tmp_path / "images").mkdir()
    for i in range(12):
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(tmp_path / f"images/x{i}.png")
    ids, sex = [f"x{i}" for i in range(12)], ["f", "m"] * 6
    save(tmp_path / "metadata.csv", {"image_id": ids, "label": [word, "Mild", "Severe"] * 4, "sex": sex})
    options = {"label": "label", "group": "sex", "image_size": 8, "cache": tmp_path / "cache"}
    for drop in (False, True):
        with pytest.raises(CohortError, match=f"4 of 12 cells read '{word}', which is a word for missing") as caught:
            read_cohort(tmp_path, drop_unlabelled=drop, **options)
        assert f"--not-missing {word}" in caught.value.fix
    assert set(read_cohort(tmp_path, not_missing=[word], **options).classes) == {word, "Mild", "Severe"}
    assert len(read_cohort(tmp_path, missing=[word], drop_unlabelled=True, **options)) == 8


def test_one_sex_in_several_spellings(tmp_path: Path) -> None:
    sex = np.array(["F", "f", "Female", "M", "m", "male"])[np.arange(240) % 6]
    y = np.arange(240) // 6 % 2
    columns = {"image_id": np.arange(240), "y_true": y, "y_pred": np.where(np.arange(240) % 7, y, 1 - y), "sex": sex}
    path = save(tmp_path / "p.csv", columns)
    assert len(values(audit(path, ["sex"]))) > 6
    said = " ".join(recorded_warnings())
    assert "'F' (40), 'f' (40) and 'Female' (40)" in said and "--map sex:" in said
    maps = [option.split()[0].rstrip(";") for option in said.split("--map ")[1:]]
    assert {"female", "male"} <= set(values(audit(path, ["sex"], spelling=Spelling.make(map=maps))))
    clear_warnings()
    audit(path, ["sex"], bins={"sex": "women:F,female|men:M,Male"})
    said = " ".join(recorded_warnings())
    assert "160 values of 'sex' lie in none of the sets" in said and "'f' differs from 'F' only in case" in said


def test_parquet_and_csv_say_the_same(tmp_path: Path) -> None:
    y = np.arange(200) % 2
    table = pd.DataFrame(
        {
            "image_id": np.arange(200),
            "y_true": y.astype(bool),
            "y_score": (0.2 + 0.5 * y + 0.001 * (np.arange(200) % 97)).astype("float32"),
            "female": pd.array([True, False, None, True] * 50, dtype="boolean"),
            "age": pd.array([44, None, 61, 70] * 50, dtype="Int64"),
            "skin": pd.Categorical.from_codes([0, 1, 2, 1] * 50, ["I", "II", "III"]),
        }
    )
    table.to_parquet(tmp_path / "p.parquet")
    table.to_csv(tmp_path / "p.csv", index=False)
    options = {"bins": {"age": "60"}, "metrics": ["auc", "accuracy"]}
    one, two = (audit(tmp_path / f, ["female", "age", "skin"], **options).table for f in ("p.parquet", "p.csv"))
    numbers = ["attribute", "group", "metric", "value", "n"]
    pd.testing.assert_frame_equal(one[numbers], two[numbers])
    assert {"True", "False", "missing"} <= set(one.loc[one["attribute"] == "female", "group"])


@pytest.mark.parametrize("ids", ["float", "zeros"])
def test_ids_written_otherwise_in_the_metadata(tmp_path: Path, ids: str, capsys: pytest.CaptureFixture[str]) -> None:
    y = np.arange(60) % 2
    path = save(tmp_path / "p.csv", {"image_id": np.arange(60), "y_true": y, "y_pred": y})
    names = [float(i) if ids == "float" else f"{i:04d}" for i in range(60)]
    meta = save(tmp_path / "m.csv", {"image_id": names, "sex": np.array(["f", "m"])[np.arange(60) // 2 % 2]})
    assert {"f", "m"} <= set(values(audit(path, ["sex"], metadata=meta)))
    assert "60 of 60 rows found" in " ".join(capsys.readouterr().err.split())
