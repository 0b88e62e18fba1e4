"""Sentences of our own that teach what naming a group is not, and what quoting is not.

Naming a group in a plain sentence is harmless, and so is quoting harm in order to object to it;
corpora of harm hold few of either, so a model takes the group's name, or the quoted words, for the
harm itself. Both kinds are made here by a small grammar. What is quoted comes from harmful texts of
the training fold; the same text, quoted by somebody who agrees with it, stays harmful.

The frames are cut in two halves: one trains, the other only measures (`PART`).
"""

import random
from collections.abc import Iterator, Sequence

GROUPS = (
    "Muslim", "Jewish", "Christian", "Hindu", "Sikh", "Buddhist", "atheist", "Black", "white", "Asian",
    "African", "Arab", "Latino", "Mexican", "Chinese", "Indian", "Polish", "Irish", "Roma", "Turkish",
    "Somali", "Nigerian", "Indigenous", "immigrant", "refugee", "gay", "lesbian", "bisexual",
    "transgender", "queer", "nonbinary", "straight", "female", "male", "elderly", "young", "disabled",
    "deaf", "blind", "autistic",
)  # fmt: skip
"""Who is named, as an adjective before a noun."""

_PERSONS = (
    "neighbour", "nurse", "teacher", "student", "bus driver", "baker", "cousin", "colleague", "artist",
    "engineer", "singer", "coach", "doctor", "friend", "gardener", "lawyer", "carpenter", "parent",
)  # fmt: skip
_PLACES = ("library", "market", "town hall", "school", "community centre", "park", "museum", "clinic")
_DAYS = ("on Monday", "yesterday", "next week", "this morning", "in October", "at the weekend", "today")

# Even frames train, odd frames measure.
_NEUTRAL = (
    "My {group} {person} moved in {day} and we shared a pot of tea.",
    "A {group} {person} opened a small shop near the {place}.",
    "The {place} shows a film about a {group} family {day}.",
    "I read a book by a {group} writer and liked the ending.",
    "{group} people have lived in this town for a long time.",
    "There is a meeting for {group} students at the {place} {day}.",
    "I am {group} and I work as a {person}.",
    "As a {group} {person} I am often asked for directions to the {place}.",
    "Our team has two {group} players, and one of them scored {day}.",
    "The new {person} is {group} and speaks three languages.",
    "We asked {group} voters what they think of the new {place}.",
    "How many {group} people work at the {place}?",
    "She is a {group} {person}, and her sister is a {person2}.",
    "Two {group} women won the prize for their work at the {place}.",
    "A study compares the wages of {group} and other workers.",
    "The {place} invites {group} families to lunch {day}.",
    "Why do so few {group} children visit the {place}? The report lists three reasons.",
    "My grandmother was {group}, and she taught me to bake.",
    "Happy holidays to all my {group} friends!",
    "Thank you to the {group} {person} who helped me with my car {day}.",
    "I do not know any {group} people here yet; where do you meet?",
    "The {group} {person} said that the {place} closes early {day}.",
    "Being {group} has never been a problem at my work.",
    "They hired a {group} {person} for the {place}, and everybody is glad.",
)
_PROUD = (
    "I'm {group} and proud of it, and so is my {person}.",
    "We queers and {group} folks have each other's backs.",
    "Yes, I am a loud {group} woman, and I love it.",
    "Nobody calls me names but me: proud {group} {person} here.",
    "My {group} sisters, you looked fierce {day}.",
    "Us {group} girls run this {place}, and we laugh about it.",
)
_OBJECTING = (
    'Somebody wrote "{quote}" under my picture. Please stop this.',
    'I reported the comment "{quote}" and it is still there.',
    'Nobody should have to read "{quote}" when they open this app.',
    'My son was told "{quote}" at school. We talked to the teacher.',
    'Posts like "{quote}" are why people leave this site.',
    'He got a warning for saying "{quote}", and rightly so.',
    '"{quote}" - that is what they shouted at her, and it is shameful.',
    'Can a moderator remove this, please: "{quote}"',
    'If you say "{quote}", do not be surprised that nobody talks to you.',
    'The article quotes messages such as "{quote}" and asks who answers for them.',
    'It hurt to hear "{quote}" from a stranger.',
    'Saying "{quote}" is never fine, whoever it is about.',
)
_AGREEING = (
    'Somebody finally said it: "{quote}"',
    '"{quote}" - he is right, and everybody knows it.',
    'I told them "{quote}" and I would say it again.',
    'Like my uncle says, "{quote}". So true.',
    'Put this on every wall: "{quote}"',
    '"{quote}" is the best thing I have read all week.',
)

PART = {"learn": 0, "measure": 1}
"""Which half of the frames: every second one, from here."""


def neutral(part: str, count: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """Yield (text, group) of harmless sentences that name a group."""
    yield from _named(_NEUTRAL, part, count, seed)


def reclaimed(part: str, count: int, *, seed: int) -> Iterator[tuple[str, str]]:
    """Yield (text, group) of harmless sentences in which people speak of themselves with pride."""
    yield from _named(_PROUD, part, count, seed)


def quoted(part: str, quotes: Sequence[str], *, agreeing: bool, seed: int) -> Iterator[str]:
    """Yield one sentence for each quote, by somebody who objects to it, or who agrees."""
    rng = random.Random(seed)
    frames = (_AGREEING if agreeing else _OBJECTING)[PART[part] :: 2]
    for quote in quotes:
        yield rng.choice(frames).replace("{quote}", quote)


def _named(frames: tuple[str, ...], part: str, count: int, seed: int) -> Iterator[tuple[str, str]]:
    rng = random.Random(seed)
    chosen = frames[PART[part] :: 2]
    for at in range(count):
        group = GROUPS[at % len(GROUPS)]
        text = rng.choice(chosen).format(
            group=group,
            person=rng.choice(_PERSONS),
            person2=rng.choice(_PERSONS),
            place=rng.choice(_PLACES),
            day=rng.choice(_DAYS),
        )
        yield (text[0].upper() + text[1:] if rng.random() < 0.7 else text.lower()), group
