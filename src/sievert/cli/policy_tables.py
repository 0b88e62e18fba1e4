"""What `sievert policy` prints for people."""

from collections.abc import Iterable

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sievert.measurement.totals import Estimate
from sievert.policy.backtest import Backtest, Change
from sievert.policy.difference import FieldChange, PolicyChange
from sievert.policy.measuring import Amount, Measured
from sievert.schema.certificate import terms_of
from sievert.schema.policy import Mode, Policy, PolicySet


class MovedPosts(msgspec.Struct, frozen=True, kw_only=True):
    """How many posts an outcome changes for, and the ids of a few of them."""

    before: str
    after: str
    posts: int
    ids: tuple[str, ...]


class PolicyDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What is different between two folders of policies; `moved` is None where no posts were looked at."""

    changes: tuple[PolicyChange, ...]
    lines: int
    moved: tuple[MovedPosts, ...] | None
    unscored: tuple[str, ...]


def policies_table(policies: PolicySet) -> Table:
    """Draw what each policy does, a line a policy."""
    table = Table("policy", "version", "mode", "removes, once certified", "demotes", "asks a person", "terms")
    for one in policies.policies:
        permitted = _permitted(one)
        removes = "never"
        if "remove" in one.live_actions:
            removes = (
                f"from {one.precision_posts:g}, from {one.floor:g} if many would see it; "
                f"{one.removals_per_day:,} a day"
            )
            if one.mode is not Mode.LIVE:
                removes = f"not while {one.mode}; live: {removes}"
        table.add_row(
            one.name,
            str(one.version),
            str(one.mode),
            removes,
            f"from {one.demote_at:g}" if "demote" in permitted else "never",
            f"from {one.review_at:g}, {one.reviews_per_hour:,} an hour" if "review" in permitted else "never",
            terms_of(one)[:8],
        )
    return table


def _permitted(policy: Policy) -> tuple[str, ...]:
    if policy.mode is Mode.OFF:
        return ()
    return policy.live_actions if policy.mode is Mode.LIVE else policy.shadow_actions


def print_diff(diff: PolicyDiff, console: Console) -> None:
    """Print what is different, policy by policy, then which posts that changes something for."""
    if not diff.changes:
        console.print("Both folders say the same.", highlight=False)
    for change in diff.changes:
        if change.what != "changed":
            console.print(f"{change.policy}: {change.what}", highlight=False)
            continue
        console.print(f"{change.policy}:", highlight=False)
        console.print(_fields_table(change.fields))
        console.print(f"  {change.certificate}.\n", highlight=False)
    if diff.moved is None:
        return
    if diff.unscored:
        console.print(f"The file has no probabilities of {', '.join(diff.unscored)}.", highlight=False)
    count = sum(one.posts for one in diff.moved)
    console.print(f"{count:,} of {diff.lines:,} posts would have another outcome.", highlight=False)
    if diff.moved:
        table = Table("from", "to", "posts", "some of them")
        for one in diff.moved:
            table.add_row(one.before, one.after, f"{one.posts:,}", Text(", ".join(map(_shown, one.ids))))
        console.print(table)
    console.print(
        "Removals are counted as if a certificate held for the most careful rule; budgets, lists and "
        "rules are not counted.",
        highlight=False,
    )


def _fields_table(fields: Iterable[FieldChange]) -> Table:
    table = Table("field", "before", "after", "", "what that means")
    for one in fields:
        direction = "" if one.direction == "other" else str(one.direction)
        table.add_row(one.field, Text(one.before), Text(one.after), direction, one.meaning)
    return table


def print_backtest(result: Backtest, policy: Policy, file: str, unscored: int, console: Console) -> None:
    """Print a backtest: what would be done, how rightly, what a certificate would need, what to bear in mind."""
    days = "" if result.days is None else f", {result.days:.3g} days"
    console.print(
        f"{result.policy}, version {result.version}, on {file}: {result.lines:,} posts that stand for "
        f"{result.stands_for:,.0f}{days}; {result.labelled:,} labels, {result.harmful:,} harmful",
        highlight=False,
        soft_wrap=True,
    )
    if unscored:
        console.print(f"{unscored:,} lines have no score and are left out.", highlight=False)
    console.print(_amounts_table(result, policy))
    console.print(_quality_table(result))
    if len(result.path) > 1:
        console.print(_path_table(result))
    if result.against is not None:
        console.print(_change_table(result.against, result.confidence))
    needed = Table("half", "must exceed", "what a certificate would need", title="evidence")
    for one in result.needed:
        needed.add_row(one.half, f"{one.bound:g}", one.finding)
    console.print(needed)
    for note in result.notes:
        console.print(note, highlight=False, soft_wrap=True)


def _amounts_table(result: Backtest, policy: Policy) -> Table:
    rule = "p >= t" if result.lambda_posts is None else f"l1 = {result.lambda_posts:g}"
    rule += f", l2 = {result.lambda_views:g}" if result.lambda_views else ""
    table = Table(
        "outcome", "lines", "posts", "a day", "room", title=f"what it would do (removal rule: {rule})"
    )
    quota = f"{policy.removals_per_day:,} a day"
    if result.over_quota:
        quota += f": {result.over_quota:.0%} would go to people"
    load = result.review_load
    room = f"{load.room:,} an hour"
    if load.an_hour is not None:
        room += f"; asked {load.an_hour:,.1f} an hour, {load.unanswered or 0.0:.0%} get no review"
    for name, amount, told in (
        ("remove", result.removals, quota),
        ("demote", result.demotions, ""),
        ("ask a person", result.reviews, room),
    ):
        table.add_row(name, *_amount(amount), told)
    return table


def _amount(amount: Amount) -> tuple[str, str, str]:
    a_day = "" if amount.a_day is None else f"{amount.a_day:,.1f}"
    if not amount.lines:
        return "0", "0", a_day
    return f"{amount.lines:,}", interval(amount.posts, "{:,.0f}"), a_day


def _quality_table(result: Backtest) -> Table:
    table = Table(
        "of removals", f"by labels ({result.confidence:.0%} interval)", "by the model", title="how rightly"
    )
    for name, measured, form in (
        ("precision, of posts", result.precision_posts, "{:.3f}"),
        ("precision, of forecast views", result.precision_views, "{:.3f}"),
        ("share of harmful posts removed", result.recall_posts, "{:.3f}"),
        ("share of harmful views removed", result.recall_views, "{:.3f}"),
        ("harmful views prevented", result.prevented, "{:,.0f}"),
    ):
        table.add_row(name, *_measured(measured, form))
    return table


def _path_table(result: Backtest) -> Table:
    table = Table(
        "l1",
        "removals",
        "precision, of posts",
        "of views",
        "harmful views prevented",
        title="along the path, by labels",
    )
    for point in result.path:
        table.add_row(
            "p >= t" if point.lambda_posts is None else f"{point.lambda_posts:g}",
            f"{point.removals:,.0f}",
            _measured(point.precision_posts, "{:.3f}")[0],
            _measured(point.precision_views, "{:.3f}")[0],
            _measured(point.prevented, "{:,.0f}")[0],
        )
    return table


def _change_table(change: Change, confidence: float) -> Table:
    table = Table("", "lines", "posts", "a day", title=f"against version {change.version}")
    for name, amount in (
        ("newly removed", change.newly_removed),
        ("no longer removed", change.no_longer_removed),
        ("newly asked about", change.newly_asked),
        ("no longer asked about", change.no_longer_asked),
        ("newly demoted", change.newly_demoted),
        ("no longer demoted", change.no_longer_demoted),
    ):
        table.add_row(name, *_amount(amount))
    if change.newly_removed.lines or change.no_longer_removed.lines:
        by_labels, by_model = _measured(change.prevented, "{:+,.0f}")
        table.add_section()
        table.add_row("harmful views prevented", "", f"{by_labels}, {confidence:.0%}", "")
        table.add_row("the same, by the model", "", by_model, "")
    return table


def _measured(measured: Measured, form: str) -> tuple[str, str]:
    by_labels = "no labels" if measured.by_labels is None else interval(measured.by_labels, form)
    return by_labels, "none" if measured.by_model is None else form.format(measured.by_model)


def interval(estimate: Estimate, form: str) -> str:
    """Write a number with its interval."""
    if estimate.value is None:
        return "nothing to go by"
    if estimate.low is None or estimate.high is None:
        return f"{form.format(estimate.value)} (no interval)"
    return f"{form.format(estimate.value)} ({form.format(estimate.low)} to {form.format(estimate.high)})"


def _shown(words: str) -> str:
    """Return an id such that nothing in it moves the cursor, nor fills the screen."""
    return ascii(words)[1:-1][:60]
