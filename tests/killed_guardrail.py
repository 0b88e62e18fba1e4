"""Does a change of the guardrail's records, and kills it at each of its steps in turn: run as a program.

python killed_guardrail.py FOLDER BUNDLE finish|withdraw    prints one JSON line for each kill
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import msgspec
from sqlalchemy import event

from guarded import ACTOR, REVIEWED, guarded, harmful_by_name, judge, prepared, promoted, rude
from sievert.guardrail.certifying import finish
from sievert.guardrail.ledger import hear
from sievert.schema.clock import DAY
from sievert.schema.guardrail import AuditState, CertificateState
from sievert.scoring.bundle import load_bundle
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import START, FixedClock


def opened(folder):
    clock = FixedClock(START + 9 * DAY)
    stores = EmbeddedStores(folder, clock=clock)
    stores.clock = clock
    return stores


def ready_to_finish(folder, bundle):
    """Leave an attempt behind of which all audits are judged."""
    stores = opened(folder)
    parts = guarded(stores, bundle)
    prepared(parts, stores, lambda: rude(parts, 900), harmful_by_name, audits=1000)
    stores.close()


def ready_to_withdraw(folder, bundle):
    """Leave a live certificate behind whose audits were judged to be wrong, and not heard yet."""
    ready_to_finish(folder, bundle)
    stores = opened(folder)
    parts = guarded(stores, bundle)
    finished(stores, parts)
    kept = promoted(parts, stores)
    rude(parts, 400)
    parts.guard.step(now=stores.clock.now(), rate=0.1)
    judge(stores.guardrail, kept.name, lambda _: False, stores.clock.now())
    stores.close()


def finished(stores, parts):
    policy, store = parts.policies.named("hate"), stores.guardrail
    (attempt,) = store.attempts("hate")
    finish(store, attempt, policy, reviewed=REVIEWED, now=stores.clock.now(), actor=ACTOR)


def heard(stores, parts):
    hear(stores.guardrail, parts.policies, now=stores.clock.now())


def found(folder):
    """Say what stands in the folder after a kill; the audit log must verify."""
    stores = opened(folder)
    store = stores.guardrail
    stores.audit.verify()
    (attempt,) = store.attempts("hate")
    kept = store.certificates()
    told = {
        "attempt": attempt.state,
        "certificates": [one.state for one in kept],
        "entries": [one.kind for one in store.entries("hate", limit=10_000) if one.kind != "audit"],
        "notes": [
            one.event for one in stores.audit.entries(limit=10**6) if one.event.startswith("guardrail.")
        ],
        "alarms": [
            one.kind for one in stores.outbox.due(1 << 62, 10**6) if one.kind == "guardrail.withdrawn"
        ],
        "heard": sum(one.state is AuditState.HEARD for some in kept for one in store.audits(some.name)),
        "active": sum(one.state is CertificateState.ACTIVE for one in kept),
    }
    stores.close()
    return told


def killed_at(folder, bundle, change, step):
    """Do the change in a process of its own that dies before this statement or commit; return whether it died."""
    pid = os.fork()
    if pid == 0:
        stores = opened(folder)
        parts = guarded(stores, bundle)
        steps = iter(range(1, 1 << 30))

        def count(*_, **__):
            if next(steps) == step:
                os.kill(os.getpid(), signal.SIGKILL)

        event.listen(stores.database.engine, "before_cursor_execute", count)
        event.listen(stores.database.engine, "commit", count)
        change(stores, parts)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def main():
    folder, bundle, what = Path(sys.argv[1]), load_bundle(Path(sys.argv[2])), sys.argv[3]
    ready, change = {
        "finish": (ready_to_finish, finished),
        "withdraw": (ready_to_withdraw, heard),
    }[what]
    ready(folder / "ready", bundle)
    step, died = 1, True
    while died:
        here = folder / f"at{step}"
        shutil.copytree(folder / "ready", here)
        died = killed_at(here, bundle, change, step)
        print(json.dumps({"died": died, **msgspec.to_builtins(found(here))}), flush=True)  # noqa: T201  a program
        shutil.rmtree(here)
        step += 1


if __name__ == "__main__":
    main()
