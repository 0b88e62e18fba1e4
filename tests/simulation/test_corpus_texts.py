"""Texts of a labelled corpus: each used once, then again as marked copies."""

import gzip
import json
import re

import numpy as np
import pytest

from sievert.errors import InvalidField, NotFound
from sievert.schema.taxonomy import LABELLED
from sievert.simulation.corpus import Corpus
from sievert.simulation.forms import COMBINATION, EVASIVE, PICTURE
from sievert.simulation.settings import WorldSettings
from sievert.simulation.world import World
from sievert.simulation.writer import Writer
from wanted_posts import wanted

NONE, HATE, SPAM = -1, LABELLED.index("hate"), LABELLED.index("spam")


def lines(count):
    for at in range(count):
        yield {"text": f"benign text number {at}, rather calm and long", "harmful": 0, "labels": []}
        yield {
            "text": f"blorvish slander number {at}, rather rude and long",
            "harmful": 1,
            "labels": ["hate"],
        }


def write(path, records):
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w") as out:
        out.writelines(json.dumps(record) + "\n" for record in records)
    return path


def take(corpus, policies, seed=1):
    texts, source, copied = corpus.take(np.array(policies, np.int8), np.random.default_rng(seed))
    assert ((source >= 0) == [text is not None for text in texts]).all()
    return texts, copied


@pytest.mark.parametrize("name", ["own.jsonl", "own.ndjson.gz"])
def test_each_text_is_used_once_and_then_marked_as_a_copy(tmp_path, name):
    corpus = Corpus(write(tmp_path / name, lines(30)))
    assert len(corpus) == 60
    texts, copied = take(corpus, [NONE, HATE] * 25)
    assert not copied.any()
    assert len(set(texts)) == 50
    assert all(("slander" in text) == (at % 2 == 1) for at, text in enumerate(texts))
    more, copied = take(corpus, [NONE] * 20)
    assert copied.tolist() == [False] * 5 + [True] * 15
    assert not set(more[:5]) & set(texts)
    assert not set(more[5:]) & set(texts)  # copies are retouched
    assert all("calm" in text or "cal" in text for text in more)


def test_what_a_corpus_has_no_text_for(tmp_path):
    corpus = Corpus(write(tmp_path / "own.jsonl", lines(5)))
    texts, _ = take(corpus, [SPAM])
    assert "slander" in texts[0]  # harmful of another kind
    benign = Corpus(write(tmp_path / "calm.jsonl", [line for line in lines(5) if not line["harmful"]]))
    texts, copied = take(benign, [SPAM, NONE])
    assert texts[0] is None
    assert texts[1] is not None
    assert not copied.any()


def test_labels_are_read_by_the_table_of_the_corpus(tmp_path):
    rows = [
        {"text": f"rude {label} {at}", "harmful": 1, "labels": [label]}
        for at in range(5)
        for label in ("IdentityDirectedAbuse", "PersonDirectedAbuse")
    ]
    corpus = Corpus(write(tmp_path / "cad.jsonl", rows))
    texts, copied = take(corpus, [HATE] * 5)
    assert all("Identity" in text for text in texts)
    assert not copied.any()


def test_posts_of_a_world_with_a_corpus(tmp_path):
    path = write(tmp_path / "own.jsonl", lines(400))
    asked = wanted(500, harmful=0.4)
    one, other = (Writer(corpus=path).write(asked, np.random.default_rng(2)) for _ in range(2))
    assert one.text == other.text
    known = {line["text"] for line in lines(400)}
    captions = 0
    for row, (text, form) in enumerate(zip(one.text, one.form, strict=True)):
        harmful = asked.policy[row] >= 0
        if "number" not in text or "rather" not in text:
            captions += form != EVASIVE
        elif form != EVASIVE:
            assert text in known
            assert ("slander" in text) == (harmful and form not in {PICTURE, COMBINATION})
    assert 20 < captions < 150
    assert not one.copied.any()
    assert len(set(one.text)) > 460


def test_a_world_larger_than_its_corpus_says_so(tmp_path):
    writer = Writer(corpus=write(tmp_path / "own.jsonl", lines(50)))
    rng = np.random.default_rng(3)
    first, then = (writer.write(wanted(200, image=0.0), rng) for _ in range(2))
    assert 0.5 < first.copied.mean() < 0.9
    assert then.copied.mean() > first.copied.mean()


def test_posts_that_use_a_text_again_say_which_post_used_it_first(tmp_path):
    path = write(tmp_path / "own.jsonl", lines(60))
    world = World(WorldSettings(creators=300, copied=0.0, harm_of_campaigns=0.0), Writer(corpus=path))
    first_words, seen = {}, 0
    for _ in range(72):
        posts = world.advance().posts
        for number, copy_of, cluster, text in zip(
            posts.number, posts.copy_of, posts.cluster, posts.text, strict=True
        ):
            found = re.search(r"number (\d+), rather \w+", text)
            if copy_of < 0 and found:
                first_words[int(number)] = found[1]
            if copy_of >= 0:
                assert copy_of < number
                assert cluster == copy_of
                # The copy may be retouched, and so may the first use be, if both came in one step.
                seen += bool(found) and first_words.get(int(copy_of)) == found[1]
    assert seen > 50


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2"),
        ('{"text": "a", "harmful": 2}', "line 2"),
        ('{"harmful": 1}', "text"),
        ('{"text": "  ", "harmful": 1}', "empty"),
        ('{"text": "a\\u0000b", "harmful": 1}', "NUL"),
        ('{"text": 7, "harmful": 1}', "line 2"),
        ("\xff", "line 2"),
        (json.dumps({"text": "x" * 70_000, "harmful": 0}), "70000 bytes"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path, line, says):
    path = tmp_path / "own.jsonl"
    path.write_bytes(b'{"text": "fine", "harmful": 0}\n' + line.encode("latin-1") + b"\n")
    with pytest.raises(InvalidField, match=says) as caught:
        Writer(corpus=path)
    assert "own.jsonl, line 2" in str(caught.value)
    assert caught.value.remedy


def test_missing_empty_and_torn_files_are_named(tmp_path):
    with pytest.raises(NotFound, match="no file"):
        Writer(corpus=tmp_path / "nothing.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(InvalidField, match="is empty"):
        Writer(corpus=tmp_path / "empty.jsonl")
    whole = write(tmp_path / "torn.jsonl.gz", lines(300)).read_bytes()
    (tmp_path / "torn.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidField, match="breaks off after line"):
        Writer(corpus=tmp_path / "torn.jsonl.gz")
