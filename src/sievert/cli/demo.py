"""`sievert demo`: a simulated network, live against a real server, and a page to watch both on."""

import contextlib
import dataclasses
import math
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from sievert.cli.options import settings_from

if TYPE_CHECKING:
    import socket

    from prometheus_client import Counter as Metric

    from sievert.cli.demo_platform import Platform
    from sievert.schema.clock import ManualClock, Micros
    from sievert.serving.doors import Doors
    from sievert.serving.server import Server
    from sievert.serving.truth import Truth, TruthBoard
    from sievert.simulation.settings import WorldSettings
    from sievert.simulation.world import World

# Windows has no hang-up.
_ENDINGS = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))

_WRONG = (
    ("demote", "demoted"),
    ("remove", "removed"),
    ("review", "put before a person"),
    ("restore", "cleared by one"),
)

_DEMO_NAME = "demo"
_A_MOMENT = 0.1
"""Seconds in which whoever asks for the end is heard, between two steps."""


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(demo)


def demo(
    creators: Annotated[int, typer.Option(min=100, help="Accounts of the simulated network.")] = 4000,
    days: Annotated[
        float | None, typer.Option(min=0.01, help="End after so many simulated days.", show_default=False)
    ] = None,
    pace: Annotated[
        float, typer.Option(min=0, help="Simulated minutes a second; 0 is as fast as it goes.")
    ] = 20.0,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same network.")] = 1,
    texts: Annotated[
        Path | None, typer.Option(help="Labelled texts to write posts from, as for `sievert simulate`.")
    ] = None,
    *,
    harm: Annotated[
        float,
        typer.Option(
            min=0.0005,
            max=0.2,
            help="The share of posts that are harmful: more than on a real platform, so that there is "
            "something to watch.",
        ),
    ] = 0.03,
    posts: Annotated[int | None, typer.Option(min=1, help="End after so many posts.")] = None,
    exit_after: Annotated[float | None, typer.Option(min=0, help="End after so many seconds.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    data: Annotated[
        Path | None, typer.Option("--data", help="Keep the data in this folder, instead of dropping it.")
    ] = None,
) -> None:
    """Run a simulated network against a real server, and print the address of a page to watch.

    Posts, views and reports arrive; what Sievert decides is done, so that people see less harm. The page
    shows how much less, and what Sievert got wrong. Runs until Ctrl-C, unless it is told when to end.
    """
    # However it is ended, the server stops and the temporary folder goes.
    for number in _ENDINGS:
        signal.signal(number, signal.default_int_handler)
    limits = Limits(days=days, posts=posts, seconds=exit_after)
    world = _world(creators=creators, harm=harm, seed=seed, texts=texts)
    with contextlib.ExitStack() as stack:
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sievert-demo-")))
        typer.echo("loading the model (the very first start compiles its kernels, half a minute)")
        running = stack.enter_context(_running(folder, port, world.settings))
        platform = stack.enter_context(_platform(running, world, seed=seed))
        ending = _Ending()
        for number in _ENDINGS:
            signal.signal(number, ending.ask)
        typer.echo("a simulated network talks to the real API; watch what it comes to here:")
        typer.echo(f"\n    {running.address}/#key={running.page_key}\n")
        typer.echo("pages for people who work on it, with a sign-in that has every role:")
        typer.echo(f"\n    {running.address}/sign-in  name {_DEMO_NAME}  password {running.password}\n")
        if limits == Limits():
            typer.echo("Ctrl-C ends it")
        _run_platform(platform, running, limits, pace=pace, ending=ending)
        for line in _summary(running):
            typer.echo(line)


class _Ending:
    """Whether somebody asked for the end: the step that is on its way is finished first."""

    def __init__(self) -> None:
        """Nobody did yet."""
        self.asked = False

    def ask(self, number: int, _: FrameType | None) -> None:
        """Hear a signal; the next one of its kind no longer waits for anything."""
        # No event is set here: the thread that this interrupts may hold the event's own lock.
        self.asked = True
        signal.signal(number, signal.default_int_handler)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When the demo ends by itself; None: never for that reason."""

    days: float | None = None  # simulated ones
    posts: int | None = None
    seconds: float | None = None


def _world(*, creators: int, harm: float, seed: int, texts: Path | None) -> "World":
    """Draw the network; what is wrong with the texts is said before a server starts."""
    from sievert.cli.demo_platform import demo_settings
    from sievert.simulation.world import World
    from sievert.simulation.writer import Writer

    return World(demo_settings(creators=creators, harm=harm, seed=seed), Writer(corpus=texts))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Running:
    """A server that runs in a thread."""

    address: str
    page_key: str
    password: str
    platform_key: str
    clock: "ManualClock"
    board: "TruthBoard"
    doors: "Doors"
    ended: threading.Event
    problems: Counter[str]  # lines that the server did not take, by title


@contextlib.contextmanager
def _running(folder: Path, port: int, world: "WorldSettings") -> Iterator[_Running]:
    """Run a server in a thread; its clock stands where the world begins, and it has a door for the truth.

    Its probabilities are those of traffic with as much harm as the world has.

    Raises:
        InvalidField: the folder holds data already, of another time.
    """
    from sievert.errors import InvalidField, StoreUnavailable
    from sievert.schema.clock import ManualClock, SystemClock
    from sievert.schema.person import Role
    from sievert.serving.logs import set_up_logging
    from sievert.serving.people import People, make_password
    from sievert.serving.server import address_of, bind, make_server
    from sievert.serving.truth import TruthBoard
    from sievert.serving.wiring import add_key, open_doors
    from sievert.stores.embedded import database_file

    set_up_logging(form="console", level="warning")
    settings = settings_from(None, folder, port=port).settings
    if database_file(folder).exists():
        raise InvalidField(
            f"{folder} holds data already, and the simulated network begins anew.",
            remedy="Name an empty folder with --data.",
            field="data",
        )
    taken = bind(settings.host, settings.port)
    clock = ManualClock(world.start)
    board = TruthBoard(clock=clock)
    wall = SystemClock()
    doors = open_doors(settings, clock=clock, truth=board, prevalence=world.prevalence, wall=wall)
    keys = [
        add_key(doors.stores.keys, doors.stores.audit, name=name, scopes=scopes, actor="demo", clock=clock)[0]
        for name, scopes in (("demo page", ("decisions:read",)), ("demo platform", ("admin",)))
    ]
    # People live in our time, whatever the time of the world is.
    password, people = (
        make_password(),
        People(doors.stores.people, doors.stores.audit, actor="demo", clock=wall),
    )
    people.add(_DEMO_NAME, password, [*Role])
    started, ended = threading.Event(), threading.Event()
    server = make_server(doors, started=started.set)
    thread = threading.Thread(target=_serve, args=(server, taken, ended), name="sievert-server")
    thread.start()
    try:
        while not started.wait(0.1):
            if ended.is_set():
                raise StoreUnavailable("The server did not start.", remedy="Run `sievert doctor`.")
        yield _Running(
            address=address_of(taken),
            page_key=keys[0],
            password=password,
            platform_key=keys[1],
            clock=clock,
            board=board,
            doors=doors,
            ended=ended,
            problems=Counter(),
        )
    finally:
        server.should_exit = True
        thread.join()


def _serve(server: "Server", taken: "socket.socket", ended: threading.Event) -> None:
    try:
        with contextlib.closing(taken):
            server.run(sockets=[taken])
    finally:
        ended.set()


@contextlib.contextmanager
def _platform(running: _Running, world: "World", *, seed: int) -> Iterator["Platform"]:
    """Put the platform between a world and the server."""
    import httpx
    import numpy as np

    from sievert.cli.demo_moderators import Moderators
    from sievert.cli.demo_platform import Platform
    from sievert.cli.platform_client import Client
    from sievert.serving.wiring import can_read_words
    from sievert.simulation.album import Album

    headers = {"Authorization": f"Bearer {running.platform_key}"}
    # No proxy that the surroundings name stands between a program and its own thread.
    with httpx.Client(base_url=running.address, headers=headers, timeout=60, trust_env=False) as http:
        yield Platform(
            world,
            Client(http, ended=running.ended, problems=running.problems),
            clock=running.clock,
            moderators=Moderators(np.random.default_rng(seed)),
            album=Album() if can_read_words() else None,
        )


def _run_platform(
    platform: "Platform", running: _Running, limits: Limits, *, pace: float, ending: _Ending
) -> None:
    """Go on step by step, at this pace, until a limit is met, somebody asks, or the server ended."""
    from sievert.cli.demo_platform import STEP_MINUTES
    from sievert.schema.clock import DAY

    start, began = running.clock.now(), time.monotonic()
    steps = 0
    due = began
    with _progress() as say:
        while not (ending.asked or running.ended.is_set()):
            platform.go_on()
            steps += 1
            passed = running.clock.now() - start
            say(_so_far(running.board.truth(), passed))
            if limits.posts is not None and platform.decided.total() >= limits.posts:
                return
            if limits.days is not None and passed >= limits.days * DAY:
                return
            # A step that took too long is not made up for.
            due = max(due + STEP_MINUTES / pace if pace else 0.0, time.monotonic())
            end = math.inf if limits.seconds is None else began + limits.seconds
            while (left := min(due, end) - time.monotonic()) > 0 and not ending.asked:
                if running.ended.wait(min(left, _A_MOMENT)):
                    break
            if time.monotonic() >= end:
                return


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Show one line that says how far it is, on a terminal only."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("the network grows")
        yield lambda words: progress.update(task, description=words)


def _so_far(truth: "Truth", passed: "Micros") -> str:
    from sievert.schema.clock import DAY, HOUR

    day, hour = passed // DAY + 1, passed % DAY // HOUR
    return (
        f"day {day}, hour {hour}: {truth.posts:,} posts; harmful ones seen {truth.views:,} times, "
        f"{truth.views_without:,} without Sievert"
    )


def _summary(running: _Running) -> list[str]:
    """Say what it came to."""
    metrics, truth = running.doors.metrics, running.board.truth()
    decided, anew = _counts(metrics.posts), _counts(metrics.decided_anew)
    told = ", ".join(f"{count:,} {outcome}" for outcome, count in decided.most_common())
    share = "" if truth.prevented is None else f": {truth.prevented:.0%} prevented"
    wrong = truth.wrong
    lines = [
        f"{decided.total():,} posts decided: {told or 'none'}",
        f"{anew.total():,} decided anew because of what people did with them",
        f"views of harmful posts: {truth.views:,} with Sievert, {truth.views_without:,} without{share}",
        f"harmful posts: {truth.harmful:,}, of which {truth.found:,} were found",
        f"harmless posts: {', '.join(f'{wrong[done]:,} {words}' for done, words in _WRONG)}",
    ]
    if running.problems:
        refused = ", ".join(f"{count:,} {title}" for title, count in running.problems.most_common())
        lines.append(f"{running.problems.total():,} records not taken: {refused}")
    return lines


def _counts(metric: "Metric") -> Counter[str]:
    """Return what a metric counted, by outcome."""
    return Counter(
        {
            sample.labels["outcome"]: int(sample.value)
            for family in metric.collect()
            for sample in family.samples
            if sample.name.endswith("_total")
        }
    )
