"""How reviewers err is counted from the known answers that they gave."""

from sievert.guardrail.proving import Reviewed, reviewed_by
from sievert.schema.review import GoldAnswer, Verdict


def mark(violates, answer, *, judged=("hate",), known=("hate",)):
    verdict = Verdict(
        verdict_id="v", case_id="c", reviewer="ann", violates=violates, judged=judged, given_at=0, seconds=1.0
    )
    return verdict, GoldAnswer(case_id="c", violates=answer, judged=known, added_at=0)


def test_only_verdicts_on_posts_that_the_policy_holds_to_be_harmless_count():
    harmless, accused = mark((), ()), mark(("hate",), ())
    others = [
        mark((), ("hate",)),  # known to be harmful
        mark(("spam",), (), judged=("spam",)),  # looked at another policy
        mark(("hate",), (), known=("spam",)),  # nothing is known about this policy
    ]
    assert reviewed_by([harmless, harmless, accused, *others], "hate") == Reviewed(
        harmless=3, called_harmful=1
    )
    assert reviewed_by(
        [mark(("spam",), ("spam",), judged=("hate", "spam"), known=("hate", "spam"))], "hate"
    ) == Reviewed(harmless=1)
    assert reviewed_by([], "hate") == Reviewed()
