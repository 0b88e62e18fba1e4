"""Verdict memory: what people found about a post stands until something is new.

Reports and hides alone, however many, do not bring a settled post before people again, and nothing is done
to what they found harmless. It is asked again when its content changed, when another bundle (with another
bank of evidence) reads it, when the policy has another version, or when a bank of hashes learned something.
"""

from collections.abc import Mapping, Sequence

from sievert.schema.decision import BANK
from sievert.schema.review import Settlement


def standing(
    settlements: Sequence[Settlement],
    policy: str,
    *,
    content_digest: str,
    bundle: str,
    policy_versions: Mapping[str, int],
    trigger: str,
) -> Settlement | None:
    """Return the settlement that still answers for a policy, or None if people have to be asked (again).

    `settlements` are those about one post, oldest first; the rest says how things are now, and what calls
    for the question.
    """
    if trigger == BANK:
        return None
    for one in reversed(settlements):
        if policy in one.judged:
            same = (
                one.content_digest == content_digest
                and one.bundle == bundle
                and one.policy_versions.get(policy) == policy_versions.get(policy)
            )
            return one if same else None
    return None
