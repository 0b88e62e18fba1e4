"""What people settled, as rows to learn from: what an appeal answered is left out, and nothing else."""

from sievert.review.exports import rows_of
from sievert.schema.label import Label
from sievert.testing import START


def label(name, *, source="review", at=0, post="p", policy="hate", value=1.0, revision=0):
    return Label(
        label_id=name,
        source=source,
        platform="default",
        content_digest="ab",
        attribute=policy,
        policy=policy,
        value=value,
        received_at=START + at,
        key_id="person:a",
        text="some text",
        post_id=post,
        revision=revision,
        created_at=START,
    )


def told(*labels):
    rows = rows_of(labels, platform="default")
    return [(one.label["post_id"], one.label["source"], one.label["value"]) for one in rows]


def test_a_verdict_that_an_appeal_answered_is_not_learned_from():
    review, appeal = label("a"), label("b", source="appeal", at=5, value=0.0)
    assert told(review, appeal) == told(appeal, review) == [("p", "appeal", 0.0)]


def test_other_posts_policies_revisions_and_later_verdicts_stay_as_they_are():
    appeal = label("b", source="appeal", at=5, value=0.0)
    others = (
        label("c", post="q"),
        label("d", policy="spam"),
        label("e", revision=1),
        label("f", at=6),
        label("g", source="audit"),
    )
    assert told(appeal, *others) == [("p", "appeal", 0.0), *(told(one)[0] for one in others)]
