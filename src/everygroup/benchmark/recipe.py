"""A recipe: which methods are compared on which cohorts, with which seeds and which budget; read from YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from everygroup.benchmark.search import Range
from everygroup.errors import SettingsError
from everygroup.reading import Reading
from everygroup.settings import PRESETS, TrainSettings, read_config

GENERATED = ("sim", "toy")
Report = Literal["values", "gaps", "differences"]
REPORTS: tuple[Report, ...] = ("values", "gaps", "differences")
_KEYS = {
    "sim": {"target", "n", "image_size", "options", "cohort_seed"},
    "toy": {"n", "options", "cohort_seed"},
    "files": set(Reading.model_fields),
}
_PROTOCOL_KEYS = ("seed", "device", "backbone")  # settings that a recipe states elsewhere, or not at all
T = TypeVar("T", bound=BaseModel)

Names = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v), Field(min_length=1)]
Seed = Annotated[int, Field(ge=0)]
Seeds = Annotated[list[Seed], Field(min_length=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Attribute(_Part):
    """How groups are made: columns, and rules of those that are binned (see `everygroup.cohort.Binning`)."""

    group: Names
    bins: dict[str, Any] = {}


class CohortEntry(Reading):
    """A cohort of the recipe.

    Attributes
    ----------
    name : str
    source : str
        'sim' (`everygroup.datasets.simulate`), 'toy' (rotating sectors), or what `everygroup.read_cohort` takes: a
        folder, a CSV file, a prepared folder. Relative paths are looked up in $EVERYGROUP_DATA, then from here.
    attributes : dict of str to Attribute
        Each is a comparison of its own; empty: the cohort's own groups.
    n, options, cohort_seed : int, dict, int or 'each'
        Of sim and toy: samples, arguments of the generator, and its seed ('each': the run's, so that every seed draws
        new patients).
    split, split_seed : list of float, int or 'each'
        Shares of training, validation and test, and the seed of the split. Default: 'each' (the run's) for generated
        cohorts, and one split, 0, for files.

    The options of reading files are those of `Reading`; `target` and `image_size` hold for sim, too.
    """

    model_config = ConfigDict(allow_inf_nan=False)

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9._-]+$")
    source: str
    attributes: dict[str, Attribute] = Field({})
    n: int | None = Field(None, ge=1)
    options: dict[str, Any] = Field({})
    cohort_seed: Seed | Literal["each"] | None = None
    split: list[float] = Field([0.6, 0.2, 0.2], min_length=3, max_length=3)
    split_seed: Seed | Literal["each"] | None = None

    @property
    def kind(self) -> str:
        """'sim', 'toy' or 'files'."""
        return self.source if self.source in GENERATED else "files"

    @model_validator(mode="after")
    def _fits_its_source(self) -> CohortEntry:
        every = set().union(*_KEYS.values())
        stray = sorted((self.model_fields_set & every) - _KEYS[self.kind])
        if stray := [key for key in stray if getattr(self, key) != type(self).model_fields[key].default]:
            raise PydanticCustomError(
                "cohort", "{key} means nothing for source {source}", {"key": stray[0], "source": self.source}
            )
        if self.attributes and (self.group or self.bins):
            raise PydanticCustomError("cohort", "group and bins stand in each of its attributes, not beside them")
        return self

    def seeds_for(self, seed: int) -> tuple[int, int]:
        """Return the seeds of the generator and of the split for a run's seed."""
        default: int | str = 0 if self.kind == "files" else "each"
        chosen = [default if value is None else value for value in (self.cohort_seed, self.split_seed)]
        return (seed if chosen[0] == "each" else int(chosen[0]), seed if chosen[1] == "each" else int(chosen[1]))

    @property
    def resplits(self) -> bool:
        """Whether the same samples are split anew for every seed."""
        return self.seeds_for(0)[1] != self.seeds_for(1)[1] and self.seeds_for(0)[0] == self.seeds_for(1)[0]


class MethodEntry(_Part):
    """A method of the recipe: registry name, label in tables, hyper-parameters, and ranges to search."""

    name: Annotated[str, BeforeValidator(lambda value: one_line(value))]
    label: str = ""
    hyperparameters: dict[str, Any] = {}
    search: dict[str, Range] = {}

    @property
    def title(self) -> str:
        """The label, else the name."""
        return self.label or self.name

    @property
    def is_erm(self) -> bool:
        """Whether it is ERM without options."""
        return self.name == "erm" and not self.hyperparameters and not self.search


def _as_entry(value: Any) -> Any:
    return {"name": value} if isinstance(value, str | list) else value


def one_line(value: Any) -> Any:
    """Write a chain of parts in one line: a file may hold it as a list of names and of {name: options}."""
    if not isinstance(value, list):
        return value
    from everygroup.methods.chain import as_text

    return as_text(value)


class Size(_Part):
    """What a named size changes: `cohort` for every cohort it fits, `cohorts` by name."""

    preset: str | None = None
    settings: dict[str, Any] = {}
    cohort: dict[str, Any] = {}
    cohorts: dict[str, dict[str, Any]] = {}
    backbones: Names | None = None
    seeds: Seeds | None = None
    search_seeds: Seeds | None = None
    draws: int | None = Field(None, ge=1)


class Recipe(_Part):
    """A comparison under one protocol.

    Attributes
    ----------
    title, question, paper : str
    before : str
        Parts that stand before every method, such as pca(n=128).
    cohorts, methods : list of CohortEntry, of MethodEntry
    backbones : list of str
    seeds : list of int
        Seeds of the results.
    preset, settings : str, dict
        Training settings of every method.
    search : dict of str to Range
        Settings that are drawn for every method.
    draws : int
        Hyper-parameter draws of every method that has something to draw; 1 is the declared values, no search.
    search_seeds : list of int
        Seeds the draws are judged with; never among `seeds`.
    choose_by : str
        Selection rule for draws; sees validation predictions only.
    sizes : dict of str to Size
    imports : list of str
        Python files whose methods the recipe names; absolute paths. Reading the recipe runs their code.
    reports : list of str
    """

    title: str
    question: str = ""
    paper: str = ""
    before: Annotated[str, BeforeValidator(lambda value: one_line(value))] = ""
    cohorts: list[CohortEntry] = Field(min_length=1)
    methods: list[Annotated[MethodEntry, BeforeValidator(_as_entry)]] = Field(min_length=1)
    backbones: Names = ["auto"]
    seeds: Seeds = [0, 1, 2]
    preset: str = "standard"
    settings: dict[str, Any] = {}
    search: dict[str, Range] = {}
    draws: int = Field(1, ge=1)
    search_seeds: Seeds = [1000]
    choose_by: str = "score"
    sizes: dict[str, Size] = {}
    imports: Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = []
    reports: list[Report] = list(REPORTS)

    def written(self, method: MethodEntry) -> str:
        """Return a method as it is run: behind the parts that stand before every one."""
        return f"{self.before} + {method.name}" if self.before else method.name

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        for key, names in (
            ("cohorts", [c.name for c in self.cohorts]),
            ("methods", [m.title for m in self.methods]),
            ("backbones", self.backbones),
            ("seeds", self.seeds),
            ("search_seeds", self.search_seeds),
        ):
            if twice := [n for i, n in enumerate(names) if n in names[:i]]:
                raise PydanticCustomError("twice", "{key} lists {name} twice", {"key": key, "name": str(twice[0])})
        if stray := [m.title for m in self.methods if (m.title == "erm") != m.is_erm and m.title != m.name]:
            raise PydanticCustomError(
                "erm",
                "plain ERM, and nothing else, is labelled erm, since all is compared with it; rename {label}",
                {"label": stray[0]},
            )
        if self.searches and set(self.seeds) & set(self.search_seeds):
            raise PydanticCustomError("seeds", "seeds and search_seeds share a seed; results need fresh ones")
        if self.searches and (torn := [c.name for c in self.cohorts if c.resplits]):
            # the search would see what is a test sample under another seed
            raise PydanticCustomError("split", "cohort {name}: with draws, give split_seed a number", {"name": torn[0]})
        return self

    @property
    def searches(self) -> bool:
        """Whether any method draws hyper-parameters."""
        return self.draws > 1 and any(self.ranges(m) for m in self.methods)

    def ranges(self, method: MethodEntry) -> dict[str, Range]:
        """Return what is drawn for a method: the recipe's settings and its own hyper-parameters."""
        return {**self.search, **method.search}

    def draws_of(self, method: MethodEntry) -> int:
        """Return the number of draws of a method; 1 when there is nothing to draw."""
        return self.draws if self.ranges(method) else 1

    def training(self, backbone: str, seed: int, drawn: Mapping[str, Any] | None = None) -> TrainSettings:
        """Return the training settings of one run."""
        own = {k: v for k, v in (drawn or {}).items() if k in self.search}
        return TrainSettings.make({**self.settings, **own, "backbone": backbone, "seed": seed}, preset=self.preset)

    def at(self, size: str | None) -> Recipe:
        """Return the recipe at a named size (default: the first one, if there is any).

        Raises
        ------
        SettingsError
            For an unknown size, or one that changes what is not there.
        """
        if size is None and not self.sizes:
            return self
        name = next(iter(self.sizes)) if size is None else size
        if name not in self.sizes:
            raise SettingsError(
                f"The recipe has no size {name!r}.",
                fix=f"choose one of {', '.join(self.sizes)}" if self.sizes else "leave out --size: it has no sizes",
            )
        chosen, values = self.sizes[name], self.model_dump(exclude_unset=True)
        if strays := [n for n in chosen.cohorts if n not in [c.name for c in self.cohorts]]:
            raise SettingsError(f"Size {name!r} changes cohort {strays[0]!r}, which the recipe lacks.", fix="rename it")
        common = set(CohortEntry.model_fields) - set().union(*_KEYS.values())
        fits = {entry.name: _KEYS[entry.kind] | common for entry in self.cohorts}
        if strays := [k for k in chosen.cohort if k not in CohortEntry.model_fields]:
            raise SettingsError(f"Size {name!r} changes {strays[0]!r}, which no cohort has.", fix="correct its name")
        for entry, changed in zip(self.cohorts, values["cohorts"], strict=True):
            changed.update({k: v for k, v in chosen.cohort.items() if k in fits[entry.name]})
            changed.update(chosen.cohorts.get(entry.name, {}))
        values["settings"] = {**self.settings, **chosen.settings}
        for key in ("preset", "backbones", "seeds", "search_seeds", "draws"):
            if getattr(chosen, key) is not None:
                values[key] = getattr(chosen, key)
        values.pop("sizes")
        return build_recipe(values, where=f"size {name}")

    def but(self, **changes: Any) -> Recipe:
        """Return a copy with some parts replaced (and validated)."""
        return build_recipe({**self.model_dump(exclude_unset=True), **changes}, where="the command line")


def build_recipe(values: Mapping[str, Any], *, where: str) -> Recipe:
    """Validate a recipe, down to every method's hyper-parameters, with errors a user can act on.

    Raises
    ------
    SettingsError
        Naming `where` (the file), the key, and the fix.
    """
    from everygroup.methods import create_method, import_files
    from everygroup.training import selection_rule

    try:
        recipe = Recipe(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(p) for p in first["loc"])
        given = (
            ""
            if first["type"] in ("missing", "extra_forbidden") or not key
            else f" (given: {str(first['input'])[:60]})"
        )
        unknown = first["type"] == "extra_forbidden"
        what = "no such key in a recipe" if unknown else first["msg"]
        at = f"{where}: {key}" if key else where
        raise SettingsError(f"{at}: {what}{given}.", fix=f"remove {key}" if unknown else _fix(key)) from None
    try:
        import_files(recipe.imports)
        if recipe.preset not in PRESETS:
            raise SettingsError(f"Unknown preset {recipe.preset!r}.", fix=f"choose one of {', '.join(PRESETS)}")
        if stray := [k for k in (*recipe.settings, *recipe.search) if k in _PROTOCOL_KEYS and k != "device"]:
            raise SettingsError(f"settings: {stray[0]} stands elsewhere in a recipe.", fix=f"use {stray[0]}s:")
        if stray := [k for k in recipe.search if k not in TrainSettings.model_fields or k in ("epochs", "updates")]:
            raise SettingsError(
                f"search: {stray[0]} cannot be drawn for every method.", fix="name a training setting, not the budget"
            )
        selection_rule(recipe.choose_by)
        for method in recipe.methods:
            for draw in range(recipe.draws_of(method)):
                values_drawn = hyperparameters_of(recipe, method, draw)
                create_method(method.name, values_drawn)
                recipe.training(recipe.backbones[0], recipe.seeds[0], drawn_of(recipe, method, draw))
    except SettingsError as error:
        raise SettingsError(f"{where}: {error.message}", fix=error.fix) from None
    return recipe


def drawn_of(recipe: Recipe, method: MethodEntry, draw: int) -> dict[str, Any]:
    """Return what a draw changes, of settings and hyper-parameters."""
    from everygroup.benchmark.search import draw_values

    return draw_values(recipe.ranges(method), method.title, draw)


def hyperparameters_of(recipe: Recipe, method: MethodEntry, draw: int) -> dict[str, Any]:
    """Return a method's hyper-parameters at a draw."""
    own = {k: v for k, v in drawn_of(recipe, method, draw).items() if k in method.search}
    return {**method.hyperparameters, **own}


def list_recipes() -> list[str]:
    """Return the names of the shipped recipes, such as 'spare/main'."""
    root = Path(str(resources.files("everygroup.benchmark") / "recipes"))
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.yaml"))


def read_recipe(name: str | Path, imports: Sequence[str | Path] = ()) -> Recipe:
    """Read a shipped recipe by name, or any YAML file by path.

    Parameters
    ----------
    name : str or path
    imports : sequence of path
        Python files to import besides those of the recipe, whose paths are relative to it. This runs their code.

    Raises
    ------
    SettingsError
        If there is none, or it holds an unknown key or an impossible value.
    """
    path = Path(name)
    if str(name) in list_recipes():
        path = Path(str(resources.files("everygroup.benchmark") / "recipes" / f"{name}.yaml"))
    elif not path.is_file():
        raise SettingsError(
            f"No recipe {str(name)!r}.", fix=f"give the path of a YAML file, or one of {', '.join(list_recipes())}"
        )
    values = read_config(path)
    own = values.get("imports", [])
    if isinstance(own, (str, list)) and (own or imports):  # anything else is refused with the rest
        beside = [path.parent / str(file) for file in ([own] if isinstance(own, str) else own)]
        values["imports"] = list(dict.fromkeys(str(Path(file).resolve()) for file in (*beside, *imports)))
    return build_recipe(values, where=path.name if str(name) not in list_recipes() else str(name))


def _fix(key: str) -> str:
    return f"correct {key}" if key else "correct the recipe"
