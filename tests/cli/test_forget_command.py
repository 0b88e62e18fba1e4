"""`sievert forget` refuses whoever is nobody in particular: many rows name no account."""

import contextlib

import pytest

from command_line import sievert
from sievert.errors import InvalidField
from sievert.schema.clock import SystemClock
from sievert.stores.embedded import EmbeddedStores


def test_nobody_in_particular_cannot_be_forgotten(tmp_path):
    with contextlib.closing(EmbeddedStores(tmp_path, clock=SystemClock())) as stores:
        for platform, creator in (("default", ""), ("", "ann")):
            with pytest.raises(InvalidField, match="is empty"):
                stores.forgettings.ask(platform, creator, by="test", now=1)
    for who, says in (
        (["", "--yes"], b"the creator is empty"),
        (["", "--check"], b"the creator is empty"),
        (["ann", "--platform", "", "--yes"], b"the platform is empty"),
        (["a\nb", "--yes"], b"control character"),
    ):
        said = sievert("forget", *who, "--data", tmp_path)
        assert said.returncode == 2, said.stderr
        assert says in said.stderr
    with contextlib.closing(EmbeddedStores(tmp_path, clock=SystemClock())) as stores:
        assert stores.forgettings.unfinished() == []
