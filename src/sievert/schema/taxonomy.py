"""The one table of categories: what corpora call things, what we call them, what others call them.

A policy label is 1, 0 or unknown. Unknown is masked in training and measuring; it is never read as 0.
The primary label, harm, is the corpus's own verdict that something is wrong with a text.
"""

import dataclasses
from collections.abc import Iterable, Mapping

HARM = "harm"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """One policy, and its names in the APIs that people already use.

    A name of another API stands here only if whatever the policy marks is always what the name means
    there, and each name stands once. A threat always harasses somebody, but need not be hateful; words
    of self-harm need not state an intent; a scam advises nobody. Such a score would be invented.
    """

    name: str
    title: str
    openai: tuple[str, ...] = ()
    perspective: tuple[str, ...] = ()
    dsa: str = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"


CATEGORIES = (
    Category(
        name="hate",
        title="attacks on people for who they are",
        openai=("hate",),
        perspective=("IDENTITY_ATTACK",),
        dsa="STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
    ),
    Category(
        name="harassment",
        title="abuse and insults aimed at a person",
        openai=("harassment",),
        perspective=("INSULT",),
        dsa="STATEMENT_CATEGORY_CYBER_VIOLENCE",
    ),
    Category(
        name="threat",
        title="announcing or wishing violence on somebody",
        openai=("harassment/threatening",),
        perspective=("THREAT",),
        dsa="STATEMENT_CATEGORY_VIOLENCE",
    ),
    Category(name="spam", title="unwanted advertising and lures", perspective=("SPAM",)),
    Category(
        name="sexual",
        title="sexual content",
        openai=("sexual",),
        perspective=("SEXUALLY_EXPLICIT",),
    ),
    Category(
        name="self_harm",
        title="self-harm and suicide",
        openai=("self-harm",),
        dsa="STATEMENT_CATEGORY_SELF_HARM",
    ),
    Category(
        name="graphic_violence",
        title="pictures and descriptions of gore",
        openai=("violence", "violence/graphic"),
        dsa="STATEMENT_CATEGORY_VIOLENCE",
    ),
    Category(
        name="scam",
        title="fraud and deceit for money",
        dsa="STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    ),
    Category(
        name="dangerous_goods",
        title="trade in what is forbidden",
        dsa="STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS",
    ),
)
"""Every policy of the default taxonomy. Those without labels have no head, and say so."""

LABELLED = ("hate", "harassment", "threat", "spam")
"""The policies with real labels today, in the order of a bundle's heads."""

UNLABELLED = tuple(category.name for category in CATEGORIES if category.name not in LABELLED)

_OPENAI_NAMES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "sexual/minors"),
    *("violence", "violence/graphic"),
)
_PERSPECTIVE_PRODUCTION = (
    *("TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "PROFANITY", "THREAT"),
)
_BRIDGING = (
    *("AFFINITY", "COMPASSION", "CURIOSITY", "NUANCE", "PERSONAL_STORY", "REASONING", "RESPECT"),
    *("CONSTRUCTIVE", "ALIENATION", "FEARMONGERING", "GENERALIZATION", "MORAL_OUTRAGE", "POWER_APPEAL"),
    "SCAPEGOATING",
)
_PERSPECTIVE_NAMES = (
    *_PERSPECTIVE_PRODUCTION,
    *(f"{name}_EXPERIMENTAL" for name in _PERSPECTIVE_PRODUCTION),
    *("TOXICITY_FAST", "SEXUALLY_EXPLICIT", "FLIRTATION"),
    *(f"{name}_EXPERIMENTAL" for name in _BRIDGING),
    *("ATTACK_ON_AUTHOR", "ATTACK_ON_COMMENTER", "INCOHERENT", "INFLAMMATORY", "LIKELY_TO_REJECT"),
    *("OBSCENE", "SPAM", "UNSUBSTANTIAL"),
)
_HEAD_OF_OPENAI = {name: category.name for category in CATEGORIES for name in category.openai}
_HEAD_OF_PERSPECTIVE = {
    "TOXICITY": HARM,
    **{name: category.name for category in CATEGORIES for name in category.perspective},
}

OPENAI_CATEGORIES: Mapping[str, str | None] = {name: _HEAD_OF_OPENAI.get(name) for name in _OPENAI_NAMES}
"""Every category of OpenAI's moderation API -> the head that means it, or None."""

PERSPECTIVE_ATTRIBUTES: Mapping[str, str | None] = {
    # Its experimental and fast twins mean the same by another model.
    name: _HEAD_OF_PERSPECTIVE.get(name.removesuffix("_EXPERIMENTAL").removesuffix("_FAST"))
    for name in _PERSPECTIVE_NAMES
}
"""Every attribute of the Perspective API -> the head that means it, or None."""

Labels = Mapping[str, int]
"""What a row says, by head: 1 or 0; a head that is missing is unknown."""

_ABUSE_ABSENT = {"hate": 0, "harassment": 0, "threat": 0}
# Curated corpora of conversation hold next to no advertising; without them the spam head would
# think that everything unlike an SMS is unknown to it.
_NO_SPAM = {"spam": 0}

# Corpus -> label -> what that label says about policies. The entry "" holds for every row of the
# corpus that is not harmful. Where two labels of a row disagree, "it is there" wins: one annotator's
# category does not take back another's.
CORPUS_LABELS: Mapping[str, Mapping[str, Labels]] = {
    "davidson2017": {
        "": {**_ABUSE_ABSENT, **_NO_SPAM},
        # Most of these are profanity; whether they are aimed at a person was not asked.
        "offensive_language": {"hate": 0, **_NO_SPAM},
        "hate_speech": {"hate": 1, **_NO_SPAM},
    },
    "edos": {
        # From Gab and Reddit, asked about sexism only: other hate may stand among the rest.
        "": _NO_SPAM,
        "sexist": {"hate": 1, **_NO_SPAM},
        "1. threats, plans to harm and incitement": {"threat": 1},
        "3. animosity": {"threat": 0},
        "4. prejudiced discussions": {"threat": 0},
    },
    "cad": {
        "": {**_ABUSE_ABSENT, **_NO_SPAM},
        "IdentityDirectedAbuse": {"hate": 1, **_NO_SPAM},
        # Its makers marked every target that applies, so a target without a mark is not there.
        "PersonDirectedAbuse": {"hate": 0, "harassment": 1, **_NO_SPAM},
        # Parties and fan groups are not protected groups, and not one person either.
        "AffiliationDirectedAbuse": {"hate": 0, "harassment": 0, **_NO_SPAM},
    },
    "toxic_spans_civil": {"": {**_ABUSE_ABSENT, **_NO_SPAM}, "toxic": _NO_SPAM},
    "paradetox": {"": {**_ABUSE_ABSENT, **_NO_SPAM}, "toxic": _NO_SPAM},
    "convabuse": {
        "": {**_ABUSE_ABSENT, **_NO_SPAM},
        # Said to a chat bot, one to one: harassment by definition; its type tells whether it is hate.
        "abuse": {"harassment": 1, **_NO_SPAM},
        "intellectual": {"hate": 0},
        "sexist": {"hate": 1},
        "homophobic": {"hate": 1},
        "racist": {"hate": 1},
        "ableist": {"hate": 1},
        "transphobic": {"hate": 1},
    },
    "online_misogyny": {
        "": {**_ABUSE_ABSENT, **_NO_SPAM},
        "Misogynistic": {"hate": 1, **_NO_SPAM},
        "Misogynistic_personal_attack": {"harassment": 1},
        "Nonmisogynistic_personal_attack": {"harassment": 1},
    },
    "hatemoji_build": {
        "": {"hate": 0, "threat": 0, **_NO_SPAM},
        "hate": {"hate": 1, **_NO_SPAM},
        "threateninglanguage": {"threat": 1},
        "derogation": {"threat": 0},
        "animosity": {"threat": 0},
    },
    "fox_news": {"": {"hate": 0, **_NO_SPAM}, "hateful": {"hate": 1, **_NO_SPAM}},
    "toxigen_annotated": {"": {**_ABUSE_ABSENT, **_NO_SPAM}, "hate": {"hate": 1, **_NO_SPAM}},
    "mlma": {
        "": {**_ABUSE_ABSENT, **_NO_SPAM},
        "offensive": _NO_SPAM,
        "abusive": {"harassment": 1, **_NO_SPAM},
        "hateful": {"hate": 1, **_NO_SPAM},
    },
    "sms_spam": {"": {**_ABUSE_ABSENT, "spam": 0}, "spam": {**_ABUSE_ABSENT, "spam": 1}},
    # Comments under music videos: nobody asked whether the rest of them is kind.
    "youtube_spam": {"": {"hate": 0, "threat": 0, "spam": 0}, "spam": {**_ABUSE_ABSENT, "spam": 1}},
    "stormfront": {"": {"hate": 0, **_NO_SPAM}, "hate": {"hate": 1, **_NO_SPAM}},
}


def labels_of(corpus: str, labels: Iterable[str], *, harmful: int) -> dict[str, int]:
    """Return what a corpus's row says about harm and each policy; what it does not say is missing."""
    table = CORPUS_LABELS.get(corpus, {})
    known = {HARM: harmful}
    if not harmful:
        known.update(table.get("", {}))
    for label in labels:
        for head, value in table.get(label, {}).items():
            known[head] = max(known.get(head, 0), value)
    if not harmful and any(known.get(policy) for policy in LABELLED):
        # The corpus asked about one thing and noted another in passing: its verdict is not ours.
        del known[HARM]
    return known
