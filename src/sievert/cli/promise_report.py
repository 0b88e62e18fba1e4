"""What came of the promise: stage by stage, from the world's truth and from the installation's own records."""

import bisect
import itertools
from collections.abc import Sequence

import msgspec

from sievert.cli.promise_account import Figures
from sievert.cli.promise_lessons import HeadIsSetRight, HeadLearns
from sievert.cli.promise_story import Story
from sievert.measurement.binomial import highest_share, lowest_share
from sievert.schema.action import CaseKind
from sievert.schema.clock import DAY, Micros
from sievert.schema.guardrail import AttemptState, CertificateState, EntryKind, KeptCertificate, LedgerEntry

_ONE_SIDE = 0.975

LEARNS, WATCHES, JUDGES, NOT_ENOUGH = "shadow", "window open", "audits judged", "not enough evidence"
LIVE, DRIFTED, WITHDRAWN, OVER = "live", "live, in the craze", "withdrawn", "expired"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of so many, with a 95 % interval (Clopper and Pearson 1934)."""

    of: int
    right: int
    share: float | None
    low: float
    high: float


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which one thing held."""

    name: str
    since: float  # days since the start
    until: float
    posts: int
    removed: Share  # by certificate, and truly harmful
    rule: Share  # what the certificate's rule removed, or would have
    evidence: tuple[float, float]  # the most that a monitor saw against the certificate: by posts, by views
    removed_by_people: int
    harmful_views: int
    harmful_views_without: int
    verdicts: dict[str, int]
    minutes: float


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate, and what its audits were."""

    name: str
    promoted: float
    ended: float | None
    state: str
    reason: str
    audits: tuple[int, int]  # by posts and by views
    wrong: tuple[int, int]
    false_at_most: float
    heard: tuple[int, int]  # audits of its removals, by posts and by views
    heard_wrong: tuple[int, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    seed: int
    days: float
    posts: int
    stages: list[Stage]
    certificates: list[Issued]
    attempts: int
    craze: tuple[float, float]
    withdrawn_after_days: float | None  # since the craze began; null if it was not withdrawn in it
    withdrawn_after_audits: int | None  # that were heard since then
    false_withdrawals: int  # before the craze
    removed: int
    removed_wrongly: int
    harmful_views_without: int
    prevented: int
    labels: dict[str, int]  # judgements of people, by what they were for
    minutes: float
    reviewers_err: tuple[float, float]  # wrong verdicts of all; of those on audits
    vanished: int
    restarts: int
    log_entries: int  # of the audit log, whose chain was verified


def report_of(story: Story, *, seed: int) -> Report:
    """Tell what came of a story so far.

    Raises:
        StoreError: the audit log's chain is broken.
    """
    account, course = story.account, story.course
    last = account.line[-1]
    kept = [one for one in story.certificates() if one.state is not CertificateState.PROPOSED]
    promoted = _promoted(story)
    craze = story.start + round(course.craze_days[0] * DAY)
    withdrawn = [one for one in kept if one.state is CertificateState.WITHDRAWN]
    first = next((one for one in withdrawn if one.changed_at >= craze), None)
    heard = story.audits_heard()
    learned = sum(one.labels for one in story.lessons[:1] if isinstance(one, (HeadLearns, HeadIsSetRight)))
    verdicts, wrong = story.people.verdicts, story.people.wrong
    entries, _ = story.installation.doors.stores.audit.verify()
    return Report(
        seed=seed,
        days=round((last.at - story.start) / DAY, 3),
        posts=last.posts,
        stages=_stages(story, kept, promoted, heard),
        certificates=[_issued(story, one, promoted) for one in kept],
        attempts=sum(one.drawn_at > 0 for one in story.installation.guardrail.attempts(story.course.policy)),
        craze=course.craze_days,
        withdrawn_after_days=None if first is None else round((first.changed_at - craze) / DAY, 2),
        withdrawn_after_audits=None
        if first is None
        else sum(craze <= one.at <= first.changed_at for one in heard if one.certificate == first.name),
        false_withdrawals=sum(one.changed_at < craze for one in withdrawn),
        removed=last.removed,
        removed_wrongly=last.removed_wrongly,
        harmful_views_without=last.harmful_views_without,
        prevented=last.harmful_views_without - last.harmful_views,
        labels={"experts": learned, **{str(kind): count for kind, count in sorted(verdicts.items())}},
        minutes=round(last.seconds / 60),
        reviewers_err=(
            _rate(wrong.total(), verdicts.total()),
            _rate(wrong[CaseKind.AUDIT], verdicts[CaseKind.AUDIT]),
        ),
        vanished=story.people.vanished,
        restarts=story.installation.restarts,
        log_entries=entries,
    )


def _promoted(story: Story) -> dict[str, Micros]:
    entries = story.installation.guardrail.entries(story.course.policy, kind=EntryKind.PROMOTED)
    return {one.certificate: one.at for one in entries}


def _stages(
    story: Story,
    kept: Sequence[KeptCertificate],
    promoted: dict[str, Micros],
    heard: Sequence[LedgerEntry],
) -> list[Stage]:
    """Cut the time where something begins to hold, and tell what was in each piece."""
    begins = {story.start: LEARNS}
    for attempt in story.installation.guardrail.attempts(story.course.policy):
        begins[attempt.opened_at] = WATCHES
        if attempt.drawn_at:
            begins[attempt.drawn_at] = JUDGES
        if attempt.state in {AttemptState.NOT_ENOUGH, AttemptState.ABANDONED}:
            begins[attempt.ended_at] = NOT_ENOUGH
    craze, over = (story.start + round(day * DAY) for day in story.course.craze_days)
    for one in kept:
        begins[promoted[one.name]] = LIVE
        end = one.changed_at if one.state is not CertificateState.ACTIVE else story.clock.now()
        if promoted[one.name] < craze < end:
            begins[craze] = DRIFTED
            if over < end:
                begins[over] = LIVE
        if one.state is CertificateState.WITHDRAWN:
            begins[one.changed_at] = WITHDRAWN
        elif one.state is CertificateState.EXPIRED:
            begins[one.changed_at] = OVER
    moments = [*sorted(begins), story.account.line[-1].at]
    rules = truth_of_rules(story)
    found = []
    for since, until in itertools.pairwise(moments):
        before = [one.name for one in kept if promoted[one.name] <= since]
        name = before[-1] if before else kept[0].name if kept else ""
        found.append(_stage(story, begins[since], since, until, rule=rules.get(name, []), audits=heard))
    return found


def _stage(
    story: Story,
    name: str,
    since: Micros,
    until: Micros,
    *,
    rule: Sequence[tuple[Micros, bool]],
    audits: Sequence[LedgerEntry],
) -> Stage:
    there: Figures = story.account.at(until).minus(story.account.at(since))
    fell = [harmful for at, harmful in rule if since <= at < until]
    heard = [one for one in audits if since <= one.at <= until]
    by_posts, by_views = (
        max((one.evidence for one in heard if one.by == by), default=0.0) for by in ("posts", "views")
    )
    return Stage(
        name=name,
        since=round((since - story.start) / DAY, 3),
        until=round((until - story.start) / DAY, 3),
        posts=there.posts,
        removed=share(there.removed - there.removed_wrongly, there.removed),
        rule=share(sum(fell), len(fell)),
        evidence=(round(by_posts, 6), round(by_views, 6)),
        removed_by_people=there.removed_by_people,
        harmful_views=there.harmful_views,
        harmful_views_without=there.harmful_views_without,
        verdicts={kind: count for kind, count in there.verdicts if count},
        minutes=round(there.seconds / 60),
    )


def _truth_of_rule(story: Story, kept: KeptCertificate) -> list[tuple[Micros, bool]]:
    fell = story.fell_to(kept)
    return sorted(zip([one.at for one in fell], story.harmful(fell), strict=True))


def running_precision(
    truth: Sequence[tuple[Micros, bool]], moments: Sequence[Micros], *, last: int
) -> list[Share]:
    """Return, at each moment, how many of the last so many posts that fell to a rule are truly harmful."""
    times = [at for at, _ in truth]
    found = []
    for moment in moments:
        upto = bisect.bisect_right(times, moment)
        some = truth[max(0, upto - last) : upto]
        found.append(share(sum(harmful for _, harmful in some), len(some)))
    return found


def truth_of_rules(story: Story) -> dict[str, list[tuple[Micros, bool]]]:
    """Return, by certificate, when a post fell to its rule, or would have, and whether that is truly harmful."""
    kept = [one for one in story.certificates() if one.state is not CertificateState.PROPOSED]
    return {one.name: _truth_of_rule(story, one) for one in kept}


def _issued(story: Story, kept: KeptCertificate, promoted: dict[str, Micros]) -> Issued:
    said, over = kept.certificate, kept.state is not CertificateState.ACTIVE
    return Issued(
        name=kept.name,
        promoted=round((promoted[kept.name] - story.start) / DAY, 2),
        ended=round((kept.changed_at - story.start) / DAY, 2) if over else None,
        state=kept.state.value,
        reason=kept.reason,
        audits=(said.by_posts.audits, said.by_views.audits),
        wrong=(said.by_posts.wrong, said.by_views.wrong),
        false_at_most=round(said.false_at_most, 4),
        heard=(kept.by_posts.audits, kept.by_views.audits),
        heard_wrong=(kept.by_posts.wrong, kept.by_views.wrong),
    )


def share(right: int, of: int) -> Share:
    """Return a share with its exact interval."""
    if not of:
        return Share(of=0, right=0, share=None, low=0.0, high=1.0)
    return Share(
        of=of,
        right=right,
        share=round(right / of, 4),
        low=round(lowest_share(right, of, confidence=_ONE_SIDE), 4),
        high=round(highest_share(right, of, confidence=_ONE_SIDE), 4),
    )


def _rate(part: int, of: int) -> float:
    return round(part / max(1, of), 4)
