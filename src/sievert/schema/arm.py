"""Arm: which of two bundles decided about a post while an experiment let a candidate act, and with what chance."""

import enum
from typing import Annotated

import msgspec
from msgspec import Meta


class Arm(enum.StrEnum):
    """Who decides in a cluster of an experiment."""

    CANDIDATE = "candidate"
    CONTROL = "control"


class Acted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Under which experiment a decision was made, and with what chances."""

    experiment: Annotated[str, Meta(description="the experiment")]
    arm: Annotated[Arm, Meta(description="whose bundle decided: of the candidate or of the control")]
    propensity: Annotated[float, Meta(description="the chance with which the creator fell to this arm")]
    chance: Annotated[
        float, Meta(description="the chance with which the post is watched; 0: it is not watched")
    ] = 0.0
    other: Annotated[
        float | None,
        Meta(description="what the bundle that did not decide says of the policy, of a watched post"),
    ] = None


class ArmRows(msgspec.Struct, frozen=True, kw_only=True):
    """What all plainly allowed posts of one arm share: the bundle that decided, and why that one."""

    bundle: str
    acted: Acted | None = None  # None outside of the experiment
