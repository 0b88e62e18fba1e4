"""`sievert policy`: are the policies right, what changes with new ones, what would one have done."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.policy_named import policy_named
from sievert.cli.promotion import promote, rollback

if TYPE_CHECKING:
    from sievert.evaluation.scored_file import ScoredFile

_ScoredFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="Scored and labelled NDJSON, gzip too; - is standard input (docs/data-format.md).",
    ),
]
LabelsOption = Annotated[
    Path | None, typer.Option("--labels", help="A second NDJSON with labels, by the posts' ids.")
]
PrevalenceOption = Annotated[
    float | None,
    typer.Option(
        "--prevalence",
        help="The share of harm in traffic, for posts that were drawn by class, as in a balanced set.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    policy = typer.Typer(help="See what policies do, before they do it.", no_args_is_help=True)
    policy.command()(check)
    policy.command()(diff)
    policy.command()(backtest)
    policy.command()(promote)
    policy.command()(rollback)
    app.add_typer(policy, name="policy")


def check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="A folder of policies, instead of the default.")
    ] = None,
    *,
    json: JsonOption = False,
) -> None:
    """Say everything that is wrong with policies at once, and what each does if nothing is; ends with 2 if wrong."""
    from rich.console import Console

    from sievert.cli.policy_tables import policies_table
    from sievert.policy.loading import default_policies_path, load_policies

    path = folder or default_policies_path()
    policies = load_policies(path)
    if json:
        _print_json(policies)
        return
    console = Console()
    console.print(policies_table(policies))
    console.print(
        f"{len(policies.policies)} policies in {path}: nothing is wrong with them.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        "Each demotes and asks as its mode permits; none removes anything without a certificate.",
        highlight=False,
    )


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The folder of policies as they are.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The folder of policies as they shall be.")],
    *,
    on: Annotated[
        Path | None,
        typer.Option("--on", help="A scored NDJSON file: count the posts whose outcome would change."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say field by field what is stricter, what is looser, and whether a certificate would still hold."""
    from rich.console import Console

    from sievert.cli.policy_tables import MovedPosts, PolicyDiff, print_diff
    from sievert.evaluation.scored_file import forecasts, probabilities_of, read_scored, readable
    from sievert.policy.difference import differences, outcomes_that_change
    from sievert.policy.loading import load_policies

    before, after = load_policies(old), load_policies(new)
    moved: tuple[MovedPosts, ...] | None = None
    unscored: tuple[str, ...] = ()
    lines = 0
    if on is not None:
        file = read_scored(on)
        lines = len(file.records)
        named = {one.name for one in (*before.policies, *after.policies)}
        columns = {name: probabilities_of(name, file) for name in sorted(named & {*file.heads})}
        unscored = tuple(sorted(named - {*file.heads}))
        moved = tuple(
            MovedPosts(
                before=one.before,
                after=one.after,
                posts=one.posts,
                ids=tuple(_name_of(file, row) for row in one.rows),
            )
            for one in outcomes_that_change(
                before, after, columns, forecast=forecasts(file), readable=readable(file)
            )
        )
    found = PolicyDiff(changes=differences(before, after), lines=lines, moved=moved, unscored=unscored)
    if json:
        _print_json(found)
    else:
        print_diff(found, Console())


def backtest(
    file: _ScoredFile,
    policy: Annotated[str, typer.Option("--policy", help="The policy's name.")],
    *,
    policies: Annotated[
        Path | None, typer.Option(help="The folder that the policy is in, instead of the default.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(help="A folder with another version of it, to compare with.")
    ] = None,
    labels: LabelsOption = None,
    prevalence: PrevalenceOption = None,
    hours: Annotated[
        float | None,
        typer.Option(min=0.01, help="How long the posts took to appear, if they have no created_at."),
    ] = None,
    l1: Annotated[
        float | None,
        typer.Option(min=1e-9, help="l1 of the removal rule; the most careful rule, p >= t, if not said."),
    ] = None,
    l2: Annotated[float, typer.Option(min=0.0, help="l2 of the removal rule.")] = 0.0,
    points: Annotated[
        int, typer.Option(min=0, max=50, help="How many rules of the path are shown; 0 shows none.")
    ] = 6,
    miss: Annotated[
        float,
        typer.Option(min=0.0, max=0.5, help="The share of harmful audits that people take for harmless."),
    ] = 0.0,
    false_alarms: Annotated[
        float,
        typer.Option(min=0.0, max=0.5, help="The share of harmless audits that people take for harmful."),
    ] = 0.0,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the intervals.")] = 0.95,
    json: JsonOption = False,
) -> None:
    """Say what a policy would have done to posts that were scored and labelled; this certifies nothing."""
    from rich.console import Console

    from sievert.cli.policy_tables import print_backtest
    from sievert.evaluation.scored_file import read_scored, sample_for
    from sievert.measurement.certificate import ReviewError
    from sievert.policy.backtest import backtest as run
    from sievert.policy.backtest import path_of
    from sievert.policy.outcomes import CAREFUL, RemovalRule

    stated = policy_named(policy, policies)
    other = None if against is None else policy_named(policy, against)
    read = read_scored(file, labels=labels)
    sample = sample_for(policy, read, prevalence=prevalence, hours=hours)
    rule = CAREFUL if l1 is None else RemovalRule(lambda_posts=l1, lambda_views=l2)
    if l1 is None and l2:
        rule = RemovalRule(lambda_views=l2)
    result = run(
        stated,
        sample,
        rule=rule,
        path=path_of(stated, sample, lambda_views=l2, points=points) if points else (),
        against=other,
        confidence=confidence,
        review=ReviewError(miss_at_least=miss, false_at_most=false_alarms),
    )
    if json:
        _print_json(result)
        return
    print_backtest(result, stated, read.name, read.unscored, Console())


def _name_of(file: "ScoredFile", row: int) -> str:
    """Name a post by its id, or by its place; never by its text."""
    record = file.records[row]
    return file.places[row] if record.id is None else str(record.id)


def _print_json(report: object) -> None:
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
