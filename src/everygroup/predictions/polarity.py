"""Which of two classes is the positive one, as far as their names tell: 1, yes, disease, a finding and its negation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_PAIRS = (
    *(("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("nein", "ja"), ("n", "j"), ("non", "oui")),
    *(("no", "si"), ("f", "t"), ("-1", "1"), ("-", "+"), ("neg", "pos"), ("absent", "present"), ("off", "on")),
    *(("falsch", "wahr"), ("faux", "vrai"), ("falso", "verdadero"), ("falso", "vero"), ("onwaar", "waar")),
    *(("nao", "sim"), ("nee", "ja"), ("nei", "ja"), ("nej", "ja"), ("nie", "tak"), ("нет", "да")),
    *(("class 0", "class 1"), ("class0", "class1"), ("absence", "presence"), ("low risk", "high risk")),
)
"""Codings of no and yes, the negative first; single letters mean something only as a pair."""


def words(text: str) -> frozenset[str]:
    """Return the words of a text that is written in a source file to be read easily."""
    return frozenset(text.split())


_NO = words(
    "false no nein non negative negativ negatif negativo neg absent healthy gesund sain saine sano sana benign benigne "
    "benigno gutartig normal normals normale unremarkable unauffallig control controls kontrolle well nevus naevus nv "
    "nevi bkl inlier good none negatief frisk gezond zdrowy saudavel stable"
)
_YES = words(
    "true yes ja oui si positive positiv positif positivo pos present disease diseased sick ill krank malade enfermo "
    "pathologic pathological pathology pathologisch abnormal abnorm abnormality anormal anomaly anomalous anomalie "
    "outlier auffallig malignant maligne malign maligno malignancy bosartig cancer cancerous krebs carcinoma karzinom "
    "carcinome tumor tumour melanoma melanom melanome mel bcc scc akiec pneumonia pneumonie pneumonitis pneumothorax "
    "edema oedema effusion fracture fraktur glaucoma retinopathy tuberculosis tb covid covid19 infected infection "
    "lesion defect finding findings befund dead died death deceased event case cases referable diabetic "
    "metastasis metastatic consolidation atelectasis cardiomegaly nodule mass hernia fibrosis emphysema "
    "progression progressive relapse recurrence positief syk sjuk syg ziek malato malata doente chory"
)
_NEGATION = words("no not non without kein keine keinen ohne nicht pas sans sin un free")


_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"))


def plain(name: str) -> str:
    """A class name without case, accents, and repeated or outer blanks; '_' and '-' between letters are blanks."""
    text = unicodedata.normalize("NFKD", str(name).strip().casefold()).translate(_DASHES)
    text = "".join(c for c in text if not unicodedata.combining(c))
    return re.sub(r"(?<=\w)[\s_\-]+(?=\w)", " ", re.sub(r"\s+", " ", text))


def polarity(name: str) -> int:
    """1 for the name of a finding, 0 for that of its absence, -1 where the name does not tell.

    Examples
    --------
    >>> polarity("Malignant"), polarity("gutartig"), polarity("no finding"), polarity("cat"), polarity("1")
    (1, 0, 0, -1, -1)
    """
    tokens = [t for t in re.split(r"[^a-z0-9]+", plain(name)) if t]
    if not tokens:
        return -1
    if len(tokens) > 1 and (set(tokens) & _NEGATION or "negative" in tokens or "negativ" in tokens):
        return 0
    told = {1 if t in _YES else 0 for t in tokens if t in _YES or t in _NO}
    return told.pop() if len(told) == 1 else -1


_YES_NO = {word: sign for pair in _PAIRS if "-1" not in pair for sign, word in enumerate(pair)} | {
    **dict.fromkeys(("negative", "negativ", "negatif", "negativo"), 0),
    **dict.fromkeys(("positive", "positiv", "positif", "positivo"), 1),
}


def is_yes_no(names: Sequence[str]) -> bool:
    """Whether names are codings of no and yes, be they mixed."""
    texts = {plain(name) for name in names}
    whole = any(texts == set(pair) for pair in _PAIRS)  # 'f' or 'n' alone can be anything
    return whole or texts == {"-1"} or (texts <= set(_YES_NO) and bool(texts - {"f", "t", "n", "j"}))


def signs(names: Sequence[str]) -> dict[str, int]:
    """What the names of one column mean: 0 and 1 of a coding of no and yes, or of healthy and sick; -1 unknown."""
    texts = {name: plain(name) for name in names}
    for pair in _PAIRS:
        if texts and set(texts.values()) <= set(pair):
            return {name: pair.index(text) for name, text in texts.items()}
    if is_yes_no(names):
        return {name: _YES_NO[text] for name, text in texts.items()}
    found = {name: polarity(name) for name in names}
    unknown = [name for name, sign in found.items() if sign < 0]
    if len(names) == 2 and len(unknown) == 1:
        (other,) = (name for name in names if name not in unknown)
        found[unknown[0]] = 1 - found[other]
    return found


def positive_of(classes: Sequence[str]) -> str | None:
    """The positive one of two classes, if their names tell.

    Examples
    --------
    >>> positive_of(["disease", "healthy"]), positive_of(["edema", "no edema"]), positive_of(["cat", "dog"])
    ('disease', 'edema', None)
    """
    if len(classes) != 2:
        return None
    a, b = (plain(c) for c in classes)
    for name, other, of in ((a, b, classes[0]), (b, a, classes[1])):
        rest = re.sub(r"^(?:no|not|non|without|kein|keine|ohne|nicht|pas de|sans|sin)\s+", "", other)
        if rest == name != other:
            return of
    found = signs(classes)
    return next((c for c in classes if found[c] == 1), None) if sorted(found.values()) == [0, 1] else None
