import pytest

from sievert.schema.taxonomy import (
    CATEGORIES,
    CORPUS_LABELS,
    HARM,
    LABELLED,
    OPENAI_CATEGORIES,
    PERSPECTIVE_ATTRIBUTES,
    UNLABELLED,
    labels_of,
)

OPENAI = {
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/intent", "self-harm/instructions"),
    *("sexual", "sexual/minors", "violence", "violence/graphic"),
}


def test_what_a_corpus_does_not_say_is_unknown_and_never_harmless():
    said = labels_of("paradetox", ["toxic"], harmful=1)

    assert said[HARM] == 1
    assert "hate" not in said
    assert "harassment" not in said


def test_profanity_is_not_hate_and_maybe_harassment():
    said = labels_of("davidson2017", ["offensive_language"], harmful=1)

    assert said["hate"] == 0
    assert "harassment" not in said


@pytest.mark.parametrize("order", [1, -1])
def test_one_category_does_not_take_back_another(order):
    labels = ["IdentityDirectedAbuse", "PersonDirectedAbuse"][::order]

    said = labels_of("cad", labels, harmful=1)

    assert said["hate"] == said["harassment"] == 1


def test_a_passing_note_of_another_harm_leaves_the_verdict_unknown():
    said = labels_of("online_misogyny", ["Nonmisogynistic_personal_attack"], harmful=0)

    assert said["harassment"] == 1
    assert HARM not in said


def test_ham_is_neither_spam_nor_abuse():
    said = labels_of("sms_spam", ["ham"], harmful=0)

    assert said == {HARM: 0, "hate": 0, "harassment": 0, "threat": 0, "spam": 0}


def test_an_unknown_corpus_speaks_of_harm_only():
    assert labels_of("mine", ["hate"], harmful=1) == {HARM: 1}


def test_every_policy_has_either_labels_or_none():
    names = [category.name for category in CATEGORIES]

    assert len(names) == len(set(names)) == 9
    assert set(LABELLED) | set(UNLABELLED) == set(names)
    assert not set(LABELLED) & set(UNLABELLED)


def test_each_outside_name_means_one_head_at_most():
    for table, count in ((OPENAI_CATEGORIES, 13), (PERSPECTIVE_ATTRIBUTES, 37)):
        assert len(table) == count
        assert {head for head in table.values() if head} <= {HARM, *(one.name for one in CATEGORIES)}
    openai = [name for category in CATEGORIES for name in category.openai]
    perspective = [name for category in CATEGORIES for name in category.perspective]
    assert len(openai) == len(set(openai)) == sum(head is not None for head in OPENAI_CATEGORIES.values())
    assert len(perspective) == len(set(perspective))
    assert set(perspective) <= set(PERSPECTIVE_ATTRIBUTES)


def test_a_threat_is_not_known_to_be_hateful():
    assert OPENAI_CATEGORIES["harassment/threatening"] == "threat"
    assert OPENAI_CATEGORIES["hate/threatening"] is None


def test_names_of_outside_categories_exist_there():
    assert set(OPENAI_CATEGORIES) == OPENAI
    assert all(set(category.openai) <= OPENAI for category in CATEGORIES)
    assert all(category.dsa.startswith("STATEMENT_CATEGORY_") for category in CATEGORIES)


def test_the_table_speaks_of_known_heads_and_binary_labels():
    said = [one for table in CORPUS_LABELS.values() for labels in table.values() for one in labels.items()]

    assert len(said) > 60
    assert all(head in LABELLED and value in (0, 1) for head, value in said)
