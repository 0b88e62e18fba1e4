"""The banks of a data folder, opened beside a running server; and what signs texts as that server does."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from sievert.cli.options import settings_from

if TYPE_CHECKING:
    from sievert.scoring.banks.keeping import BankKeeper
    from sievert.serving.settings import Settings
    from sievert.stores.banks.base import BankStore

_ACTOR = "command line"


@contextlib.contextmanager
def opened(config: Path | None, data: Path | None) -> Iterator[tuple["BankStore", "BankKeeper", "Settings"]]:
    """Open the banks of a data folder, to be read and to be changed in the command line's name.

    Raises:
        NotFound: there is no database there.
    """
    from sievert.policy.loading import load_policies
    from sievert.schema.clock import SystemClock
    from sievert.scoring.banks.keeping import BankKeeper
    from sievert.serving.wiring import open_ledgers, policies_path

    clock, settings = SystemClock(), settings_from(config, data).settings
    policies = load_policies(policies_path(settings))
    with open_ledgers(settings, clock=clock) as ledgers:
        keeper = BankKeeper(
            ledgers.banks,
            ledgers.audit,
            policies={policy.name for policy in policies.policies},
            clock=clock,
            actor=_ACTOR,
        )
        yield ledgers.banks, keeper, settings


def signer(settings: "Settings") -> Callable[[str], str]:
    """Return what signs texts as the server that uses these settings reads them."""
    import functools

    from sievert.scoring.banks.entries import text_signature
    from sievert.scoring.bundle import load_bundle
    from sievert.serving.wiring import bundle_path

    tables = functools.cache(lambda: load_bundle(bundle_path(settings)).fold)
    return lambda text: text_signature(text, tables())
