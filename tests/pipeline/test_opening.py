import io
import os
import signal
import subprocess
import sys
import threading
import time
import types
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from made_pictures import png, saved, scene
from sievert.errors import InvalidField, MissingExtra, Overloaded, TooLarge
from sievert.features.content.pictures import View, open_picture
from sievert.features.content.pixels import pixels_of
from sievert.pipeline import opening, opening_pipes, opening_process
from sievert.pipeline.opening import Openers, _raised
from sievert.pipeline.opening_messages import (
    LENGTH,
    MOST_REQUEST_BYTES,
    Answer,
    Failure,
    Request,
    Task,
    framed,
)
from sievert.pipeline.opening_pipes import Death
from sievert.pipeline.opening_process import answered
from sievert.schema.media import PictureVector

SMALL = saved(scene(), "JPEG")
LARGE = png(6000, 6000, zlib.compress(bytes(6000 * 18_001), 1), colour=2)
"""Within every limit, and half a second of work."""


def pids(openers):
    """The processes that wait for work."""
    return [one._process.pid for one in openers._idle.queue if one is not None]


def wait_until(holds, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def children():
    """Processes that we started and that still are there."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(one) for path in found for one in path.read_text().split()}


def busy(before):
    """A child that was not there before, and that has begun to work on a large picture."""

    def works(pid):
        if b"opening_process" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return False  # still a twin of this process
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") > 100 << 20

    return next((pid for pid in children() - before if works(pid)), None)


@pytest.fixture
def deaths():
    return []


@pytest.fixture
def openers(deaths):
    with Openers(on_death=deaths.append) as made:
        yield made


def test_facts_and_views_come_from_another_process_as_from_this_one(openers, deaths):
    assert pids(openers) == []  # nothing starts before it is needed
    facts = openers.open(SMALL)
    here = open_picture(SMALL).facts
    assert msgspec.structs.replace(facts, features=(), has_words=0.0) == here
    assert len(pids(openers)) == 1
    assert Image.open(io.BytesIO(openers.view(SMALL))).mode == "L"
    assert Image.open(io.BytesIO(openers.view(SMALL, how=View.PLAIN))).size == (320, 240)
    assert deaths == []


def test_pixels_come_with_the_facts_for_every_side_that_is_asked_for(openers, deaths):
    facts, pixels = openers.open_with_pixels(SMALL, (16, 96))
    small = open_picture(SMALL).small
    assert facts == openers.open(SMALL)
    for one, side in zip(pixels, (16, 96), strict=True):
        assert np.array_equal(one, pixels_of(small, side))
    assert deaths == []


def test_what_is_wrong_with_a_picture_is_told_as_it_was_there(openers, deaths):
    for data, kind, words in (
        (SMALL[:-9], InvalidField, "breaks off"),
        (png(100_000, 100_000, zlib.compress(b"")), TooLarge, "100000 x 100000 pixels"),
        (SMALL + b"<html>" * 20, InvalidField, "hang 120 bytes"),
        (png(64, 64, zlib.compress(b"")), InvalidField, "damaged"),
    ):
        with pytest.raises(kind, match=words) as caught:
            openers.open(data)
        assert type(caught.value) is kind
        assert caught.value.field == "media"
        assert caught.value.remedy
    assert len(pids(openers)) == 1
    assert deaths == []


def test_what_is_plainly_no_picture_wakes_no_process(openers):
    for data in (b"", b"<svg></svg>", b"you blorp"):
        with pytest.raises(InvalidField):
            openers.open(data)
    assert children() - set(pids(openers)) == children()
    assert pids(openers) == []


def test_a_process_has_given_up_what_a_decoder_does_not_need(openers, monkeypatch):
    monkeypatch.setenv("SIEVERT_WEBHOOK_SECRET", "stand-in")
    openers.open(SMALL)
    (pid,) = pids(openers)
    limits = Path(f"/proc/{pid}/limits").read_text()
    for name, most in (
        ("Max address space", 2 << 30),
        ("Max file size", 0),
        ("Max core file size", 0),
        ("Max open files", 64),
    ):
        (line,) = [one for one in limits.splitlines() if one.startswith(name)]
        assert line.removeprefix(name).split()[:2] == [str(most), str(most)]
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert b"PYTHONPATH" in environment
    assert b"SIEVERT_" not in environment
    assert b"HOME=" not in environment
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 10
    status = Path(f"/proc/{pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Threads:\t1" in status


def test_where_the_system_lets_it_a_process_has_no_network(openers):
    if subprocess.run(["unshare", "--user", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives nobody a network of their own")
    openers.open(SMALL)
    (pid,) = pids(openers)
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def test_a_process_that_is_killed_at_work_costs_its_picture_and_no_other(deaths):
    with Openers(processes=2, on_death=deaths.append) as openers:
        before, caught, served = children(), [], []

        def hostile():
            try:
                openers.open(LARGE)
            except InvalidField as error:
                caught.append(error)

        worker = threading.Thread(target=hostile)
        worker.start()
        wait_until(lambda: busy(before))
        victim = busy(before)
        other = threading.Thread(target=lambda: served.append(openers.open(SMALL)))
        other.start()
        os.kill(victim, signal.SIGKILL)
        worker.join(60)
        other.join(60)
        (error,) = caught
        assert "ended abruptly" in error.what
        assert error.field == "media"
        assert error.remedy
        assert deaths == [Death.ABRUPT]
        assert [one.width for one in served] == [320]
        assert openers.open(LARGE).width == 6000  # the pool is whole again
        assert victim not in children()


def test_a_process_that_hangs_is_ended_in_time_and_replaced(deaths):
    with Openers(seconds=2.0, on_death=deaths.append) as openers:
        openers.open(SMALL)
        (pid,) = pids(openers)
        os.kill(pid, signal.SIGSTOP)
        large = saved(scene(2000, 2000), "PNG") + bytes(5 << 20)  # more than the pipe takes
        for data in (SMALL, large):
            with pytest.raises(InvalidField, match="within 2 seconds") as caught:
                openers.open(data)
            assert caught.value.field == "media"
            assert pid not in children()
            openers.open(SMALL)
            (pid,) = pids(openers)
            os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
        assert deaths == [Death.LATE, Death.LATE]


def test_a_picture_that_needs_too_much_memory_is_refused_and_the_process_replaced(deaths):
    with Openers(memory=400 << 20, on_death=deaths.append) as openers:
        openers.open(SMALL)
        (before,) = pids(openers)
        with pytest.raises(TooLarge, match="memory") as caught:
            openers.open(saved(Image.new("RGBA", (6000, 6000)), "PNG"))
        assert caught.value.field == "media"
        assert openers.open(SMALL).width == 320
        assert pids(openers) != [before]
        assert before not in children()
        assert deaths == []  # it ended in good order


def test_a_process_that_dies_while_it_waits_costs_nobody_anything(openers, deaths):
    openers.open(SMALL)
    (pid,) = pids(openers)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: "Z" in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0])
    assert openers.open(SMALL).width == 320
    assert deaths == [Death.ABRUPT]
    assert pid not in children()


def test_a_process_retires_after_its_share_of_work(deaths):
    with Openers(retire_after=3, on_death=deaths.append) as openers:
        seen = []
        for _ in range(7):
            openers.open(SMALL)
            seen += pids(openers)
        assert len(seen) == 5  # after the third and the sixth, nobody waits
        assert len(set(seen)) == 3
        assert deaths == []


def test_many_callers_share_few_processes(deaths):
    with Openers(processes=2, on_death=deaths.append) as openers:
        scenes = [saved(scene(seed=seed), "PNG") for seed in range(12)]
        found = {}

        def call(at):
            found[at] = openers.open(scenes[at]).sha256

        threads = [threading.Thread(target=call, args=(at,)) for at in range(12)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        assert found == {at: open_picture(data).facts.sha256 for at, data in enumerate(scenes)}
        assert len(pids(openers)) <= 2


def test_who_waits_too_long_for_a_process_is_told_to_come_back(monkeypatch):
    monkeypatch.setattr(opening, "_PATIENCE", 0.01)
    with Openers() as openers:
        openers.open(SMALL)
        taken = openers._idle.get()
        with pytest.raises(Overloaded, match="busy") as caught:
            openers.open(SMALL)
        assert caught.value.retry_after == 10
        openers._idle.put(taken)
        assert openers.open(SMALL).width == 320


def test_where_no_process_can_be_started_the_picture_is_not_blamed(monkeypatch):
    monkeypatch.setattr(opening_pipes, "_COMMAND", (sys.executable, "-c", "raise MemoryError('no room')"))
    with Openers() as openers, pytest.raises(Overloaded, match="started") as caught:
        openers.open(SMALL)
    assert "MemoryError: no room" in str(caught.value.__cause__)  # for who runs the machine
    assert "MemoryError" not in str(caught.value)
    monkeypatch.setattr(opening_pipes, "_COMMAND", ("/nowhere/python",))
    with Openers() as openers:
        handles = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(3):
            with pytest.raises(Overloaded, match="started"):
                openers.open(SMALL)
        assert len(list(Path("/proc/self/fd").iterdir())) == handles


def test_a_closed_pool_opens_nothing_and_leaves_nothing():
    openers = Openers(processes=2)
    openers.open(SMALL)
    (pid,) = pids(openers)
    openers.close()
    assert pid not in children()
    with pytest.raises(Overloaded):
        openers.open(SMALL)


def test_what_is_opened_when_the_pool_closes_is_still_answered():
    openers, before, found = Openers(), children(), []
    worker = threading.Thread(target=lambda: found.append(openers.open(LARGE)))
    worker.start()
    wait_until(lambda: busy(before))
    openers.close()
    worker.join(60)
    assert [one.width for one in found] == [6000]
    assert children() == before


LIAR = """
import sys
out = sys.stdout.buffer
out.write(bytes.fromhex("{ready}")); out.flush()
sys.stdin.buffer.read(4)
out.write(bytes.fromhex("{answer}")); out.flush()
sys.stdin.buffer.read()
"""


@pytest.mark.parametrize(
    "answer",
    [
        LENGTH.pack(1 << 31),
        LENGTH.pack(3) + b"\xc1\xc1\xc1",
        framed(Answer()),
        framed(Answer(words="you blorp")),
        framed(Answer(facts=open_picture(saved(scene(seed=5), "PNG")).facts)),
        framed(Answer(facts=open_picture(SMALL).facts)),
        framed(Answer(facts=open_picture(SMALL).facts, pixels=(bytes(3 * 8 * 8 - 1),))),
        framed(
            Answer(
                facts=msgspec.structs.replace(
                    open_picture(SMALL).facts,
                    vectors=(PictureVector(encoder="picture", model="any", values=b""),),
                ),
                pixels=(bytes(3 * 8 * 8),),
            )
        ),
    ],
    ids=[
        "too long",
        "no message",
        "empty",
        "of another kind",
        "about another picture",
        "without pixels",
        "with too few pixels",
        "for an encoder",
    ],
)
def test_a_process_that_was_taken_over_is_not_believed(answer, monkeypatch, deaths):
    program = LIAR.format(ready=framed(Answer()).hex(), answer=answer.hex())
    monkeypatch.setattr(opening_pipes, "_COMMAND", (sys.executable, "-c", program))
    with Openers(on_death=deaths.append) as openers:
        with pytest.raises(InvalidField, match="abruptly"):
            openers.open_with_pixels(SMALL, (8,))
        assert pids(openers) == []
    assert deaths == [Death.ABRUPT]


def test_an_error_that_is_told_is_one_about_the_picture():
    told = Failure(error="MissingExtra", what="Not here.", remedy="pip install it", field=None)
    assert type(_raised(told)) is MissingExtra
    for name in ("Overloaded", "StoreCorrupt", "SystemExit", "nonsense"):
        assert type(_raised(msgspec.structs.replace(told, error=name))) is InvalidField


@pytest.fixture
def reader(monkeypatch):
    """A reader of words that says how large the picture was, or does what it is told."""
    told = types.SimpleNamespace(read_words_of=lambda image: f"you blorp {image.mode} {image.size}")

    def read(image):  # looked up late: a test may tell it something else
        return told.read_words_of(image)

    monkeypatch.setattr(opening_process, "read_words_of", read)
    return told


def test_words_are_read_from_what_was_safely_opened(reader):
    large = saved(scene(3200, 2400), "PNG")
    answer = answered(Request(task=Task.WORDS, seconds=1.0, data=large))
    assert answer == Answer(words="you blorp RGB (1600, 1200)")
    refused = answered(Request(task=Task.WORDS, seconds=1.0, data=large[:-20]))
    assert refused.failure.error == "InvalidField"
    assert not refused.last


def test_a_reader_that_runs_out_of_memory_has_the_process_replaced(reader):
    def hungry(image):
        raise MemoryError

    reader.read_words_of = hungry
    answer = answered(Request(task=Task.WORDS, seconds=1.0, data=SMALL))
    assert answer.last
    assert answer.failure.error == "TooLarge"


def alone():
    """A process that nobody watches over."""
    environment = opening_pipes._environment()
    command = [*opening_pipes._COMMAND, str(2 << 30)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    (size,) = LENGTH.unpack(process.stdout.read(4))
    process.stdout.read(size)
    return process


def test_no_process_outlives_the_service():
    with alone() as process:
        process.stdin.close()
        assert process.wait(30) == 0
    with alone() as process:
        process.stdin.write(LENGTH.pack(MOST_REQUEST_BYTES + 1))
        process.stdin.flush()
        assert process.wait(30) == 0


def test_a_process_that_nobody_waits_for_ends_itself():
    with alone() as process:
        process.stdin.write(framed(Request(task=Task.FACTS, seconds=0.02, data=LARGE)))
        process.stdin.flush()
        assert process.wait(30) == -signal.SIGALRM
