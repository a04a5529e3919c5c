"""The reference of methods, made from the code: tables of families, sections, hyper-parameters."""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic.fields import FieldInfo

from everygroup.methods import list_methods, method_class

OPTIONS = re.compile(r"^<!-- options of (\w+) -->$", re.M)
FAMILY = re.compile(r"^<!-- methods of ([\w-]+) -->$", re.M)
FAMILIES = ("baseline", "group-specific", "pre-processing", "in-processing", "post-processing")
_ROLE = re.compile(r":\w+:`([^`]*)`")
_MATH = re.compile(r"^[ \t]*\.\. math::[ \t]*(.*(?:\n[ \t]+\S.*)*)$", re.M)


def on_page_markdown(markdown: str, **context: Any) -> str:
    """Put tables and sections in the place of every mark."""
    others = [name for name in list_methods() if f"## {name}\n" not in markdown]
    markdown = markdown.replace("<!-- methods by family -->", "\n\n".join(map(family_table, FAMILIES)))
    markdown = markdown.replace("<!-- other methods -->", "\n\n".join(map(section, others)))
    markdown = FAMILY.sub(lambda found: family_table(found[1], "../../reference/methods.md"), markdown)
    return OPTIONS.sub(lambda found: options_table(found[1]), markdown)


def family_table(family: str, page: str = "") -> str:
    """Return the methods of a family as a table: name, idea, where the group is needed, cost for two groups."""
    infos = [method_class(name).info for name in list_methods()]
    mine = sorted((i for i in infos if i.family == family), key=lambda i: (i.branch, i.name))
    rows = [
        f"| [`{i.name}`]({page}#{i.name}) | {i.idea} | {i.branch or i.family} | {i.needs_group} | {i.cost(2):.3g} |"
        for i in mine
    ]
    head = [
        f"**{family.capitalize()}**",
        "",
        "| name | idea | kind | needs the group | cost |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


def section(name: str) -> str:
    """Return what a method's class says of itself: paper, description, hyper-parameters."""
    method = method_class(name)
    info = method.info
    text = inspect.cleandoc(method.__doc__ or "")
    text = _MATH.sub(lambda found: f"```text\n{' '.join(found[1].split())}\n```", text)
    text = _ROLE.sub(r"`\1`", text)
    facts = [f"{info.title}. {info.paper}."]
    if info.needs:
        facts.append(f"Needs: {info.needs}.")
    if info.two_classes:
        facts.append("For two classes.")
    return "\n\n".join([f"## {name}", " ".join(facts), text, options_table(name)])


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
