"""Domains are compared label by label, whatever the letters, wherever they stand in a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sievert.policy.domains import clean_domain, domains_in, links_in


def rows_with(texts, listed):
    """Which texts name a listed domain, or one below it."""
    deepest = max(domain.count(".") + 1 for domain in listed)
    return [
        (row, domain)
        for row, above in domains_in(texts, deepest=deepest)
        for domain in above
        if domain in listed
    ]


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("see https://example.org/x?y", {"example.org"}),
        ("see Sub.EXAMPLE.org.", {"example.org"}),
        ("example.org", {"example.org"}),
        ("http://user@example.org:8080/", {"example.org"}),
        ("(example.org)", {"example.org"}),
        ("notexample.org", set()),
        ("example.org.evil.net", set()),
        ("my-example.org", set()),
        ("example.organic", set()),
        ("https://пример.рф/", {"xn--e1afmkfd.xn--p1ai"}),
        ("xn--e1afmkfd.xn--p1ai", {"xn--e1afmkfd.xn--p1ai"}),
        ("ｅｘａｍｐｌｅ。org", {"example.org"}),
        ("_https://example.org_ and", {"example.org"}),
        ("-example.org-", {"example.org"}),
        ("example.org\ufe0f", {"example.org"}),
        ("a." * 32_000 + "example.org", {"example.org"}),
        ("", set()),
    ],
)
def test_a_listed_domain_is_found_with_all_below_it(text, domains):
    listed = {"example.org", clean_domain("Пример.рф")}
    assert {domain for _, domain in rows_with([text.encode()], listed)} == domains


def test_the_row_is_told_and_texts_do_not_run_into_each_other():
    texts = [b"", b"example", b".org", b"a example.org b", b"", b"x.example.org example.org"]
    assert list(rows_with(texts, {"example.org"})) == [
        (3, "example.org"),
        (5, "example.org"),
        (5, "example.org"),
    ]


def test_every_domain_that_one_lies_below_is_told():
    (told,) = domains_in([b"see x.b.a.example.org"], deepest=4)
    assert told == (0, ("b.a.example.org", "a.example.org", "example.org"))


@pytest.mark.parametrize(
    "said", ["", "org", "https://example.org", "a b.org", "1.2.3.4", ".", "a..b", "x" * 64 + ".org"]
)
def test_what_is_no_domain_is_none(said):
    assert clean_domain(said) is None


def test_links_are_counted_by_how_they_begin():
    assert links_in("https://a.example www.b.example c.example HTTP://d.example") == 3


@given(st.lists(st.text(), max_size=5))
def test_any_text_can_be_read(texts):
    encoded = [text.encode(errors="replace") for text in texts]
    assert all(0 <= row < len(texts) for row, _ in rows_with(encoded, {"example.org"}))
