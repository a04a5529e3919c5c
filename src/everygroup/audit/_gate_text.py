"""The text of a gate, read token by token."""

from __future__ import annotations

import re

from everygroup.errors import SettingsError

GRAMMAR = "write gap(METRIC)>0.10, worst(METRIC,ATTRIBUTE)<0.8, value(METRIC,ATTRIBUTE,GROUP)<0.8, or gap_low(METRIC)>0"
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"[^"]*"|'[^']*')
      | (?P<operator>>=|<=|>|<)
      | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[A-Za-z_]\w*)
      | (?P<mark>[(),])
    )""",
    re.VERBOSE,
)
_BARE = re.compile(r"\s*(?P<text>[^,()\"'\[\]]*(?:\[[^\]]*\])?)")


class Reader:
    """Reads a gate from left to right, token by token."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, kind: str, marks: str = "") -> str:
        """The next token, which has to be of this kind (and one of these marks)."""
        found = _TOKEN.match(self.text, self.at)
        token = found.group(kind) if found else None
        if found is None or token is None or (marks and token not in marks):
            article = "an" if kind[0] in "aeiou" else "a"
            raise self._error(f"expected {' or '.join(map(repr, marks)) if marks else f'{article} {kind}'}")
        self.at = found.end()
        return token

    def argument(self) -> str:
        """A quoted text, or everything up to the next comma or bracket; [..] belongs to it."""
        quoted = _TOKEN.match(self.text, self.at)
        if quoted and quoted.group("quoted"):
            self.at = quoted.end()
            return quoted.group("quoted")[1:-1]
        found = _BARE.match(self.text, self.at)
        if not found or not found.group("text").strip():
            raise self._error("expected a name (in quotes if it holds commas or brackets)")
        self.at = found.end()
        return found.group("text").strip()

    def end(self) -> None:
        """Nothing may follow."""
        if self.text[self.at :].strip():
            raise self._error("expected nothing more")

    def _error(self, what: str) -> SettingsError:
        rest = self.text[self.at :].strip() or "the end"
        return SettingsError(f"{self.text!r} is no gate: {what}, found {rest!r}.", fix=GRAMMAR)
