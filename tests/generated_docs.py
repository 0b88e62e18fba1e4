"""Writes the generated parts of the documents, or checks that they are up to date.

python tests/generated_docs.py --check
python tests/generated_docs.py --write
"""

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sievert"


def layers():
    """Return the rooms by floor, lowest first, as the import contract states them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = next(contract for contract in contracts if contract["id"] == "floors")["layers"]
    return [[room.strip() for room in floor.split("|")] for floor in reversed(floors)]


def card(room):
    """Return (first line, takes, gives, never) of a room's docstring."""
    init = PACKAGE / room / "__init__.py"
    path = init if init.exists() else PACKAGE / f"{room}.py"
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = docstring.splitlines()[0]
    parts = []
    for word in ("Takes", "Gives", "Never"):
        found = re.search(rf"^{word}: (.+?)(?=^\w+: |\Z)", docstring, re.MULTILINE | re.DOTALL)
        parts.append(" ".join(found.group(1).split()) if found else "")
    return first, *parts


def table(heads, rows):
    """Return a Markdown table; pipes inside cells are escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines
    )


def room_table():
    """Return the table of rooms."""
    rows = [
        (floor, f"`{room}`", *card(room)) for floor, rooms in enumerate(layers(), start=1) for room in rooms
    ]
    return table(["floor", "room", "what it is", "takes", "gives", "never"], rows)


def settings_table():
    """Return every setting with its default and its environment variable."""
    from sievert.serving.settings import PREFIX, Settings, describe

    defaults = Settings()
    rows = [
        (
            f"`{name}`",
            f"`{PREFIX}{name.upper()}`",
            f"`{getattr(defaults, name)!s}`".replace("``", ""),
            describe(name),
        )
        for name in Settings.__struct_fields__
    ]
    return table(["setting", "environment", "default", "what it sets"], rows)


def endpoint_table():
    """Return every operation of the HTTP API with the scope that it needs."""
    from sievert.serving.app import ROUTES
    from sievert.serving.callers import OPEN
    from sievert.serving.openapi import written

    rows = [
        (
            f"`{method} {written(path, method)}`",
            "none" if route.opt["scope"] == OPEN else f"`{route.opt['scope']}`",
            (route.summary or route.fn.__doc__.splitlines()[0]).rstrip("."),
        )
        for route in ROUTES
        for path in sorted(route.paths)
        for method in sorted(route.http_methods - {"OPTIONS"})
    ]
    return table(["operation", "scope", "what it does"], rows)


def role_table():
    """Return what each role is for, and its scopes."""
    from sievert.schema.person import ROLES

    rows = [
        (f"`{role}`", does, ", ".join(f"`{scope}`" for scope in scopes))
        for role, (does, scopes) in ROLES.items()
    ]
    return table(["role", "does what", "scopes"], rows)


def access_table():
    """Return which role may do what, over HTTP."""
    from sievert.schema.access import with_implied
    from sievert.schema.person import Role, scopes_of
    from sievert.serving.app import ROUTES
    from sievert.serving.callers import ANY, OPEN, SIGNED_IN
    from sievert.serving.openapi import written

    rows = []
    for route in ROUTES:
        scope = route.opt["scope"]
        may = [
            "yes" if scope in (ANY, SIGNED_IN) or scope in with_implied(scopes_of([role])) else ""
            for role in Role
        ]
        for path in sorted(route.paths) if scope != OPEN and any(may) else ():
            methods = sorted(route.http_methods - {"OPTIONS"})
            rows += [(f"`{method} {written(path, method)}`", *may) for method in methods]
    return table(["", *(role.replace("_", " ") for role in Role)], rows)


def command_table():
    """Return every command of the command line."""
    import typer

    from sievert.cli import make_app

    def walk(command, path):
        if hasattr(command, "commands"):
            for name, child in command.commands.items():
                yield from walk(child, [*path, name])
        else:
            yield f"`{' '.join(path)}`", command.help.splitlines()[0]

    return table(["command", "what it does"], walk(typer.main.get_command(make_app()), ["sievert"]))


def metric_table():
    """Return every metric."""
    from sievert.serving.telemetry import Metrics

    families = sorted(Metrics().registry.collect(), key=lambda family: family.name)
    return table(
        ["metric", "kind", "what it counts"],
        [(f"`{family.name}`", family.type, family.documentation) for family in families],
    )


def policy_table():
    """Return the policies of the taxonomy, with and without a head."""
    from sievert.policy.loading import default_policies_path, load_policies
    from sievert.schema.taxonomy import CATEGORIES, LABELLED

    shipped = load_policies(default_policies_path())
    rows = []
    for category in CATEGORIES:
        policy = shipped.named(category.name)
        rows.append(
            (
                f"`{category.name}`",
                category.title,
                f"{policy.mode}: asks people from {policy.review_at}, demotes from {policy.demote_at}"
                if policy
                else "no labels, hence no head",
                ", ".join(category.openai) or "none",
                ", ".join(category.perspective) or "none",
                category.dsa,
            )
        )
        assert bool(policy) == (category.name in LABELLED)
    return table(["policy", "what it is about", "as shipped", "OpenAI", "Perspective", "DSA"], rows)


def meaning(head):
    """Return what stands behind a name of another API, by the shipped bundle."""
    from sievert.schema.taxonomy import HARM, LABELLED

    return f"`{head}`" if head in (HARM, *LABELLED) else "not modelled: 0"


def openai_table():
    """Return every category of OpenAI's moderation endpoint with the head behind it."""
    from sievert.schema.taxonomy import OPENAI_CATEGORIES

    return table(
        ["category", "score"], [(f"`{name}`", meaning(head)) for name, head in OPENAI_CATEGORIES.items()]
    )


def perspective_table():
    """Return the attributes of the Perspective API by the head behind them; those without one together."""
    from sievert.schema.taxonomy import PERSPECTIVE_ATTRIBUTES

    names = {}
    for name, head in PERSPECTIVE_ATTRIBUTES.items():
        names.setdefault(meaning(head), []).append(f"`{name}`")
    return table(["attributes", "score"], [(", ".join(same), told) for told, same in names.items()])


def threshold_table():
    """Return which probability of each head means what a threshold means on data that is half harmful."""
    from sievert.scoring.bundle import default_bundle_path
    from sievert.scoring.bundle_files import read_manifest

    _, manifest = read_manifest(default_bundle_path())
    rows = []
    for threshold in (0.5, 0.7, 0.8, 0.9, 0.95, 0.99):
        odds = [
            threshold / (1 - threshold) * head.prevalence / (1 - head.prevalence) for head in manifest.heads
        ]
        rows.append((f"{threshold:g}", *(f"{one / (1 + one):.3g}" for one in odds)))
    heads = [f"`{head.name}`, {head.prevalence:.2%}" for head in manifest.heads]
    return table(["threshold at 50 %", *heads], rows)


def rule_table():
    """Return the codes that stand in reasons."""
    from sievert.policy.reasons import NAMED, RULES

    return table(
        ["rule", "in words"],
        [
            (f"`{code}{':NAME' if code in NAMED else ''}`", words.format(policy="POLICY", name="NAME"))
            for code, words in RULES.items()
        ],
    )


def field_table(kind):
    """Return every field of a struct with its default and what it states."""
    import msgspec

    rows = []
    for field in msgspec.structs.fields(kind):
        default = "must be stated" if field.required else f"`{shown_default(field)}`"
        (description,) = (
            one.description for one in field.type.__metadata__ if getattr(one, "description", None)
        )
        rows.append((f"`{field.name}`", default, description))
    return table(["field", "if not stated", "what it states"], rows)


def shown_default(field):
    """Return a default as YAML would state it."""
    import enum

    import msgspec

    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, tuple):
        return f"[{', '.join(value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (msgspec.Struct, dict)):
        return "{}"
    return '""' if value == "" else f"{value:g}" if isinstance(value, float) else value


def policy_field_table():
    """Return every field of a policy's file."""
    from sievert.schema.policy import Policy

    return field_table(Policy)


def rule_field_table():
    """Return every field of a rule."""
    from sievert.schema.policy import StatedRule

    return field_table(StatedRule)


def limit_after_table():
    """Return every field of a rule about repeated removals."""
    from sievert.schema.policy import LimitRule

    return field_table(LimitRule)


def limit_new_table():
    """Return every field of a rule about new accounts."""
    from sievert.schema.policy import NewAccountRule

    return field_table(NewAccountRule)


def limit_changed_table():
    """Return every field of a rule about accounts that change."""
    from sievert.schema.policy import ChangeRule

    return field_table(ChangeRule)


def law_table():
    """Return every field of a legal ground."""
    from sievert.schema.policy import LegalGround

    return field_table(LegalGround)


def list_field_table():
    """Return every field of an allow or deny list."""
    from sievert.schema.policy import StatedList

    return field_table(StatedList)


def word_field_table():
    """Return every field of a policy's words."""
    from sievert.schema.policy import Words

    return field_table(Words)


def expression_table():
    """Return what an expression may speak of."""
    from sievert.policy.expressions import NUMBERS

    return table(
        ["name", "type", "what it is"], [(f"`{name}`", kind, said) for name, (kind, said) in NUMBERS.items()]
    )


def behaviour_names():
    """Return the names of the group `behaviour`."""
    from sievert.features.behaviour.rows import FEATURES

    return ", ".join(f"`{name}`" for name in FEATURES) + "."


def bound_table():
    """Return how much rules may state."""
    from sievert.features.content.phrases import LONGEST_PHRASE
    from sievert.policy.expressions import LONGEST_EXPRESSION
    from sievert.policy.patterns import LARGEST_PROGRAM, LARGEST_SET, LONGEST_PATTERN
    from sievert.policy.rule_problems import LONGEST_WORDS, MOST_RULES, MOST_WORDS

    return table(
        ["what", "at most"],
        [
            ("rules of a policy", f"{MOST_RULES:,}"),
            ("words and phrases of a rule", f"{MOST_WORDS:,}"),
            ("a word or phrase", f"{LONGEST_WORDS} characters, {LONGEST_PHRASE} words"),
            ("a pattern", f"{LONGEST_PATTERN} characters, {LARGEST_PROGRAM} instructions of RE2"),
            ("all patterns of all policies", f"{LARGEST_SET:,} instructions of RE2"),
            ("an expression", f"{LONGEST_EXPRESSION:,} characters, no macros over lists"),
        ],
    )


def problem_table():
    """Return the kinds of problem documents."""
    from sievert.serving.problems import kinds

    return table(
        ["type", "status", "title"],
        [(f"`urn:sievert:problem:{slug}`", status, title) for slug, (status, title) in kinds().items()],
    )


def coverage_table():
    """Return how often intervals held the truth, as the checked-in simulation found it."""
    from simulated_scores import RESULTS, written

    return table(*written(json.loads(RESULTS.read_text())))


def prevalence_table():
    """Return how often intervals of prevalence and precision held the truth, as the checked-in audits found it."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "prevalence.json").read_text())
    rows = [
        (
            f"{about}{name}",
            f"{one['held']:.1%}",
            f"{one['half_width']:.0%}" if wide else f"{one['half_width']:.1%}",
        )
        for about, part, wide in (
            ("", "prevalence", True),
            ("one interval for all: ", "one_interval", True),
            ("precision of ", "precision", False),
        )
        for name, one in stored[part].items()
    ]
    return table(["audits", "held the truth", "to either side, at the median, as a part of it"], rows)


def saved_table():
    """Return how many labels the strata take and plain impressions, for the same interval."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "prevalence.json").read_text())
    rows = [
        (
            f"{one['separation']:g}",
            f"{one['hidden']:.0%}",
            f"{one['half_width']:.0%}",
            f"{one['labels']:,}",
            f"{one['plain']:,}",
            f"{one['times_fewer']:.1f}",
        )
        for one in stored["labels"]
        if one["separation"] in {3.0, 4.0}
    ]
    return table(["d'", "hidden", "to either side", "draws", "plain impressions", "times fewer"], rows)


def experiments_table():
    """Return what experiments answer in worlds whose truth is known, as the checked-in benchmark found it."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "experiments.json").read_text())
    answers = ("better", "worse", "too imprecise", "undecided", "false")
    rows = [
        (
            name,
            f"{one['prevented_more_in_10000']:+.1f}",
            f"{one['precision_views']:.1%}",
            *(f"{one[answer]:.1%}" for answer in answers),
            one["median_draws"],
        )
        for name, one in stored["answers"].items()
    ]
    peeking = stored["false_when_peeking"]
    return "\n".join(
        [
            table(
                [
                    "candidate",
                    "prevents more in 10,000 views",
                    "its precision over views",
                    *answers,
                    "draws until then",
                ],
                rows,
            ),
            "",
            (
                f"Of two that are exactly alike one is ever claimed to be better or worse in {peeking['ours']:.1%} of experiments, "
                f"looked at after every draw; by Student's interval, looked at as often as here, in {peeking['t_peeking']:.1%}. "
                f"Clusters of arms that do not differ are told apart in {stored['false_of_arms']:.1%}."
            ),
            "",
            "Drawing from all that either would remove has so many times the variance, by how much both models' noise is shared:",
            "",
            table(["candidate", "times the variance"], list(stored["variance_of_union"].items())),
        ]
    )


def acting_table():
    """Return what is found of candidates that act in worlds whose truth is known, as the checked-in benchmark found it."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "acting.json").read_text())
    answers = ("better", "worse", "too imprecise", "a guard metric is out of bounds", "undecided", "false")
    rows = [
        (
            name,
            f"{one['realised_in_10000']:+.1f}",
            f"{one['prevented_in_10000']:+.1f}",
            *(f"{one[answer]:.1%}" for answer in answers),
            one["median_days"],
        )
        for name, one in stored["answers"].items()
    ]
    claims = stored["claims_of_equals"]
    head = ["candidate", "realised, in 10,000 views", "prevents by disputes", *answers, "days until then"]
    told = (
        f"Of equals one is ever claimed to be better or worse in {claims['better or worse']:.1%} of experiments, "
        f"a guard metric to be out of bounds in {claims['guard']:.1%}, a precision too low in {claims['too imprecise']:.1%}; "
        f"with bounds of one look at each of the days, better or worse in {claims['better or worse, by one look']:.1%}."
    )
    return f"{table(head, rows)}\n\n{told}"


def acting_cost_table():
    """Return what a second bundle costs, as the checked-in benchmark found it."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "acting_cost.json").read_text())
    return table(
        ["the candidate", "core-us a post"], [(way, f"{us:,.0f}") for way, us in stored["core_us"].items()]
    )


def bundle_report():
    """Return what the shipped bundle is like, as the checked-in benchmark found it."""
    import msgspec

    from sievert.evaluation.bundle_report import BundleReport
    from sievert.evaluation.bundle_words import written

    stored = (ROOT / "benchmarks" / "results" / "bundle_report.json").read_bytes()
    return written(msgspec.json.decode(stored, type=BundleReport))


def loop_table():
    """Return what a year of learning came to, as the checked-in benchmark found it."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "loop.json").read_text())
    learners = list(stored["by_month"])

    def words(one):
        return f"{one[0]:.1%} ({one[1]:.1%} to {one[2]:.1%})"

    def of_month(one):
        return words((one[0], max(one[1], 0.0), one[2]))  # no recall is below 0

    rows = [
        (month + 1, *(of_month(stored["by_month"][name][month]) for name in learners))
        for month in range(len(stored["by_month"]["oracle"]))
    ]
    rows.append(("all", *(words(stored["mean"][name]) for name in learners)))
    rows.append(("average precision, all", *(words(stored["average_precision"][name]) for name in learners)))
    rows.append(
        (
            "below the oracle",
            "",
            *(words(stored["below_oracle"][name]) for name in learners if name != "oracle"),
        )
    )
    rows.append(
        (
            "the same, second half",
            "",
            *(words(stored["below_oracle_second_half"][name]) for name in learners if name != "oracle"),
        )
    )
    told = [
        f"{name}: {one['asked_a_month']:.0f} posts judged a month, {one['removed']:,} removed in all, {one['right']:.1%} of "
        f"them harmful, {one['prevented']:.1%} of harmful views prevented."
        for name, one in ((name, stored[name]) for name in ("loop", "naive"))
    ]
    about = f"{len(stored['seeds'])} seeds, {stored['posts']:,} posts a month."
    return "\n".join([table(["month", *learners], rows), "", about, *told])


def gates_table():
    """Return what the gates answer in worlds whose truth is known, as the checked-in benchmark found it."""
    stored = json.loads((ROOT / "benchmarks" / "results" / "gates.json").read_text())
    answers = ("try", "keep", "refuse")
    rows = [
        (line["judged"], line["candidate"], *(f"{line['weighed'][answer]:.1%}" for answer in answers))
        for line in stored["lines"]
    ]
    return table(["judged", "candidate", *answers], rows)


SECTIONS = {
    "ARCHITECTURE.md": {"rooms": room_table},
    "docs/intervals.md": {"coverage": coverage_table},
    "docs/compatibility.md": {
        "thresholds": threshold_table,
        "openai": openai_table,
        "perspective": perspective_table,
    },
    "docs/prevalence.md": {"prevalence": prevalence_table, "saved": saved_table},
    "docs/experiments.md": {
        "experiments": experiments_table,
        "acting": acting_table,
        "acting-cost": acting_cost_table,
    },
    "docs/explanation/bundle.md": {"report": bundle_report},
    "docs/loop.md": {"gates": gates_table, "loop": loop_table},
    "docs/people.md": {"roles": role_table, "access": access_table},
    "docs/policies.md": {
        "fields": policy_field_table,
        "words": word_field_table,
        "lists": list_field_table,
        "rules": rule_field_table,
        "limit-after": limit_after_table,
        "limit-new": limit_new_table,
        "limit-changed": limit_changed_table,
        "law": law_table,
        "numbers": expression_table,
        "behaviour": behaviour_names,
        "bounds": bound_table,
    },
    "docs/reference.md": {
        "commands": command_table,
        "endpoints": endpoint_table,
        "problems": problem_table,
        "policies": policy_table,
        "rules": rule_table,
        "settings": settings_table,
        "metrics": metric_table,
    },
}


def generated(name):
    """Return a document with its generated sections as they should be."""
    text = (ROOT / name).read_text()
    for section, make in SECTIONS[name].items():
        begin, end = f"<!-- {section}:begin -->", f"<!-- {section}:end -->"
        before, rest = text.split(begin)
        after = rest.split(end)[1]
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def main():
    """Write or check, as asked."""
    stale = []
    for name in SECTIONS:
        wanted = generated(name)
        if (ROOT / name).read_text() != wanted:
            stale.append(name)
            if "--write" in sys.argv:
                (ROOT / name).write_text(wanted)
    if stale and "--write" not in sys.argv:
        sys.exit(f"out of date: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
