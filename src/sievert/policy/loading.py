"""Policies are YAML files, one a policy; all that is wrong with them is said at once."""

import hashlib
from collections.abc import Hashable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import yaml

from sievert.errors import ConfigurationError
from sievert.policy.fields import right_fields, wrong_fields
from sievert.policy.rule_problems import set_problems, stated_problems
from sievert.schema.policy import POLICY_FORMAT, Policy, PolicySet, Severity
from sievert.schema.sentinel import SENTINEL_POLICY

_MOST_BYTES = 64 << 10
_ACTIONS = ("demote", "review", "remove")


def default_policies_path() -> Path:
    """Return the folder of the policies that ship inside the package."""
    return Path(str(resources.files("sievert"))) / "policies"


def load_policies(folder: Path) -> PolicySet:
    """Read every `*.yaml` of a folder as one set of policies.

    Raises:
        ConfigurationError: lists all problems of all files.
    """
    policies: list[Policy] = []
    files = sorted(folder.glob("*.yaml"))
    problems = [f"{file.name} is not read: rename it to {file.stem}.yaml" for file in folder.glob("*.yml")]
    if not files:
        problems.append(f"{folder} holds no *.yaml file: name the folder of your policies.")
    elif folder / f"{SENTINEL_POLICY}.yaml" not in files:
        problems.append(
            f"{SENTINEL_POLICY}.yaml is missing, so nothing could prove that the installation works: "
            f"copy it from {default_policies_path()}; `mode: 'off'` silences it"
        )
    for file in files:
        policy, wrong = read_policy(file)
        problems.extend(f"{file.name}: {problem}" for problem in wrong)
        if policy is not None:
            policies.append(policy)
    names = [policy.name for policy in policies]
    if not problems:
        problems.extend(set_problems(policies))
    problems.extend(
        f"policy {name!r} is stated twice" for name in sorted(set(names)) if names.count(name) > 1
    )
    if problems:
        raise ConfigurationError(f"Policies in {folder}", problems)
    return policy_set(policies)


def policy_set(policies: list[Policy]) -> PolicySet:
    """Name a set of policies by the hash of what they say."""
    ordered = tuple(sorted(policies, key=lambda policy: policy.name))
    digest = hashlib.sha256(msgspec.json.encode(ordered, order="deterministic")).hexdigest()
    return PolicySet(digest=digest[:16], policies=ordered)


def read_policy(file: Path) -> tuple[Policy | None, list[str]]:
    """Return the policy that a file states, or None, and everything that is wrong with the file."""
    try:
        stated = _parsed(file)
    except (OSError, ValueError, yaml.YAMLError) as error:
        return None, [str(error)]
    newer = stated.get("format", POLICY_FORMAT)
    if isinstance(newer, int) and newer > POLICY_FORMAT:
        too_new = f"it has format {newer}, and this release reads up to {POLICY_FORMAT}: "
        return None, [too_new + "update Sievert, or state the policy in an older format"]
    try:
        msgspec.json.encode(stated)
    except UnicodeEncodeError:
        return None, ["it holds half of a surrogate pair, which is no character: write the character itself"]
    problems = wrong_fields(stated)
    try:
        policy = msgspec.convert(right_fields(stated), Policy)
    except msgspec.ValidationError:
        return None, problems
    if problems:
        # What a wrong field would have said is not known; lists and rules stand by themselves.
        return None, [*problems, *stated_problems(policy)]
    return policy, _problems(policy, file)


class EveryKeyOnce(yaml.SafeLoader):
    """Reads YAML as the safe loader does, and refuses a key that stands twice: the first would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        """Build a mapping whose keys differ.

        Raises:
            ValueError: a key stands twice.
        """
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for place, (key, _) in enumerate(node.value):
            if isinstance(key, yaml.ScalarNode) and key.value in keys[:place] and key.value != "<<":
                raise ValueError(f"{key.value} stands twice, again in line {key.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def _parsed(file: Path) -> dict[object, object]:
    if not file.is_file():
        raise ValueError("it is not a file: move it elsewhere")
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it is longer than {_MOST_BYTES} bytes: a policy is a page")
    try:
        stated = yaml.load(file.read_bytes(), Loader=EveryKeyOnce)  # noqa: S506  # a safe loader
    except RecursionError:
        raise ValueError("it is nested too deeply: a policy is a list of fields") from None
    if not isinstance(stated, dict):
        raise ValueError("it is no list of fields, each with a name, a colon and a value")  # noqa: TRY004
    return stated


def _wrong_delays(policy: Policy) -> list[str]:
    if policy.severity is Severity.LOW or not (policy.holdout_share or policy.timing_minutes):
        return []
    return ["holdout_share or timing_minutes without severity low: what is severe is removed at once"]


def _problems(policy: Policy, file: Path) -> list[str]:
    """Say what is wrong with a policy beyond the types of its fields."""
    problems = _wrong_delays(policy)
    if file.stem != policy.name:
        problems.append(f"the file is named {file.stem!r} but states policy {policy.name!r}: make them equal")
    if policy.demote_at < policy.demote_precision:
        problems.append(
            f"demote_at {policy.demote_at} is below demote_precision {policy.demote_precision}: "
            "raise demote_at, or lower the floor knowingly"
        )
    if not policy.review_at <= policy.floor:
        problems.append(
            f"review_at {policy.review_at} is above floor {policy.floor}: what is doubtful goes to people"
        )
    problems.extend(
        f"{field} knows no action {action!r}: it takes {', '.join(_ACTIONS)}"
        for field in ("live_actions", "shadow_actions")
        for action in getattr(policy, field)
        if action not in _ACTIONS
    )
    if "remove" in policy.live_actions and "review" not in policy.live_actions:
        problems.append("live_actions hold remove without review: what may not be removed goes to people")
    if policy.precision_posts >= 1.0 or policy.precision_views >= 1.0:
        problems.append("a precision of 1 can never be proven: state less, such as 0.95")
    if policy.people_above_views < policy.most_views:
        problems.append(
            f"people_above_views {policy.people_above_views:g} is below most_views {policy.most_views:g}: "
            "then the cap would never be reached"
        )
    if policy.precision_views > policy.precision_posts:
        problems.append(
            f"precision_views {policy.precision_views} is above precision_posts {policy.precision_posts}: "
            "then a bolder rule would not remove all that a more careful one does"
        )
    if "remove" in policy.shadow_actions:
        problems.append("shadow_actions may not hold remove: a policy in shadow never removes")
    if policy.name == SENTINEL_POLICY and "remove" in policy.live_actions:
        problems.append("the sentinel's policy may not remove: it is a test")
    return [*problems, *stated_problems(policy)]
