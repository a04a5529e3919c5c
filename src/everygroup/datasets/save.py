"""Write a cohort that is in memory as a prepared folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from everygroup.cohort import Cohort
from everygroup.cohort.outcome import PICTURED
from everygroup.datasets._out_folder import TABLE, TRUTH, check_out, is_prepared
from everygroup.datasets._table import write_table
from everygroup.errors import CohortError, OutputError
from everygroup.files import hash_array, hash_json, read_json, write_json
from everygroup.imaging.prepare import RECORD, store_array
from everygroup.mapped import take


def save_cohort(cohort: Cohort, out: Path | str, *, overwrite: bool = False) -> Path:
    """Write a cohort as a folder that `everygroup.read_cohort` and every command opens, as `prepare_cohort` does.

    Labels, groups, units and ids are read from the cohort's table again, by the same columns and rules, and classes and
    groups keep their order.

    Parameters
    ----------
    cohort : of square uint8 images (n, S, S, C), or of vectors (n, D).
    out : the folder, which is returned.
    overwrite : bool
        Replace another cohort there.

    Raises
    ------
    CohortError
        For images that are not square or not uint8, and a cohort whose ids or units are no columns of its table.
    OutputError
        If `out` holds another cohort, or a table or images that are not ours to replace.
    """
    out, everything = Path(out), slice(None)
    id_column = next((c for c in cohort.table if (cohort.table[c].astype(str) == cohort.ids).all()), None)
    vectors = len(cohort.sample_shape) == 1
    square = cohort.images.dtype == np.uint8 and cohort.images.ndim == 4 and len(set(cohort.sample_shape[:2])) == 1
    if not vectors and not square:
        raise CohortError(f"Images of {cohort.sample_shape} {cohort.images.dtype}.", fix="save square uint8 images")
    if id_column is None:
        raise CohortError("No column of the table holds the ids.", fix="add one")
    check_out(out)
    made_of = hash_json([cohort.content_hash, cohort.provenance])
    if is_prepared(out) and not overwrite and read_json(out / RECORD)["images"].get("key") != made_of:
        raise OutputError(f"{out} holds another cohort.", fix="choose another folder, or give --overwrite")
    table, rules = _table_and_rules(cohort)
    size = 1 if vectors else cohort.sample_shape[0]
    if cohort.truth is not None:
        store_array(cohort.truth_batch(everything), out / TRUTH, key=made_of, image_size=size)
    write_table(table, out / TABLE)
    if cohort.transforms:
        stored = cohort.batch(everything)
    elif np.array_equal(cohort.rows, np.arange(len(cohort.images))):
        stored = cohort.images  # as it lies, maybe in a file
    else:
        stored = take(cohort.images, cohort.rows)
    record = store_array(stored, out, key=made_of, image_size=size)
    record["table"] = {
        "id_column": id_column,
        "text_columns": [str(c) for c in table.columns if table[c].dtype.kind not in "iufb"],
        "ids_hash": hash_array(table[id_column].astype(str).to_numpy(dtype=object)),
    }
    record["rules"] = rules
    if cohort.truth is not None:
        record["truth"] = {"content_hash": read_json(out / TRUTH / RECORD)["images"]["content_hash"]}
    record["provenance"] = cohort.provenance
    write_json(out / RECORD, record)
    return out


def _table_and_rules(cohort: Cohort) -> tuple[Any, dict[str, Any]]:
    table, label = cohort.table, cohort.label or cohort.target
    rules: dict[str, Any] = {
        "label": None if cohort.target in PICTURED else label,
        "label_codes": False,
        "split_by": cohort.split_by,
        "group": cohort.rule.to_dict(),
        "target": cohort.target,
        "classes": list(cohort.classes),
        "groups": list(cohort.groups),
    }
    if cohort.target in PICTURED:
        rules["masks" if cohort.target == "mask" else "truth"] = label
        if label not in table:
            table = table.assign(**{label: cohort.ids})
    if cohort.target == "anomaly":
        rules["normal"] = str(table[label][cohort.y == 0].iloc[0])
    return table, rules
