"""The same decision from the record: decided once more from what was kept, and compared.

Policies are a pure function, so that a decision follows from its record: probabilities, forecast, what banks
and rules said, the policies as they were and the certificates that were active then. Where the same bundle
is at hand and the text is still kept, a first decision is scored once more as well.

Not covered: pictures, which are not opened again; probabilities that came of behaviour, which are taken as
recorded; forecasts, which were kept to a hundredth of a view; what a rule's words were found in, which is
taken from the reasons. What an hour's or a day's budget had left is read from the reasons, too.
"""

import msgspec
import numpy as np

from sievert.pipeline.decode import to_batch
from sievert.policy.reasons import NO_ROOM, QUOTA
from sievert.policy.rulebook import NOTHING_STATED, RuleBook
from sievert.policy.rules import decide
from sievert.schema.batch import ScoredBatch
from sievert.schema.certificate import Running
from sievert.schema.clock import Micros
from sievert.schema.decision import CREATED, Decision, Language, Outcome, Reason, Stage, shown
from sievert.schema.guardrail import CertificateState, EntryKind, KeptCertificate
from sievert.schema.policy import PolicySet
from sievert.schema.post import Post
from sievert.scoring.bundle import Bundle
from sievert.scoring.utterances import Shares, score_posts
from sievert.stores.guardrail.base import GuardrailStore

_BOUNDLESS = 1 << 62
_EVERY = 1_000_000


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of deciding once more: what differs, what was done over, and which inputs are gone."""

    decision_id: str
    outcome: str
    differs: tuple[str, ...]
    done_over: tuple[str, ...]
    gone: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether everything that could be done over came out as before."""
        return not self.differs


def active_then(store: GuardrailStore, policies: PolicySet, at: Micros) -> list[KeptCertificate]:
    """Return the certificates that permitted removals at a moment, by the ledger."""
    found = []
    for policy in policies.policies:
        entries = store.entries(policy.name, kind=EntryKind.PROMOTED, limit=_EVERY)
        promoted = {one.certificate: one.at for one in entries}
        for kept in store.certificates(policy.name):
            began = promoted.get(kept.name)
            ended = kept.changed_at if kept.state is not CertificateState.ACTIVE else _BOUNDLESS
            if began is not None and began <= at < ended:
                found.append(kept)
    return found


def replay(decision: Decision, *, post: Post | None, store: GuardrailStore, bundle: Bundle) -> Replay:
    """Decide once more from the record of a decision; `bundle` is the one that is at hand."""
    differs: list[str] = []
    done_over: list[str] = []
    gone: list[str] = []
    if post is None:
        gone.append("the text, which was forgotten or never kept")
    if bundle.version != decision.bundle:
        gone.append(f"the bundle {decision.bundle}; {bundle.version} is at hand")
    elif post is not None:
        _score_again(decision, post, bundle, differs=differs, done_over=done_over, gone=gone)
    policies = store.policies(decision.policy_set)
    if policies is None:
        gone.append(f"the policies {decision.policy_set}, which no server kept here")
    else:
        kept = active_then(store, policies, decision.decided_at)
        if decision.certificate and decision.certificate not in {one.name for one in kept}:
            gone.append(f"the certificate {decision.certificate}: the ledger does not show it as active then")
        differs += _decided_otherwise(decision, post or _without_text(decision), policies, kept, bundle)
        done_over.append("the decision, from recorded probabilities, forecast, policies and certificates")
    return Replay(
        decision_id=decision.decision_id,
        outcome=decision.outcome,
        differs=tuple(differs),
        done_over=tuple(done_over),
        gone=tuple(gone),
    )


def _score_again(
    decision: Decision,
    post: Post,
    bundle: Bundle,
    *,
    differs: list[str],
    done_over: list[str],
    gone: list[str],
) -> None:
    """Score the text of a first decision once more, as far as the same models had the word."""
    fused = bundle.listening is not None and decision.stage == Stage.HEAVY.word
    if decision.trigger != CREATED or post.media or fused:
        gone.append("what was known of behaviour or pictures then; probabilities are taken as recorded")
        return
    share = 0.0 if decision.stage == Stage.LIGHT.word else 1.0
    batch = to_batch([post], [post.text.encode()], received_at=decision.received_at)
    if batch.digests[0].hex() != decision.content_digest:
        differs.append("the text: the one that is kept is not the one that was decided about")
        return
    scored = score_posts(bundle, batch, shares=Shares(text=share, pictures=share)).told()
    now = {**dict(zip(scored.heads, shown(scored.policies[0]), strict=True)), "harm": shown(scored.harm)[0]}
    before = {**decision.policies, "harm": decision.probability}
    differs += [
        f"probability of {name}: {before.get(name)} then, {now.get(name)} now"
        for name in sorted(before.keys() | now.keys())
        if before.get(name) != now.get(name)
    ]
    done_over.append("the probabilities, from the text")


def _decided_otherwise(
    decision: Decision, post: Post, policies: PolicySet, kept: list[KeptCertificate], bundle: Bundle
) -> list[str]:
    """Decide from recorded probabilities; return what differs."""
    batch = to_batch([post], [post.text.encode()], received_at=decision.received_at)
    book = RuleBook(policies, bundle.fold)
    recalled = () if book.empty else book.recalled(decision.reasons)
    matches = tuple(reason.match for reason in decision.reasons if reason.match is not None)
    spent = {rule: {one.policy for one in decision.reasons if one.rule == rule} for rule in (NO_ROOM, QUOTA)}
    rooms = {
        rule: {one.name: 0 if one.name in names else _BOUNDLESS for one in policies.policies}
        for rule, names in spent.items()
    }
    decided = decide(
        batch,
        _recorded(decision),
        policies=policies,
        certificates=tuple(one.certificate for one in kept),
        forecast=None if decision.forecast is None else np.array([decision.forecast], np.float32),
        review_room=rooms[NO_ROOM],
        removal_room=rooms[QUOTA],
        now=decision.decided_at,
        running=_ran(decision, kept),
        matches={0: matches} if matches else {},
        stated={0: recalled} if recalled else NOTHING_STATED,
    )
    pairs = (
        ("outcome", decision.outcome, Outcome(int(decided.outcome[0])).word),
        ("would", decision.would, Outcome(int(decided.would[0])).word),
        ("certificate", decision.certificate, decided.permitted_by.get(0, "")),
        ("reasons", _told(decision.reasons), _told(decided.reasons.get(0, ()))),
    )
    return [
        f"{name}: {before or 'none'} then, {now or 'none'} now"
        for name, before, now in pairs
        if before != now
    ]


def _recorded(decision: Decision) -> ScoredBatch:
    """Return the scores of a record as a batch of one."""
    languages = {one.word: int(one) for one in Language}
    stages = {one.word: int(one) for one in Stage}
    return ScoredBatch(
        bundle=decision.bundle,
        heads=tuple(decision.policies),
        harm=np.array([decision.probability], np.float32),
        policies=np.array([[*decision.policies.values()]], np.float32),
        language=np.array([languages[decision.language]], np.int8),
        stage=np.array([stages[decision.stage]], np.int8),
    )


def _ran(decision: Decision, kept: list[KeptCertificate]) -> Running | None:
    """Return what ran then, as far as the record and the certificate that permitted say."""
    leave = next((one.certificate for one in kept if one.name == decision.certificate), None)
    if leave is None:
        return None
    return Running(
        bundle=decision.bundle,
        forecaster=leave.forecaster,
        embeddings=leave.embeddings,
        triggers=leave.triggers,
        heavy_share=leave.heavy_share.least,
        image_heavy_share=leave.image_heavy_share.least,
    )


def _told(reasons: tuple[Reason, ...]) -> str:
    """Write reasons so that they can be compared, whatever their order."""
    return ", ".join(sorted(f"{one.policy}/{one.rule}" for one in reasons))


def _without_text(decision: Decision) -> Post:
    return Post(
        id=decision.post_id,
        platform=decision.platform,
        revision=decision.revision,
        creator_id=decision.creator_id,
    )
