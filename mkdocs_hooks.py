"""Tables of the reference that are made from the code: hyper-parameters from the fields of methods."""

from __future__ import annotations

import re
from typing import Any

from pydantic.fields import FieldInfo

from everygroup.methods import method_class

MARK = re.compile(r"^<!-- options of (\w+) -->$", re.M)


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Put a table in the place of every mark."""
    return MARK.sub(lambda found: options_table(found[1]), markdown)


def options_table(name: str) -> str:
    """Return the hyper-parameters of a method as a table; those that belong together under one name."""
    method, rows = method_class(name), []
    nested = method.nested()
    for field_name, field in method.model_fields.items():
        if field_name not in nested:
            rows.append(_row(f"`{field_name}`", field))
            continue
        for i, (inner, inside) in enumerate(nested[field_name].model_fields.items()):
            first = f" (`{field_name}`)" if i == 0 else ""
            rows.append(_row(f"`{inner}`{first}", inside))
    if not rows:
        return "No hyper-parameters."
    return "\n".join(["| hyper-parameter | default | values | meaning |", "|---|---|---|---|", *rows])


def _row(name: str, field: FieldInfo) -> str:
    default = "null" if field.default is None else str(field.default)
    text = (field.description or "").replace("|", "\\|").replace("{", "&#123;")
    return f"| {name} | `{default}` | {_values(field)} | {text} |"


def _values(field: FieldInfo) -> str:
    """Return choices or limits of a field."""
    shown = str(field.annotation)
    if choices := re.findall(r"Literal\[([^\]]*)\]", shown):
        return ", ".join(f"`{c.strip()}`" for c in choices[0].replace("'", "").split(","))
    limits = {type(m).__name__: m for m in field.metadata}
    words = [
        f"{sign} {getattr(limits[kind], attribute)}"
        for kind, attribute, sign in (("Ge", "ge", "≥"), ("Gt", "gt", ">"), ("Le", "le", "≤"), ("Lt", "lt", "<"))
        if kind in limits
    ]
    return ", ".join(words)
