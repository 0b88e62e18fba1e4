"""What is shown beside a flagged post, from the path to the store and in scored lines."""

import dataclasses
import json

import pytest

from sievert.pipeline.path import run
from sievert.pipeline.scored_lines import scored_lines
from sievert.schema.decision import Span
from sievert.schema.post import Post
from sievert.scoring.bundle import load_bundle
from sievert.scoring.utterances import Shares
from sievert.testing import START, memory_parts, records
from tiny_heavy import tiny_examples, tiny_model, tiny_parts, write_with_heavy

WIDTH = 8


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("with-examples")
    examples = tiny_examples(tiny_bundle.fold, width=WIDTH)
    write_with_heavy(folder, tiny_bundle, tiny_parts(model=tiny_model(width=WIDTH), examples=examples))
    return load_bundle(folder)


def test_a_case_keeps_the_words_and_the_nearest_example_of_its_policy(bundle, stores):
    parts = dataclasses.replace(
        memory_parts(bundle), journal=stores.journal, shares=Shares(text=1.0, pictures=1.0)
    )
    run(records(Post(id="rude", text="you blorp"), Post(id="fine", text="what a lovely morning")), parts)
    (case,) = stores.cases.list().items
    assert (case.post_id, case.policy) == ("rude", "hate")
    assert [Span(start=4, end=9, adds=span.adds) for span in case.spans] == list(case.spans)
    (nearest,) = case.nearest
    assert (nearest.id, nearest.similarity) == ("made/0", pytest.approx(1.0, abs=0.01))


def test_a_post_that_the_heavy_model_did_not_read_has_no_evidence(bundle, stores):
    parts = dataclasses.replace(
        memory_parts(bundle), journal=stores.journal, shares=Shares(text=0.0, pictures=0.0)
    )
    run(records(Post(id="rude", text="you blorp")), parts)
    (case,) = stores.cases.list().items
    assert (case.spans, case.nearest) == ((), ())


def test_a_scored_line_names_the_nearest_example(bundle):
    lines = [b'{"text":"you blorp"}', b'{"text":"what a lovely morning"}']
    told, _ = scored_lines(lines, bundle, memory_parts(bundle).policies, now=START, first=1)
    rude, fine = (json.loads(line) for line in told.splitlines())
    assert [one["id"] for one in rude["nearest"]] == ["made/0"]
    assert [(one["start"], one["end"]) for one in rude["spans"]] == [(4, 9)]
    assert (fine["nearest"], fine["spans"]) == ([], [])
