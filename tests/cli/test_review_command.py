"""`sievert review`: what people settled becomes a history, or examples, that models learn from."""

import json

import msgspec
import pytest

from command_line import sievert
from sievert.datasets.history import read_history
from sievert.schema.clock import DAY, to_text
from sievert.schema.label import PERSPECTIVE_SUGGESTION, Label
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import START, FixedClock


def label(number, *, source="review", **more):
    given = {
        "label_id": f"l{number}",
        "source": source,
        "platform": "default",
        "content_digest": "ab",
        "attribute": "hate",
        "policy": "hate",
        "value": float(number % 2),
        "received_at": START + number,
        "key_id": "key:k",
        "text": f"text {number}",
        "post_id": f"p{number}",
        "revision": 0,
        "created_at": START - DAY,
    }
    return Label(**{**given, **more})


@pytest.fixture
def folder(tmp_path):
    stores = EmbeddedStores(tmp_path / "data", clock=FixedClock())
    stores.keep_labels(
        (
            label(0),
            label(1, source="appeal"),
            label(2, text=None),
            label(3, platform="q"),
            label(4, source=PERSPECTIVE_SUGGESTION, post_id=None),
            label(5, source="audit", revision=2),
            msgspec.structs.replace(label(0, policy="spam", value=1.0), label_id="l9", received_at=START + 9),
        )
    )
    stores.close()
    return tmp_path


def test_settled_labels_become_a_history_that_can_be_read(folder):
    out = folder / "history"
    done = sievert(
        *("review", "labels", "--data", folder / "data"),
        *("--out", out / "labels.ndjson", "--posts", out / "posts.ndjson"),
    )
    assert (done.returncode, done.stdout.decode().strip()) == (0, "4 labels of 3 posts")
    first = json.loads((out / "labels.ndjson").read_text().splitlines()[0])
    assert first == {
        "post_id": "p0",
        "revision": 0,
        "policy": "hate",
        "value": 0.0,
        "at": START,
        "source": "review",
    }
    history = read_history(out)
    assert history.quarantine.total == 0
    assert len(history.posts) == 3
    assert sorted(history.labels.sources) == ["appeal", "audit", "review"]
    assert sorted(history.labels.value.tolist()) == [0.0, 1.0, 1.0, 1.0]


def test_another_platform_is_another_history(folder):
    out = folder / "labels.ndjson"
    done = sievert("review", "labels", "--platform", "q", "--out", out, "--data", folder / "data")
    assert done.stdout.decode().strip() == "1 labels of 1 posts"
    assert json.loads(out.read_text())["post_id"] == "p3"


def test_of_one_policy_they_are_examples_by_which_a_head_learns(folder):
    out = folder / "examples" / "judged.ndjson"
    stores = EmbeddedStores(folder / "data", clock=FixedClock())
    stores.keep_labels((label(7, text="Text  0", created_at=START + DAY),))  # the last word on that text
    stores.close()

    def written(*more):
        done = sievert("review", "examples", "hate", "--out", out, "--data", folder / "data", *more)
        return done.stdout.decode().strip(), [json.loads(line) for line in out.read_text().splitlines()]

    told, lines = written()
    assert told == "1 examples, 1 of them break hate"
    assert lines == [{"text": "Text  0", "label": 1}]
    told, lines = written("--since", to_text(START + 2 * DAY))
    assert (told, lines) == ("0 examples, 0 of them break hate", [])
    wrong = sievert("review", "examples", "hat", "--out", out, "--data", folder / "data")
    assert (wrong.returncode, b"There is no policy 'hat'" in wrong.stderr) == (2, True)
