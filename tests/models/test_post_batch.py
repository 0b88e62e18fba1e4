"""A batch says what is wrong with it, and gives back the posts that are asked for."""

import dataclasses

import pytest
import torch

from sievert.errors import InvalidField
from sievert.models.batch import Numbers, PostBatch
from sievert.models.numeric import Scale
from tiny_models import random_batch


def test_the_posts_that_are_asked_for_come_in_that_order():
    batch = random_batch(9)
    rows = torch.tensor([7, 0, 0, 3])
    taken = batch.take(rows)
    taken.refuse_unless_sound()
    assert taken.posts == 4
    torch.testing.assert_close(taken.creator.values, batch.creator.values[rows])

    def grams(of, row):
        ends = [*of.grams.starts.tolist(), len(of.grams.indices)]
        part = slice(ends[row], ends[row + 1])
        return of.grams.indices[part].tolist(), of.grams.weights[part].tolist()

    assert [grams(taken, at) for at in range(4)] == [grams(batch, row) for row in rows.tolist()]
    assert any(grams(taken, at)[0] for at in range(4))
    assert batch.take(torch.arange(0)).posts == 0


@pytest.mark.parametrize(
    ("part", "change", "said"),
    [
        ("creator", lambda part: {"values": part.values[:4]}, r"creator\.values has 4 rows for 9 posts"),
        ("creator", lambda part: {"known": part.known[:, :2]}, "creator has tensors whose shapes"),
        ("creator", lambda part: {"known": part.known.float()}, r"creator\.known is of torch.float32"),
        ("tokens", lambda part: {"ids": part.ids[0]}, r"tokens\.ids has 1 dimensions in place of 2"),
        ("tokens", lambda part: {"mask": part.mask[:, :3]}, "tokens has tensors whose shapes"),
        ("pictures", lambda part: {"pixels": part.pixels[:, :1]}, "pictures has tensors whose shapes"),
        ("pictures", lambda part: {"pixels": part.pixels.long()}, r"pictures\.pixels is of torch.int64"),
        ("grams", lambda part: {"weights": part.weights[:1]}, "grams has tensors whose shapes"),
        ("latents", lambda part: {"known": part.known[:3]}, r"latents\.known has 3 rows"),
    ],
)
def test_what_is_not_as_it_should_be_is_named(part, change, said):
    batch = random_batch(9)
    kept = getattr(batch, part)
    broken = dataclasses.replace(batch, **{part: dataclasses.replace(kept, **change(kept))})
    with pytest.raises(InvalidField, match=said) as caught:
        broken.refuse_unless_sound()
    assert caught.value.field.startswith(part)


def test_a_batch_without_anything_is_sound():
    PostBatch(posts=3).refuse_unless_sound()


def test_means_and_spreads_are_those_of_what_is_known():
    values = torch.tensor([[1.0, 5.0, 0.0], [3.0, 0.0, 0.0], [0.0, 7.0, 0.0]])
    known = torch.tensor([[True, True, False], [True, False, False], [False, True, False]])
    scale = Scale(3)
    scale.fit(Numbers(values=values, known=known))
    torch.testing.assert_close(scale.mean, torch.tensor([2.0, 6.0, 0.0]))
    torch.testing.assert_close(scale.spread, torch.tensor([1.0, 1.0, 1.0]))
    found = scale(Numbers(values=values * 1000, known=known))
    assert found[:, :3].tolist() == [[8.0, 8.0, 0.0], [8.0, 0.0, 0.0], [0.0, 8.0, 0.0]]
    assert found[:, 3:].tolist() == known.float().tolist()


def test_a_number_that_never_differed_is_not_heard():
    scale = Scale(2)
    values = torch.tensor([[7.0, 1.0], [7.0, 2.0], [7.0, 3.0]])
    known = torch.ones(3, 2, dtype=torch.bool)
    scale.fit(Numbers(values=values, known=known))
    later = scale(Numbers(values=torch.tensor([[9.0, 9.0]] * 3), known=known))
    assert later[:, 0].abs().max() < 1e-4
    assert later[:, 1].min() > 1
