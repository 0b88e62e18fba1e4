"""What encoders made of a post is found again under the bundle that made it, and under no other."""

import pytest

from sievert.pipeline.latents import LatentCache
from sievert.schema.post import PostKey

KEY = PostKey("default", "p", 0)


@pytest.mark.parametrize(
    ("bundle", "key", "found"),
    [
        ("b@1", KEY, True),
        ("b@2", KEY, False),
        ("b@1", KEY._replace(revision=1), False),
        ("b@1", KEY._replace(platform="other"), False),
    ],
)
def test_pitfall_18_another_version_of_anything_is_another_key(bundle, key, found):
    """Red when facets were kept by post alone: then a new bundle heard what the old one had made."""
    cache = LatentCache()
    cache.keep("b@1", KEY, (), at=0)
    assert (cache.get(bundle, key) is not None) == found


def test_of_two_bundles_each_finds_its_own():
    cache = LatentCache()
    cache.keep("b@1", KEY, (), at=0)
    cache.keep("b@2", KEY, (), at=0)
    assert len(cache) == 2
    cache.forget(1)
    assert cache.get("b@1", KEY) is cache.get("b@2", KEY) is None
