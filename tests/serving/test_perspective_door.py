"""Google's official client, unchanged, against a real server; and bodies as Coral sends them."""

import json
import time

import httplib2
import pytest
from googleapiclient.discovery import build_from_document
from googleapiclient.errors import HttpError

from running_server import running
from sievert.pipeline.decode import digests
from sievert.schema.post import MAX_TEXT_BYTES
from sievert.schema.taxonomy import HARM, PERSPECTIVE_ATTRIBUTES
from sievert.serving.markup import visible_text

HEADS = {
    "TOXICITY": "blorp",
    "IDENTITY_ATTACK": "blorp",
    "INSULT": "goose",
    "THREAT": "kaboom",
    "SPAM": "cruise",
}


def discovery(address):
    """Return the discovery document that the client builds its methods from."""

    def method(name, request, response):
        return {
            "id": f"commentanalyzer.comments.{name}",
            "path": f"v1alpha1/comments:{name}",
            "flatPath": f"v1alpha1/comments:{name}",
            "httpMethod": "POST",
            "parameters": {},
            "parameterOrder": [],
            "request": {"$ref": request},
            "response": {"$ref": response},
        }

    names = {
        "analyze": ("AnalyzeCommentRequest", "AnalyzeCommentResponse"),
        "suggestscore": ("SuggestCommentScoreRequest", "SuggestCommentScoreResponse"),
    }
    return json.dumps(
        {
            "kind": "discovery#restDescription",
            "name": "commentanalyzer",
            "version": "v1alpha1",
            "rootUrl": f"{address}/",
            "servicePath": "",
            "baseUrl": f"{address}/",
            "batchPath": "batch",
            "parameters": {
                "key": {"type": "string", "location": "query"},
                "alt": {"type": "string", "location": "query", "default": "json"},
            },
            "schemas": {
                name: {"id": name, "type": "object", "properties": {}}
                for pair in names.values()
                for name in pair
            },
            "resources": {
                "comments": {"methods": {name: method(name, *pair) for name, pair in names.items()}}
            },
        }
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory, tiny_folder):
    with running(tmp_path_factory.mktemp("perspective"), tiny_folder) as one:
        yield one


@pytest.fixture(scope="module")
def official(server):
    """Make clients, and close them."""
    services = []

    def make(key):
        http = httplib2.Http(timeout=30, proxy_info=None)
        services.append(build_from_document(discovery(server.address), developerKey=key, http=http))
        return services[-1].comments()

    yield make
    for service in services:
        service.close()


@pytest.fixture(scope="module")
def comments(server, official):
    return official(server.new_key("score", "labels:write"))


def analyze(comments, text, *attributes, **more):
    body = {"comment": {"text": text}, "requestedAttributes": {name: {} for name in attributes}, **more}
    return comments.analyze(body=body).execute()


def refused(call):
    """Return (HTTP status, what stands in the error)."""
    with pytest.raises(HttpError) as raised:
        call()
    error = json.loads(raised.value.content)["error"]
    assert error["code"] == raised.value.status_code
    return raised.value.status_code, error


def test_a_comment_gets_the_scores_that_were_asked_for(comments):
    for attribute, word in HEADS.items():
        answer = analyze(comments, f"you {word}", attribute, languages=["en"])
        assert set(answer["attributeScores"]) == {attribute}
        score = answer["attributeScores"][attribute]["summaryScore"]
        assert score["type"] == "PROBABILITY"
        assert score["value"] > 0.9, attribute
        assert answer["languages"] == answer["detectedLanguages"] == ["en"]
        assert "clientToken" not in answer
        assert "spanScores" not in answer["attributeScores"][attribute]


def test_the_scores_are_those_of_a_post_and_leave_no_trace(comments, server):
    answer = analyze(comments, "a goose", "TOXICITY", "INSULT", doNotStore=False)
    with server.client() as plain:
        assert plain.get("/api/v1/decisions").json()["items"] == []
        assert plain.get("/api/v1/labels").json()["items"] == []
        post = plain.post("/api/v1/posts", json={"id": "same", "text": "a goose"}).json()
    scores = {name: one["summaryScore"]["value"] for name, one in answer["attributeScores"].items()}
    assert scores == {"TOXICITY": post["probability"], "INSULT": post["policies"]["harassment"]}


def test_experimental_and_versioned_names_mean_the_same_and_come_back_as_asked(comments):
    names = ("TOXICITY", "TOXICITY@6", "TOXICITY_EXPERIMENTAL", "TOXICITY_FAST")
    answer = analyze(comments, "you blorp", *names)
    assert list(answer["attributeScores"]) == list(names)
    assert len({one["summaryScore"]["value"] for one in answer["attributeScores"].values()}) == 1


def test_what_perspective_knows_and_we_do_not_is_zero_and_the_log_says_so_once(comments, caplog):
    unknown = [name for name, head in PERSPECTIVE_ATTRIBUTES.items() if head is None]
    assert len(unknown) > 25
    for _ in range(2):
        answer = analyze(comments, "you blorp goose kaboom", *unknown, "SEXUALLY_EXPLICIT")
    assert {one["summaryScore"]["value"] for one in answer["attributeScores"].values()} == {0}
    assert caplog.text.count("SEVERE_TOXICITY is asked for") == 1
    assert caplog.text.count("SEXUALLY_EXPLICIT is asked for") == 1
    assert "INSULT" not in caplog.text
    assert "blorp" not in caplog.text


def test_a_score_under_its_threshold_is_left_out(comments):
    body = {
        "comment": {"text": "you blorp"},
        "requestedAttributes": {
            "TOXICITY": {"scoreType": "PROBABILITY", "scoreThreshold": 0.5},
            "THREAT": {"scoreThreshold": 0.5},
        },
    }
    assert set(comments.analyze(body=body).execute()["attributeScores"]) == {"TOXICITY"}


def test_spans_cover_the_whole_text_in_utf_16_units(comments):
    text = "you blorp 🙂"
    answer = analyze(comments, text, "TOXICITY", spanAnnotations=True, clientToken="mine", sessionId="s")
    scored = answer["attributeScores"]["TOXICITY"]
    (span,) = scored["spanScores"]
    assert (span["begin"], span["end"]) == (0, 12)
    assert span["score"] == scored["summaryScore"]
    assert answer["clientToken"] == "mine"


def test_of_html_the_text_is_scored_and_the_spans_count_as_sent(comments):
    markup = "<p title='goose'>you bl<b>or</b>p</p>"
    body = {
        "comment": {"text": markup, "type": "HTML"},
        "requestedAttributes": {"TOXICITY": {}, "INSULT": {}},
        "spanAnnotations": True,
    }
    scores = comments.analyze(body=body).execute()["attributeScores"]
    assert scores["TOXICITY"]["summaryScore"]["value"] > 0.9
    assert scores["INSULT"]["summaryScore"]["value"] < 0.1
    assert scores["TOXICITY"]["spanScores"][0]["end"] == len(markup)


@pytest.mark.parametrize("languages", [["ru"], ["en", "ru"], ["xx-YY"]])
def test_a_language_that_is_asked_for_and_not_read_is_refused(comments, languages):
    status, error = refused(lambda: analyze(comments, "hello", "TOXICITY", languages=languages))
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert "Attribute TOXICITY does not support request languages" in error["message"]
    (detail,) = error["details"]
    assert detail["errorType"] == "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"
    assert detail["languageNotSupportedByAttributeError"] == {
        "attribute": "TOXICITY",
        "requestedLanguages": languages,
    }


def test_a_language_that_is_detected_and_not_read_is_refused_unless_the_caller_knows_better(comments):
    _, error = refused(lambda: analyze(comments, "доброе утро", "TOXICITY"))
    assert error["details"][0]["languageNotSupportedByAttributeError"]["detectedLanguages"] == ["und"]
    _, error = refused(lambda: analyze(comments, "!!! 777", "TOXICITY"))
    assert error["details"][0]["errorType"] == "LANGUAGE_DETECTION_FAILED"
    answer = analyze(comments, "доброе утро", "TOXICITY", languages=["en-US"])
    assert (answer["languages"], answer["detectedLanguages"]) == (["en-US"], ["und"])


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"comment": {"text": " "}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {"text": "<br>", "type": "HTML"}}, "COMMENT_EMPTY", "Comment must be non-empty."),
        ({"comment": {"text": "x" * (MAX_TEXT_BYTES + 1)}}, "COMMENT_TOO_LONG", "at most 65,536"),
        ({"comment": {"text": "a\x00"}}, "INVALID_REQUEST", "NUL"),
        ({"comment": {"text": "a", "type": "RTF"}}, "INVALID_REQUEST", "Unknown text type"),
        ({"comment": 7}, "INVALID_REQUEST", "got `int`"),
        ({"requestedAttributes": {}}, "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes"),
        ({"requestedAttributes": {"VIBES": {}}}, "INVALID_REQUEST", "Unknown requested attribute: VIBES"),
        (
            {"requestedAttributes": {"THREAT": {"scoreType": "PERCENTILE"}}},
            "INVALID_REQUEST",
            "score type PERCENTILE is not supported by attribute THREAT",
        ),
        ({"requestedAttributes": {f"TOXICITY@{i}": {} for i in range(101)}}, "INVALID_REQUEST", "<= 100"),
        ({"clientToken": "x" * 1025}, "INVALID_REQUEST", "<= 1024"),
    ],
)
def test_what_is_wrong_is_told_in_perspectives_words(comments, change, kind, says):
    body = {"comment": {"text": "hello"}, "requestedAttributes": {"TOXICITY": {}}, **change}
    status, error = refused(lambda: comments.analyze(body=body).execute())
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["details"][0]["errorType"] == kind
    assert says in error["message"]


def test_keys_are_asked_for_in_googles_words(server, official):
    status, error = refused(lambda: analyze(official("AIza-unknown"), "x", "TOXICITY"))
    assert (status, error["status"]) == (401, "UNAUTHENTICATED")
    scorer = official(server.new_key("score"))
    status, error = refused(lambda: suggest(scorer, "x", TOXICITY=1))
    assert (status, error["status"]) == (403, "PERMISSION_DENIED")
    assert "--scope labels:write" in error["message"]


def test_a_key_in_the_address_opens_no_other_door(server):
    import httpx

    with httpx.Client(base_url=server.address, trust_env=False) as stranger:
        for path in ("/api/v1/decisions", "/api/v1/labels", "/metrics"):
            assert stranger.get(path, params={"key": server.key}).status_code == 401
        answer = stranger.post("/v1/moderations", params={"key": server.key}, json={"input": "x"})
        assert answer.status_code == 401


def test_overload_is_told_in_googles_words(server, comments):
    waiting = server.doors.settings.queue_posts
    server.doors.worker._weigh(waiting)
    try:
        for call in (lambda: analyze(comments, "x", "TOXICITY"), lambda: suggest(comments, "x", TOXICITY=1)):
            status, error = refused(call)
            assert (status, error["status"]) == (429, "RESOURCE_EXHAUSTED")
    finally:
        server.doors.worker._weigh(-waiting)


def suggest(comments, text, more=None, **scores):
    body = {
        "comment": {"text": text},
        "attributeScores": {name: {"summaryScore": {"value": value}} for name, value in scores.items()},
        **(more or {}),
    }
    return comments.suggestscore(body=body).execute()


def newest(server, count=1, **params):
    with server.client() as plain:
        return plain.get("/api/v1/labels", params={"limit": count, **params}).json()["items"]


def test_a_suggested_score_becomes_a_label_as_coral_sends_it(server, comments):
    more = {
        "context": {"entries": [{"text": '{"url":"https://example.org"}'}]},
        "communityId": "Coral:tenant",
        "clientToken": "comment:7",
        "sessionId": "s1",
        "languages": ["en"],
    }
    answer = suggest(comments, "you goose", more, TOXICITY=1)
    assert answer == {"clientToken": "comment:7", "requestedLanguages": ["en"]}

    (label,) = newest(server)
    assert label["label_id"].startswith("l_")
    assert label["key_id"]
    assert abs(label["received_at"] / 1e6 - time.time()) < 60
    for name, value in {
        "source": "perspective:suggestscore",
        "platform": "default",
        "content_digest": digests([b"you goose"])[0].hex(),
        "attribute": "TOXICITY",
        "policy": HARM,
        "value": 1.0,
        "text": "you goose",
        "languages": ["en"],
        "client_token": "comment:7",
        "community_id": "Coral:tenant",
        "session_id": "s1",
        "record_version": 1,
    }.items():
        assert label[name] == value, name


def test_a_label_keeps_no_text_if_it_may_not(server, comments):
    suggest(comments, "words nobody may keep", {"doNotStore": True}, INSULT=0)
    (label,) = newest(server)
    assert (label["policy"], label["value"], label["text"]) == ("harassment", 0.0, None)
    files = [path for path in server_files(server) if b"nobody may keep" in path.read_bytes()]
    assert files == []


def server_files(server):
    from pathlib import Path

    found = [path for path in Path(server.doors.settings.data_folder).rglob("*") if path.is_file()]
    assert len(found) >= 2
    return found


def test_whoever_changes_sides_leaves_both_labels(server, comments):
    for value in (1, 0, 1):
        suggest(comments, "first yes, then no", THREAT=value)
    assert [one["value"] for one in newest(server, 3, policy="threat")] == [1, 0, 1]
    assert len({one["label_id"] for one in newest(server, 3)}) == 3


def test_of_html_the_label_keeps_what_is_seen_and_attributes_without_a_policy_stay_apart(server, comments):
    body = {
        "comment": {"text": "<b>you</b> goose", "type": "HTML"},
        "attributeScores": {
            "PROFANITY": {"summaryScore": {"value": 0, "type": "PROBABILITY"}},
            "INSULT@2": {"summaryScore": {"value": 0.5}},
        },
    }
    comments.suggestscore(body=body).execute()
    said = {one["attribute"]: (one["policy"], one["value"], one["text"]) for one in newest(server, 2)}
    assert said == {
        "PROFANITY": (None, 0.0, "you goose"),
        "INSULT@2": ("harassment", 0.5, "you goose"),
    }


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({}, "Missing requested_attributes"),
        ({"VIBES": {"summaryScore": {"value": 1}}}, "Unknown requested attribute"),
        ({"INSULT": {}}, "summaryScore"),
        ({"INSULT": {"summaryScore": {}}}, "value"),
        ({"INSULT": {"summaryScore": {"value": 1.5}}}, "<= 1.0"),
        ({"INSULT": {"summaryScore": {"value": 1, "type": "RAW"}}}, "score type RAW"),
    ],
)
def test_a_suggestion_that_says_nothing_is_refused_and_leaves_no_label(server, comments, scores, says):
    before = newest(server)
    body = {"comment": {"text": "x"}, "attributeScores": scores}
    status, error = refused(lambda: comments.suggestscore(body=body).execute())
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")
    assert says in error["message"]
    assert newest(server) == before


def test_a_suggestion_that_is_not_durable_is_not_acknowledged(server, comments, monkeypatch):
    from sievert.errors import StoreUnavailable

    def full(*_args):
        raise StoreUnavailable("The disk is full.", remedy="Free space.")

    monkeypatch.setattr(server.doors.stores, "keep_labels", full)
    status, error = refused(lambda: suggest(comments, "x", TOXICITY=1))
    assert (status, error["status"]) == (503, "UNAVAILABLE")


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        ("plain & simple", "plain & simple"),
        ("a &lt; b &amp;&#98;", "a < b &b"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("bl<b>or</b>p", "blorp"),
        ("a<BR/>b", "a\nb"),
        ('<a title="1 > 0">x</a>', "x"),
        ("<b '>seen</b>", "seen"),
        ("<script>var a = '<b>'</script >seen", "seen"),
        ("İ<SCRIPT>x</SCRIPT>seen", "İseen"),
        ("<style>p{}</style>seen", "seen"),
        ("<!-- not > seen -->seen<!-->too<!-- x --!>!", "seentoo!"),
        ("<!doctype html><?php x ?>seen", "seen"),
        ("1 < 2 > 0 <3", "1 < 2 > 0 <3"),
        ("x <b", "x"),
        ("x <!-- open", "x"),
        ("&#0;&#xD800;", "\ufffd\ufffd"),
        ("<", "<"),
    ],
)
def test_of_markup_what_a_reader_sees_is_left(markup, seen):
    assert visible_text(markup) == seen


@pytest.mark.parametrize(
    "piece", ["<!--", "<", "<a ", "</", "<a b='", "<script>", "&#", "<![CDATA[", "<!-- --!>"]
)
def test_markup_that_is_never_closed_does_not_keep_the_server_busy(piece):
    # A reader that begins anew at each piece needs minutes for this, and the suite's time-out ends it.
    assert len(visible_text(piece * (1_000_000 // len(piece)))) <= 1_000_000
