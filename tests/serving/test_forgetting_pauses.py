"""A forgetting that fails waits longer each time, and holds up no other."""

import contextlib
import sqlite3

from sievert.serving.forgetting import ASK_SECONDS, LONGEST_PAUSE, Pauses
from sievert.stores import sqlite


def test_each_pause_is_twice_as_long_as_the_one_before_up_to_some_minutes():
    pauses, now, waited = Pauses(), 100.0, []
    for _ in range(12):
        pauses.tried("g_a", now, failed=True)
        step = next(step for step in range(1, 1000) if pauses.is_over("g_a", now + step))
        assert pauses.is_over("g_b", now)
        waited.append(step)
        now += step
    assert waited[:4] == [ASK_SECONDS, 2 * ASK_SECONDS, 4 * ASK_SECONDS, 8 * ASK_SECONDS]
    assert waited[-1] == LONGEST_PAUSE
    pauses.tried("g_a", now, failed=False)
    assert pauses.is_over("g_a", now)


def test_the_file_is_not_written_anew_in_vain_while_somebody_reads(tmp_path):
    engine, commands = sqlite.engine_of(tmp_path / "a.db"), []
    with contextlib.ExitStack() as ends:
        ends.callback(engine.dispose)
        connection = ends.enter_context(engine.connect().execution_options(isolation_level="AUTOCOMMIT"))
        reader, writer = (
            ends.enter_context(contextlib.closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)))
            for _ in range(2)
        )
        writer.execute("CREATE TABLE t (a)")
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        writer.execute("INSERT INTO t VALUES (1)")
        driver = connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout = 10")
        driver.set_trace_callback(commands.append)
        assert not sqlite.compact(connection)
        assert "VACUUM" not in commands
        reader.execute("COMMIT")
        assert sqlite.compact(connection)
        assert "VACUUM" in commands
