"""Regular expressions of policies, all found in one pass over a text, in time linear in its length (RE2).

RE2 (Cox 2010, "Regular expression matching in the wild") knows no backtracking, so no text can make a
pattern hang; what it costs is bounded by the size of its program, and so is that here. Patterns are
looked for anywhere, in any case, in the text as it was written; `(?-i)` minds the case.

Not covered: disguises; what `features.content.phrases` sees through, a pattern must spell out.
"""

from collections.abc import Sequence

import re2

LONGEST_PATTERN = 500
"""Characters of the longest pattern."""

LARGEST_PROGRAM = 500
"""Instructions of the largest program that a pattern may become."""

LARGEST_SET = 2_000
"""Instructions of all patterns together; on the worst texts each 80 of them cost a microsecond a byte."""

_MEMORY = 64 << 20


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def program_size(pattern: str) -> int:
    """Return how many instructions a pattern becomes.

    Raises:
        ValueError: it is no pattern, or one that RE2 does not know; says why.
    """
    try:
        return int(re2.compile(pattern, _options()).programsize)
    except re2.error as error:
        why = error.args[0] if error.args else error
        raise ValueError(why.decode(errors="replace") if isinstance(why, bytes) else str(why)) from None


class PatternSet:
    """Patterns that are looked for together."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile them; each was looked at by `program_size` before."""
        self._set = re2.Set.SearchSet(_options())
        for pattern in patterns:
            self._set.Add(pattern)
        # Raises if there is too little memory; with enough the search never gives up.
        self._set.Compile()

    def find(self, text: bytes) -> Sequence[int]:
        """Return the numbers of the patterns that are found in a text of UTF-8."""
        return self._set.Match(text) or ()
