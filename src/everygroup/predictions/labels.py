"""One coding for labels, answers and scores: True against 0/1, case twins, words against numbers; matched and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from everygroup.console import say, warn
from everygroup.errors import PredictionsError
from everygroup.predictions._coding import class_order
from everygroup.predictions.polarity import is_yes_no, polarity, positive_of, signs

Counts = Mapping[str, int]
"""How many rows hold each written name."""


@dataclass(frozen=True)
class Coding:
    """The classes of a table, and the class that every written name stands for.

    Attributes
    ----------
    classes : their names; of two the positive one is the second where `decided`.
    true, pred, score : class by name as written in the labels, in the answers and in the names of the score columns.
    decided : why the second of two classes is the positive one; empty where nothing tells.
    """

    classes: tuple[str, ...]
    true: dict[str, str]
    pred: dict[str, str]
    score: dict[str, str] = field(default_factory=dict)
    decided: str = ""


def one_coding(
    name: str,
    true: Counts,
    pred: Counts,
    scored: Sequence[str] = (),
    *,
    classes: Sequence[str] | None = None,
    positive: str | None = None,
) -> Coding:
    """Find the classes that labels, answers and score columns speak of.

    Parameters
    ----------
    name : of the file, for messages.
    true, pred : rows by name in the labels and in the answers; scored : names of the classes in the score columns.
    classes : their names and order, where the user gives them.
    positive : the positive one of two, as the user names it.

    Raises
    ------
    PredictionsError
        Where labels and answers share no coding, or `positive` is not one of two classes.
    """
    given = [str(c) for c in classes or ()]
    sources: dict[str, Counts] = {"true": true, "pred": pred, "score": dict.fromkeys(scored, 0)}
    fixed = given or list(scored)
    sources |= {"given": dict.fromkeys(given, 0)} if given else {}
    maps = _yes_and_no(name, sources, positive) or _twins(name, sources, fixed)
    spoken = ("score",) if scored else ("true", "pred")
    found = dict.fromkeys(c for word in spoken for c in maps[word].values())
    names = tuple(given) if given else tuple(found) if scored else class_order(found)
    _check_shared(name, maps, {k: true.get(k, 0) for k in true}, scored=bool(fixed))
    if len(names) != 2 and positive is not None:
        raise _no_positive(positive, names)
    decided = ""
    if len(names) == 2:
        chosen = positive_of(names) if not given else names[1]
        decided = "its name tells" if not given else "it is the second of the classes given"
        if positive is not None:
            known = {spelt: c for m in maps.values() for spelt, c in m.items()}
            near = {key(spelt): c for spelt, c in known.items()}
            chosen, decided = known.get(positive) or near.get(key(positive)), "--positive"
            if positive in names or chosen is None:
                chosen = positive
            if chosen not in names:
                raise _no_positive(positive, names)
        if chosen is None:
            decided = ""
        else:
            names = (*(c for c in names if c != chosen), chosen)
    return Coding(names, maps["true"], maps["pred"], maps["score"], decided)


def _no_positive(positive: str, names: Sequence[str]) -> PredictionsError:
    return PredictionsError(
        f"The positive class {positive!r} is not one of two classes.", fix=f"the classes are: {', '.join(names)}"
    )


def key(name: str) -> str:
    """What spellings of one name have in common: case, blanks and the writing of a number do not count."""
    text = " ".join(str(name).casefold().split())
    try:
        return f"{float(text):g}" if text.replace(".", "").lstrip("+-").isdigit() else text
    except ValueError:
        return text


def _twins(name: str, sources: Mapping[str, Counts], fixed: Sequence[str]) -> dict[str, dict[str, str]]:
    """Names that differ in case, blanks or the writing of a number are one class, spelt as the score columns or most
    rows have it."""
    several = {k for k, n in Counter(key(c) for c in fixed).items() if n > 1}
    spelt: dict[str, str] = {key(c): c for c in fixed}
    true, pred = sources["true"], sources["pred"]
    twins = len({key(w) for w in true}) < len(true)  # then the answers tell which spelling is meant
    rows = Counter(true) + Counter(pred)
    for written in sorted(rows, key=lambda w: (not twins and w not in true, -rows[w], w)):
        spelt.setdefault(key(written), written)
    maps = {
        word: {w: w if key(w) in several and w in fixed else spelt[key(w)] for w in counts}
        for word, counts in sources.items()
    }
    changed = {w: c for m in maps.values() for w, c in m.items() if w != c}
    if changed:
        told = ", ".join(f"{w!r} as {c!r}" for w, c in list(changed.items())[:6])
        warn(f"{name}: class names that differ only in case, blanks or digits are one class: {told} is read.")
    return maps


def _yes_and_no(name: str, sources: Mapping[str, Counts], positive: str | None) -> dict[str, dict[str, str]] | None:
    """Two classes in several codings of no and yes, or in one and in words; None where nothing is to match."""
    present = {word: list(counts) for word, counts in sources.items() if counts}
    everything = {key(w) for words in present.values() for w in words}
    if len(everything) <= 2:
        return None
    coded = {word: signs(words) for word, words in present.items() if is_yes_no(words)}
    worded = {word: words for word, words in present.items() if word not in coded}
    if not coded or (not worded and {"-1", "0", "1"} <= everything):
        return None
    meaning = dict(coded)
    if worded:
        names = list(dict.fromkeys(key(w) for words in worded.values() for w in words))
        spelt = {key(w): w for words in worded.values() for w in words}
        if len(names) > 2:
            return None
        chosen = None if positive is None else next((k for k in names if k == key(positive)), None)
        if chosen is None and len(names) == 2:
            told = positive_of([spelt[k] for k in names])
            chosen = None if told is None else key(told)
        if chosen is None and len(names) == 1 and polarity(spelt[names[0]]) == 1:
            chosen = names[0]
        known = chosen is not None or (len(names) == 1 and polarity(spelt[names[0]]) == 0)
        if not known:
            return None
        meaning |= {word: {w: int(key(w) == chosen) for w in words} for word, words in worded.items()}
    spoken: dict[int, str] = {}
    # words say more than digits; among codings that of the scores, then of the labels
    order = [*(w for w in sources if w == "given"), *worded, *(w for w in ("score", "true", "pred") if w in coded)]
    for word in order:
        counts = sources[word]
        for written in sorted(counts, key=lambda w: (-counts[w], w)):
            spoken.setdefault(meaning[word][written], written)
    maps = {word: {w: spoken[s] for w, s in meaning.get(word, {}).items()} for word in sources}
    changed = {
        f"{w!r} ({_WORDS[word]}) as {c!r}"
        for word, m in maps.items()
        for w, c in m.items()
        if w != c and word in _WORDS
    }
    say(f"{name}: labels, answers and scores are two codings of one thing; {', '.join(sorted(changed))} is read.")
    return maps


_WORDS = {"true": "label", "pred": "answer", "score": "score"}


def _check_shared(name: str, maps: Mapping[str, Mapping[str, str]], true: Counts, *, scored: bool) -> None:
    """Refuse labels and answers that are two codings of one thing which nothing matches."""
    labels, answers = set(maps["true"].values()), set(maps["pred"].values())
    known = set(maps["score"].values())
    if len(labels) == 2 and labels < answers and not known:
        warn(
            f"{name}: the answers {_few(answers - labels)} are never a label: with them the two classes are "
            f"{len(answers)}, and such an answer is always wrong. Where it means no answer, leave the rows out "
            "and count them apart."
        )
    for here, what in ((answers, "answers"), (known, "score columns")):
        if not labels or not here or labels <= here or (what == "answers" and here <= labels):
            continue
        if what == "score columns" and labels & here:
            continue  # a label without a score is named with its row
        if what == "answers" and labels | here <= known:
            continue  # both are classes that have a score: a model that is never right
        only, other = sorted(labels - here), sorted(here - labels)
        if not labels & here or (len(labels) <= 2 and len(here) <= 2) or _shifted(labels, here):
            by_hand = " ".join(f"--map y_pred:{a}=CLASS" for a in other[:2])
            if what == "score columns":
                by_hand = f"name the score of {only[0]!r} score_{only[0]}, and so on"
            one = "name the class that is coded 1 with --positive, or " if len(labels) == 2 == len(here) else ""
            raise PredictionsError(
                f"{name}: the labels are {_few(labels)} but the {what} {_few(here)}: two codings of one thing, which "
                "cannot be matched.",
                fix=f"{one}write both in one coding ({by_hand})",
            )
        if not scored:
            warn(
                f"{name}: the answers {_few(other)} are never a label, and the labels {_few(only)} never an answer: "
                "are they the same classes?"
            )
    if "-1" in labels and {"0", "1"} <= labels | answers and "-1" not in answers | known:
        rows = sum(n for w, n in true.items() if maps["true"][w] == "-1")
        raise PredictionsError(
            f"{name}: {rows:,} labels are -1, beside 0 and 1, and no answer is: they may be uncertain.",
            fix="--missing -1 reads them as unknown, --map y_true:-1=0 as negative",
        )


def _shifted(labels: set[str], answers: set[str]) -> bool:
    """Whether answers are the numbers of the labels, counted from another start."""
    try:
        a, b = sorted(float(v) for v in labels), sorted(float(v) for v in answers)
    except ValueError:
        return False
    return len(a) == len(b) and a != b and len({y - x for x, y in zip(a, b, strict=True)}) == 1


def _few(names: set[str] | Sequence[str]) -> str:
    listed = list(class_order(names))
    return ", ".join(map(repr, listed[:4])) + (f" and {len(listed) - 4} more" if len(listed) > 4 else "")
