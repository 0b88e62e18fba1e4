"""Conditions over what is known of a post, in Google's Common Expression Language (CEL).

They are type-checked when a policy is read, and evaluated by Google's implementation. Nothing in them
loops: macros over lists are refused, since a chain of them can fill any memory, so that an evaluation
costs no more than the expression is long. What is not known of a post is absent from its group:
`has(behaviour.post_views)` asks for that, and an expression that needs it all the same fails, and does
not hold.

Not covered: the text itself, for which there are words and patterns.
"""

import re
from collections.abc import Mapping
from typing import Any

from sievert.errors import MissingExtra
from sievert.features.behaviour.rows import FEATURES
from sievert.policy.fields import meant

LONGEST_EXPRESSION = 1_000
"""Characters of the longest expression."""

NUMBERS: Mapping[str, tuple[str, str]] = {
    "p": ("numbers", "the probability under each policy by its name, such as `p.hate`"),
    "harm": ("number", "the probability of any harm"),
    "forecast": (
        "numbers",
        "`forecast.views`: views still to come, absent while nothing forecasts them; a rule that asks has every post forecast",
    ),
    "behaviour": (
        "numbers",
        "what people did with the post, and what is known of its creator; absent when a post is new",
    ),
    "content": (
        "whole numbers",
        "`content.characters`, `content.links`: of the text, absent where it was not kept",
    ),
    "pictures": ("whole number", "how many pictures the post has"),
    "creator_known": ("true or false", "whether the post says who published it"),
    "language": ("text", "`english`, `other` or `unreadable`, as the model sees it"),
    "surface": ("text", "the part of the platform that shows it, or nothing"),
    "platform": ("text", "the platform that it stands on"),
    "trigger": ("text", "what called for the decision: `created`, `reports`, `views` and others"),
}
"""What an expression may speak of: each name with its type and its meaning."""

GROUPS: Mapping[str, tuple[str, ...] | None] = {
    "p": None,  # named by the policies
    "forecast": ("views",),
    "behaviour": FEATURES,
    "content": ("characters", "links"),
}

_MACROS = re.compile(
    r"\.\s*(map|filter|all|exists|exists_one|existsOne|transformList|transformMap|transformMapEntry)\s*\("
)
_MATCHES = re.compile(r"\bmatches\s*\(")
"""A regular expression here would be compiled for every post, whatever its size."""
_GATHERED = b"\x07@result"
"""Where CEL gathers what a macro makes of a list: whatever the macro is called, it needs this."""

_STRINGS = re.compile(
    r"""[bB]?[rR][bB]?(?:"{3}.*?"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""|"{3}(?:\\.|.)*?"{3}|'{3}(?:\\.|.)*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*""",
    re.DOTALL,
)
_NAMED = re.compile(rf"(?<![\w.])({'|'.join(GROUPS)})\s*\.\s*([A-Za-z_]\w*)")
_SAID = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_MIXED = re.compile(r"\((?:double, int|int, double)\)")


class Expression:
    """A condition that was checked."""

    def __init__(self, source: str) -> None:
        """Compile it; it was looked at by `wrong_with` before.

        Raises:
            MissingExtra: what evaluates expressions is not installed.
        """
        self._compiled = _environment().compile(source)
        plain = _without_strings(source)
        self.needs = frozenset(name for name in NUMBERS if re.search(rf"(?<![\w.]){name}\b", plain))

    def holds(self, numbers: Mapping[str, object]) -> bool:
        """Tell whether it holds of a post.

        Raises:
            ValueError: it fails: something in it is absent, or divided by zero.
        """
        try:
            value = self._compiled.eval(data=numbers).plain_value()
        except RuntimeError as error:
            raise ValueError(str(error)) from None
        if not isinstance(value, bool):
            raise ValueError(str(value))  # noqa: TRY004  # a value that says what went wrong
        return value


def wrong_with(source: str) -> list[str]:
    """Return what is wrong with an expression, each with line and column.

    Raises:
        MissingExtra: what checks expressions is not installed.
    """
    if len(source) > LONGEST_EXPRESSION:
        return [f"it has {len(source):,} characters; at most {LONGEST_EXPRESSION:,} are read"]
    plain = _without_strings(source)
    problems = [
        f"{_place(source, found.start(1))}: {found[1]} goes over a list, which no rule may do"
        for found in _MACROS.finditer(plain)
    ]
    problems += [
        f"{_place(source, found.start())}: matches is left out here: state a pattern beside the expression"
        for found in _MATCHES.finditer(plain)
    ]
    for found in _NAMED.finditer(plain):
        known = GROUPS[found[1]]
        if known is not None and found[2] not in known:
            problems.append(
                f"{_place(source, found.start(2))}: {found[1]} has no {found[2]!r}{meant(found[2], known)}"
            )
    if problems:
        return problems
    environment = _environment()
    try:
        compiled = environment.compile(source)
        kind = compiled.return_type().name()
    except RuntimeError as error:
        return _told(str(error))
    if _GATHERED in compiled.serialize():
        return ["it goes over a list, which no rule may do"]
    return [] if kind == "BOOL" else [f"it says {kind.lower()}, and must say true or false"]


def policies_named(source: str) -> list[tuple[str, str]]:
    """Return the policies whose probabilities an expression names, each with its line and column."""
    found = _NAMED.finditer(_without_strings(source))
    return [(one[2], _place(source, one.start(2))) for one in found if one[1] == "p"]


def _environment() -> Any:
    try:
        from cel_expr_python import cel  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise MissingExtra(
            f"Expressions in policies need {error.name}.", remedy="pip install 'sievert[rules]'"
        ) from error
    kinds = {
        "numbers": cel.Type.Map(cel.Type.STRING, cel.Type.DOUBLE),
        "number": cel.Type.DOUBLE,
        "whole numbers": cel.Type.Map(cel.Type.STRING, cel.Type.INT),
        "whole number": cel.Type.INT,
        "true or false": cel.Type.BOOL,
        "text": cel.Type.STRING,
    }
    return cel.NewEnv(variables={name: kinds[kind] for name, (kind, _) in NUMBERS.items()})


def _told(error: str) -> list[str]:
    """Return what the checker said, a sentence for each mistake."""
    problems = []
    for line, column, said in _SAID.findall(error):
        hint = " (a number with a point wants one beside it: 2.0, not 2)" if _MIXED.search(said) else ""
        near = ""
        if (undeclared := re.match(r"undeclared reference to '(\w+)'", said)) is not None:
            said = f"there is no {undeclared[1]!r}"  # noqa: PLW2901
            near = meant(undeclared[1], list(NUMBERS))
        problems.append(f"{line}:{column}: {said}{hint}{near}")
    return problems or [error.splitlines()[0]]


def _without_strings(source: str) -> str:
    """Return an expression with spaces for its strings and remarks, each character where it was."""
    return _STRINGS.sub(lambda found: " " * len(found[0]), source)


def _place(source: str, at: int) -> str:
    line = source.count("\n", 0, at) + 1
    return f"{line}:{at - (source.rfind(chr(10), 0, at) + 1) + 1}"
