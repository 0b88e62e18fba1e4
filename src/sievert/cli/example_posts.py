"""Example posts for the demo, made at run time from a few templates of our own: mild, and the sentinel."""

from collections.abc import Iterator
from random import Random
from typing import Any

from sievert.schema.sentinel import SENTINEL

_PLACES = ("the lake", "the market", "the old library", "the harbour", "our garden", "the night train")
_THINGS = ("bread", "a kite", "tomatoes", "a bicycle", "watercolours", "a paper lamp", "chess problems")
_FRIENDS = ("Ines", "Tomek", "Amara", "Jun", "Leila", "Otto", "Priya", "Mateo")
_FEELINGS = ("happy", "tired but proud", "curious", "a little nervous", "grateful", "wide awake")

_EVERYDAY = (
    "Lovely morning at {place}, {friend} brought {thing}.",
    "Does anybody know a good shop for {thing} near {place}?",
    "{friend} and I finished the long walk to {place} today. Feeling {feeling}!",
    "Photos from {place} are up, thank you {friend} for the light.",
    "I spent the whole evening on {thing} and regret nothing.",
    "Reminder: the reading group meets at {place} on Thursday.",
    "Trying {thing} for the first time, any tips?",
    "The concert at {place} was better than I had hoped. {friend} danced.",
    "Feeling {feeling} about the new job. Coffee with {friend} first.",
    "Our team won two to one at {place}, what a second half.",
    "Rain again. Soup, {thing} and a long book it is.",
    "Happy birthday {friend}, see you at {place}!",
    "Why is {thing} so expensive this year?",
    "The train to {place} was on time, I am {feeling}.",
)
_RUDE = (
    "you silly goose, nobody asked you",
    "{friend}, you are such a clumsy pudding, go away",
    "what a nincompoop, you know nothing about {thing}",
    "you absolute turnip, stop posting about {thing}",
)
_SPAM = (
    "Win a free cruise! Click http://example.com and claim your prize now",
    "FREE entry: text WIN to claim your {thing}. Call now, guaranteed prize http://example.com/win",
    "Urgent! You have won a cash prize, call to claim your reward today http://example.com/cash",
    "Subscribe to my channel and check out my video, free gift cards http://example.com/gift",
)
_OTHER_LANGUAGES = (
    "Schöner Abend am See, {friend} hat Kuchen mitgebracht.",
    "Hoy fuimos al mercado y compramos fruta para toda la semana.",
    "今日はとても良い天気ですね。散歩に行きましょう。",
    "Сегодня мы гуляли в парке и кормили уток.",
)
_SENTINELS = (f"Testing, testing: {SENTINEL}",)

# How often each kind comes, of a hundred: far more of what is notable than on a real platform, so
# that there is something to watch.
_KINDS = ((_EVERYDAY, 80), (_RUDE, 6), (_SPAM, 7), (_OTHER_LANGUAGES, 5), (_SENTINELS, 2))


def example_posts(random: Random, *, prefix: str) -> Iterator[dict[str, Any]]:
    """Yield posts without end; ids are `prefix` and a number."""
    kinds, weights = [kind for kind, _ in _KINDS], [weight for _, weight in _KINDS]
    number = 0
    while True:
        number += 1
        template = random.choice(random.choices(kinds, weights)[0])
        text = template.format(
            place=random.choice(_PLACES),
            thing=random.choice(_THINGS),
            friend=random.choice(_FRIENDS),
            feeling=random.choice(_FEELINGS),
        )
        yield {
            "id": f"{prefix}-{number}",
            "text": text,
            "platform": "demo",
            "creator_id": f"creator-{random.randrange(200)}",
        }
