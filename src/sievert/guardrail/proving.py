"""What an attempt's audits prove: the test of its rules, the answer in words, and the certificate of what passed."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sievert.guardrail.frames import Window
from sievert.measurement.certificate import Finding, ReviewError, prove
from sievert.measurement.designs import Draws
from sievert.schema.certificate import Audited, Certificate, Dial
from sievert.schema.clock import Micros
from sievert.schema.guardrail import Attempt, Audit, AuditBy, CertificateState, KeptCertificate, name_of
from sievert.schema.policy import Policy
from sievert.schema.review import GoldAnswer, Verdict


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """How people judged posts that are known to be harmless: how many, and how many they called harmful."""

    harmless: int = 0
    called_harmful: int = 0


def reviewed_by(marks: Iterable[tuple[Verdict, GoldAnswer]], policy: str) -> Reviewed:
    """Return how people judged known answers that a policy holds to be harmless: each verdict counts."""
    called = [
        policy in verdict.violates
        for verdict, answer in marks
        if policy in answer.judged and policy not in answer.violates and policy in verdict.judged
    ]
    return Reviewed(harmless=len(called), called_harmful=sum(called))


def tested(
    attempt: Attempt,
    policy: Policy,
    window: Window,
    audits: Sequence[Audit],
    error: ReviewError,
    *,
    key: bytes,
) -> Finding:
    """Test the rules of an attempt's path on its audits, all of which were judged.

    Raises:
        InvalidField: the bound on reviewers leaves no error rate.
    """
    row_of = {one.post_id: row for row, one in enumerate(window.firsts)}

    def half(by: AuditBy) -> tuple[Draws, npt.NDArray[np.bool_]]:
        some = sorted((one for one in audits if one.by is by), key=lambda one: one.place)
        rows = np.array([row_of[one.post_id] for one in some], np.int64)
        probability = np.array([one.probability for one in some])
        return Draws(rows=rows, probability=probability), np.array([one.harmful is True for one in some])

    return prove(
        attempt.levels,
        window.frame.half_of_posts(*half(AuditBy.POSTS)),
        window.frame.half_of_views(*half(AuditBy.VIEWS), key=key),
        precision_posts=policy.precision_posts,
        precision_views=policy.precision_views,
        delta=attempt.delta,
        review=error,
    )


def in_words(finding: Finding, error: ReviewError) -> str:
    """Say in a sentence what came of an attempt, with its numbers."""
    if not finding.tests:
        return finding.in_words
    last = finding.tests[-1 if finding.proven is None or finding.tests[-1].passed else -2]
    return (
        f"{finding.in_words}; {last.wrong_posts} of {last.audits_posts} audits by posts and {last.wrong_views} "
        f"of {last.audits_views} by views were wrong, at most {error.false_at_most:.2%} of harmless posts are "
        "called harmful"
    )


def proposed(
    attempt: Attempt,
    policy: Policy,
    window: Window,
    *,
    finding: Finding,
    error: ReviewError,
    now: Micros,
    actor: str,
    valid_for: Micros,
) -> KeptCertificate:
    """Write the certificate of the boldest rule that passed."""
    if finding.proven is None:
        raise AssertionError("Nothing is proven, so there is nothing to write.")
    test = next(one for one in reversed(finding.tests) if one.passed)
    running = attempt.running
    text, pictures = (
        Dial(least=min(shares), most=max(shares))
        for shares in (
            [one.heavy_share for one in window.firsts],
            [one.image_heavy_share for one in window.firsts],
        )
    )
    certificate = Certificate(
        policy=policy.name,
        policy_version=attempt.policy_version,
        terms=attempt.terms,
        platform=attempt.platform,
        window=(attempt.since, attempt.until),
        bundle=running.bundle,
        forecaster=running.forecaster,
        embeddings=running.embeddings,
        triggers=running.triggers,
        heavy_share=text,
        image_heavy_share=pictures,
        lambda_posts=attempt.levels[finding.proven],
        lambda_views=attempt.lambda_views,
        path_point=finding.proven,
        by_posts=Audited(audits=test.audits_posts, wrong=test.wrong_posts),
        by_views=Audited(audits=test.audits_views, wrong=test.wrong_views),
        miss_at_least=error.miss_at_least,
        false_at_most=error.false_at_most,
        delta=attempt.delta,
        issued_at=now,
        expires_at=now + valid_for,
    )
    return KeptCertificate(
        name=name_of(certificate),
        certificate=certificate,
        attempt_id=attempt.attempt_id,
        state=CertificateState.PROPOSED,
        changed_at=now,
        changed_by=actor,
        reason=attempt.answer,
    )
