"""Open a folder that `prepare_cohort` wrote, whose own columns are the defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from everygroup.cohort import Cohort, GroupRule
from everygroup.cohort.outcome import PICTURED
from everygroup.datasets._out_folder import TABLE, TRUTH
from everygroup.datasets._samples import Request, check_label, labelled_rows, limited_rows, with_attributes
from everygroup.datasets._stored import Stored, cohort_of, require_names
from everygroup.datasets._table import check_columns
from everygroup.errors import CohortError
from everygroup.files import hash_array, read_json
from everygroup.imaging import PreparedImages, open_prepared
from everygroup.imaging.prepare import RECORD
from everygroup.tables.frame import read_table

OF_THE_TARGET = ("target", "normal", "masks", "structures", "truth")
"""Options of reading that a prepared folder keeps, beside its label, groups and split."""


def open_folder(request: Request) -> Cohort:
    """Open a prepared folder; its own columns are the defaults."""
    folder = request.source
    prepared = open_prepared(folder)
    content = read_json(folder / RECORD)
    if "table" not in content or not (folder / TABLE).is_file():
        raise CohortError(f"{folder}: holds prepared images but no table.", fix="make it with everygroup prepare")
    if request.images is not None or request.image_column is not None:
        raise CohortError(f"{folder}: is prepared and holds its own images.", fix="leave out --images, --image-column")
    if request.image_size not in (None, prepared.record["image_size"]):
        raise CohortError(
            f"{folder}: was prepared with {prepared.record['image_size']} pixels, not {request.image_size}.",
            fix="prepare the original files again with this --image-size",
        )
    if request.resize not in (None, prepared.record["resize"]):
        raise CohortError(
            f"{folder}: was prepared with --resize {prepared.record['resize']}, not {request.resize}.",
            fix="prepare the original files again with this --resize",
        )
    if request.volumes and not prepared.record.get("volumes"):
        raise CohortError(
            f"{folder}: was prepared without --volumes.", fix="prepare the original files again with --volumes"
        )
    if request.fast_decode and not prepared.record.get("fast_decode"):
        raise CohortError(
            f"{folder}: was prepared without --fast-decode.", fix="prepare the original files again with --fast-decode"
        )
    rules, about = content["rules"], content["table"]
    asked, request = request, _with_defaults(request, rules)
    require_names(folder, request)
    truth = _open_truth(request, content) if request.target in PICTURED else None
    path = folder / TABLE
    table = read_table(
        path,
        text_columns=about["text_columns"],
        numbers=request.answers if request.target == "number" else (),
        spelling=request.spelling.as_written(),
    )
    if request.groups is not None:
        table = with_attributes(table, request.group)
    check_label(path, table, request)
    check_columns(
        path, table, [*request.answers, *request.group, request.unit_column, request.id_column, about["id_column"]]
    )
    ids = table[about["id_column"]].astype(str).to_numpy(dtype=object)
    if len(table) != len(prepared.images) or hash_array(ids) != about["ids_hash"]:
        raise CohortError(
            f"{path}: its rows are no longer those of the images, or in another order.",
            fix="add columns to it if you like, but keep its rows; or prepare the original files again",
        )
    position = np.arange(len(table))
    if request.answers:
        position, _ = labelled_rows(path, table, request)
    position = limited_rows(position, request.sample_limit)
    limits = [n for n in (content["provenance"].get("sample_limit"), request.sample_limit) if n is not None]
    return cohort_of(
        request.model_copy(update=_named_before(asked, request, rules)),
        Stored(table.iloc[position], prepared, truth, position),
        request.id_column or about["id_column"],
        {**content["provenance"], "sample_limit": min(limits, default=None)},
    )


def _with_defaults(request: Request, rules: Mapping[str, Any]) -> Request:
    """Return a request in which a prepared folder's own columns are the defaults."""
    own: dict[str, Any] = {}
    if "target" not in request.model_fields_set or request.target == rules.get("target", "classes"):
        own = {name: rules[name] for name in OF_THE_TARGET if name in rules and not getattr(request, name)}
        own["target"] = rules.get("target", "classes")
        own["label"] = request.label or rules["label"]
        same = own["label"] == rules["label"]
        own["label_codes"] = request.label_codes or (same and rules.get("label_codes", False))
    rule = GroupRule.from_dict(rules["group"]) if rules["group"] else None
    own["group"] = group = request.group or (rule.attributes if rule else ())
    # Rules made for an attribute go on to hold for it, unless the user gives another.
    own["bins"] = {**({a: b for a, b in rule.bins.items() if a in group} if rule else {}), **request.bins}
    own["split_by"] = request.split_by or rules["split_by"]
    own["structures"] = tuple(own.get("structures", request.structures))
    return request.model_copy(update=own)


def _named_before(asked: Request, request: Request, rules: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the classes and groups of a cohort that was saved, in its order, where the folder's own are read."""
    named = {}
    own_target = request.target == rules.get("target", "classes") and request.label == rules["label"]
    if "classes" in rules and own_target and request.classes is None:
        named["classes"] = tuple(rules["classes"])
    own_groups = not asked.bins and rules["group"] and request.group == GroupRule.from_dict(rules["group"]).attributes
    if "groups" in rules and own_groups and request.groups is None:
        named["groups"] = tuple(rules["groups"])
    return named


def _open_truth(request: Request, content: Mapping[str, Any]) -> PreparedImages | None:
    """Open the masks or undegraded images of a prepared folder."""
    folder, rules = request.source, content["rules"]
    own = {"mask": rules.get("masks"), "image": rules.get("truth")}[request.target]
    if "truth" not in content and request.classes is not None:
        return None
    if "truth" not in content or request.answers != (own,):
        raise CohortError(
            f"{folder}: was prepared {f'with the column {own!r}' if own else 'without masks or undegraded images'}.",
            fix=f"prepare the original files again with --target {request.target} and the column wanted",
        )
    truth = open_prepared(folder / TRUTH)
    if len(truth.images) != content["images"]["n"] or truth.content_hash != content["truth"]["content_hash"]:
        raise CohortError(f"{folder / TRUTH}: does not fit the images.", fix="prepare the original files again")
    return truth
