"""A policy by its name, out of a folder, or of those that ship."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sievert.schema.policy import Policy


def policy_named(name: str, folder: Path | None) -> "Policy":
    """Return a policy of a folder, or of those that ship.

    Raises:
        ConfigurationError: the folder's policies are wrong.
        NotFound: there is no such policy; names one that was meant, perhaps.
    """
    import difflib

    from sievert.errors import NotFound
    from sievert.policy.loading import default_policies_path, load_policies

    path = folder or default_policies_path()
    policies = load_policies(path)
    found = policies.named(name)
    if found is None:
        names = [one.name for one in policies.policies]
        near = difflib.get_close_matches(name, names, n=1)
        meant = f" {near[0]!r} was meant, perhaps." if near else ""
        raise NotFound(
            f"There is no policy {name!r} in {path}.{meant}", remedy=f"Name one of {', '.join(names)}."
        )
    return found
