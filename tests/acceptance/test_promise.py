"""The promise, run live and small: shadow, audits by people who err, removals, a craze, withdrawal, a new certificate.

Everything is real but the size: the parts that `serving.wiring` chooses, SQLite in a folder, the desk, the
guardrail; a tiny bundle stands for the one that `sievert promise` has its platform learn. Red when the
monitors hear nothing, and when removals ask no certificate.
"""

import msgspec
import pytest

from sievert.cli.promise_installation import installed
from sievert.cli.promise_picture import picture
from sievert.cli.promise_report import DRIFTED, JUDGES, LEARNS, LIVE, WATCHES, WITHDRAWN, report_of
from sievert.measurement.binomial import at_most
from sievert.schema.action import OURSELVES, ActionKind
from sievert.schema.clock import DAY
from sievert.schema.guardrail import CertificateState
from small_promise import COURSE, known_secrets, small_story


@pytest.fixture(scope="module")
def played(tmp_path_factory, tiny_folder):
    with known_secrets():
        story = small_story(tmp_path_factory.mktemp("promise"), tiny_folder, seed=3)
    with known_secrets(), installed(story.installation):
        for _ in range(round(COURSE.days * DAY / story.step)):
            story.go_on()
        yield story, report_of(story, seed=3)


def test_the_stages_come_in_their_order(played):
    _, report = played
    assert [one.name for one in report.stages] == [
        *(LEARNS, WATCHES, JUDGES, LIVE, DRIFTED),
        *(WITHDRAWN, WATCHES, JUDGES, LIVE),
    ]
    assert [one.state for one in report.certificates] == ["withdrawn", "active"]


def test_nothing_is_removed_without_a_certificate_that_is_live(played):
    story, report = played
    kept = {one.name: one for one in story.certificates()}
    by_ourselves = [
        one
        for one in story.installation.doors.stores.actions.list(limit=100_000).items
        if one.by == OURSELVES and one.kind == ActionKind.REMOVE
    ]
    assert report.removed == len(by_ourselves) > 200
    for action in by_ourselves:
        crossing = story.installation.guardrail.removal("hate", action.decision_id)
        promoted = next(one for one in report.certificates if one.name == crossing.certificate).promoted
        after, ends = (action.performed_at - story.start) / DAY, kept[crossing.certificate]
        assert after >= promoted - 0.01
        assert ends.state is CertificateState.ACTIVE or action.performed_at <= ends.changed_at


def test_while_it_is_certified_and_the_world_stays_it_keeps_its_promise(played):
    _, report = played
    for stage in report.stages:
        if stage.name == LIVE:
            assert stage.removed.of > 50
            assert at_most(stage.removed.right, stage.removed.of, 0.95) > 1e-3


def test_the_craze_breaks_the_precision_and_the_certificate_ends_by_itself(played):
    story, report = played
    drifted = next(one for one in report.stages if one.name == DRIFTED)
    assert drifted.removed.high < 0.95
    first = story.certificates()[0]
    assert (first.state, first.changed_by) == (CertificateState.WITHDRAWN, OURSELVES)
    assert "audits of removals" in first.reason
    assert report.withdrawn_after_audits > 0
    assert report.false_withdrawals == 0


def test_people_err_and_their_errors_are_known_from_known_answers(played):
    story, report = played
    assert 0 < report.reviewers_err[0] < 0.1
    assert report.vanished > 0
    assert all(0 < one.false_at_most < 0.2 for one in report.certificates)
    assert report.labels["gold"] >= 60
    assert story.installation.doors.stores.audit.verify()[0] == report.log_entries > 1000


def test_views_are_prevented_and_the_picture_shows_all_four(played):
    story, report = played
    assert report.prevented > 0
    drawn = picture(story, report)
    for title in ("True precision", "Evidence against", "Views of harmful", "Judgements of people"):
        assert title in drawn
    assert drawn.count("withdrawn day") == 1
    assert msgspec.json.decode(msgspec.json.encode(report))["removed"] == report.removed
