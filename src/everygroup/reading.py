"""How a cohort is read: one option, one line. Command line, config files, recipes and Python calls follow from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from everygroup.cohort.outcome import Target
from everygroup.settings import build, option
from everygroup.tables import Spelling

Resize = Literal["crop", "pad", "stretch"]
OnBadImage = Literal["error", "skip"]


def _names(value: Any) -> Any:
    """Take one name (or path) for a list of one."""
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return (str(value),)
    if isinstance(value, (list, tuple)):
        return tuple(str(v) if hasattr(v, "__fspath__") else v for v in value)
    return value


def _rules(value: Any) -> Any:
    """Refuse what no rule can be; numbers and sets themselves are read by `everygroup.cohort.Binning`."""
    rules = list(value.values()) if isinstance(value, Mapping) else [None]
    sets = [members for rule in rules if isinstance(rule, dict) for members in rule.values()]
    if any(rule is None for rule in rules) or not all(isinstance(members, list | tuple) for members in sets):
        raise PydanticCustomError(
            "bins", "give each column its rule, such as age: 40,60 on a line of its own below bins:"
        )
    return dict(value)


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
Rules = Annotated[dict[str, Any], BeforeValidator(_rules)]
Text = Annotated[str, BeforeValidator(lambda value: str(value) if hasattr(value, "__fspath__") else value)]


_OF_ONE_SOURCE = frozenset(
    {
        "group",
        "bins",
        "images",
        "embeddings",
        "image_size",
        "on_bad_image",
        "drop_unlabelled",
        "sample_limit",
        "units_with_duplicates",
    }
)
_OF_TARGETS = {
    "label": ("classes", "labels", "number", "anomaly"),
    "label_codes": ("classes",),
    "normal": ("anomaly",),
    "masks": ("mask",),
    "structures": ("mask",),
    "truth": ("image",),
}
_ADDING = ("missing", "not_missing", "map")


class Reading(BaseModel):
    """The options of `everygroup.read_cohort`; they are options of the commands and keys of configs and recipes, too.

    A further option is a further line here and the place where it acts. None stands for an option that is not given.
    """

    model_config = ConfigDict(title="Cohort", frozen=True, extra="forbid", strict=True)

    target: Target = option(
        "classes",
        "what is to be predicted: one of several classes, labels that may come together, a number, a mask, whether "
        "something is an anomaly, or the undegraded image",
    )
    label: str | None = option(
        None, "column of the diagnosis; with --target labels a column a finding: edema,mass", metavar="COLUMN"
    )
    normal: str | None = option(None, "with --target anomaly: the value of the label that is none", metavar="VALUE")
    masks: str | None = option(
        None,
        "with --target mask: column of the masks, image files (0 the background) or run lengths ('start length ...' "
        "down the columns, or COCO's)",
        metavar="COLUMN",
    )
    structures: Names = option(
        (),
        "names of what the masks' values 1, 2, ... are",
        metavar="NAMES",
        otherwise="the masks' column, or numbered",
    )
    truth: str | None = option(None, "with --target image: column of the undegraded images' files", metavar="COLUMN")
    group: Names = option(
        (), "column of a sensitive attribute; several of them are their intersections", metavar="COLUMN"
    )
    bins: Rules = option(
        {},
        "make groups of an attribute's values: age=40,60 (a cut belongs to the group below it), or "
        "'skin_type=light:1,2,3|dark:4,5,6'",
        metavar="COLUMN=RULE",
    )
    split_by: str | None = option(
        None,
        "column of the patient or lesion, which is never torn between training and test; none: images are independent",
        metavar="COLUMN",
    )
    id_column: str | None = option(
        None, "column that identifies a sample", metavar="COLUMN", otherwise="guessed, and said"
    )
    image_column: str | None = option(None, "column of the image's file name, where it is not the id", metavar="COLUMN")
    images: Text | None = option(
        None, "folder, zip or npz of the images, where they do not lie beside the table", metavar="PATH"
    )
    embeddings: Text | None = option(
        None,
        "features of any network in the place of images: an npz of features (n, D) and ids, or a table with "
        "a column of ids",
        metavar="FILE",
    )
    image_size: int | None = option(
        None, "side of the square images", metavar="PIXELS", ge=1, otherwise="that of the npz, else 128"
    )
    resize: Resize | None = option(
        None, "cut out the central square, keep all on black, or change the aspect ratio", otherwise="crop"
    )
    fast_decode: bool = option(
        False, "decode JPEGs much larger than --image-size at 1/2, 1/4 or 1/8: faster, with slightly other pixels"
    )
    volumes: bool = option(
        False, "read NIfTI files whole, as cubes of --image-size voxels (64 if not given), and not one slice of each"
    )
    on_bad_image: OnBadImage = option(
        "error", "stop at images that are missing or damaged, or leave them out and list them"
    )
    missing: Names = option((), "words that count as missing, too: 'unbekannt,-'", metavar="WORDS")
    not_missing: Names = option(
        (), "words that are values, although they usually count as missing: NA, None", metavar="WORDS"
    )
    map: Names = option((), "make one value of several spellings: sex:m,male,männlich=male", metavar="COLUMN:A,B=C")
    decimal: Literal[".", ","] | None = option(
        None, "what stands before the decimals of numbers", otherwise="found by the column and the file"
    )
    label_codes: bool = option(False, "the label's numbers are codes of classes, however many there are")
    drop_unlabelled: bool = option(False, "leave rows without a label out instead of refusing them")
    sample_limit: int | None = option(
        None, "read at most N samples, chosen at random once, for trying things out", metavar="N", ge=1
    )
    units_with_duplicates: bool = option(
        False,
        "keep patients (or images) that share copies of images, also near ones, in one part of the split",
    )

    @property
    def answers(self) -> tuple[str, ...]:
        """Columns that hold what is to be predicted; none where only predictions are wanted."""
        if self.target == "labels" and self.label is not None:
            return tuple(name.strip() for name in self.label.split(",") if name.strip())
        column = {"mask": self.masks, "image": self.truth}.get(self.target, self.label)
        return () if column is None else (column,)

    @property
    def spelling(self) -> Spelling:
        """How the words and numbers of the table are understood."""
        return Spelling.make(self.missing, self.not_missing, self.map, self.decimal)

    def of_new_data(self, **more: Any) -> Reading:
        """Return how new data is read by a model that was trained with this reading; `more` wins, or adds spellings.

        Columns and spellings are as at training. What is of one source is not: where its images lie, which rows count.
        """
        kept = {name: value for name, value in self.given().items() if name not in _OF_ONE_SOURCE}
        added = {name: (*kept.get(name, ()), *more[name]) for name in _ADDING if name in more}
        return build(Reading, {**kept, **more, **added})

    @model_validator(mode="before")
    @classmethod
    def _given_only(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _fits_the_target(self) -> Self:
        for name, targets in _OF_TARGETS.items():
            if getattr(self, name) and self.target not in targets:
                text = "{name} is for --target {targets}, not for {target}"
                told = {"name": f"--{name}", "targets": " or ".join(targets), "target": self.target}
                raise PydanticCustomError("target", text, told)
        if self.target == "anomaly" and self.label is not None and self.normal is None:
            raise PydanticCustomError("target", "name the value that is no anomaly with --normal VALUE")
        return self

    @property
    def unit_column(self) -> str | None:
        """Column of the patient or lesion; None where none is named, or images are said to be independent."""
        return None if self.split_by == "none" else self.split_by

    def given(self) -> dict[str, Any]:
        """Return what was asked for, without what was left to the defaults."""
        return {name: getattr(self, name) for name in Reading.model_fields if name in self.model_fields_set}
