"""What is exported says what torch says, at any number of posts and tokens."""

import numpy as np
import pytest
import torch

from sievert.scoring.onnx_session import session_of
from sievert.training.export_models import Lane, export_encoder, export_light, export_update
from tiny_models import HEARD, WIDTHS, random_batch, tiny, without


def run(graph, inputs):
    (found,) = session_of(graph).run(None, {name: one.numpy() for name, one in inputs.items()})
    return torch.from_numpy(found)


def numbers(batch, names):
    found = {}
    for name in names:
        part = getattr(batch, name)
        found |= {name: part.values, f"{name}_known": part.known}
    return found


def content(batch):
    pictures = batch.pictures
    return {**batch.tokens.tensors(), "pixels": pictures.pixels, "shown": pictures.known}


@pytest.fixture(scope="module")
def model():
    return tiny("multimodal")


@pytest.fixture(scope="module")
def graphs(model):
    return {lane: export_encoder(model, lane, longest=64) for lane in Lane}


@pytest.mark.parametrize(("posts", "tokens"), [(1, 2), (2, 9), (13, 30)])
def test_the_encoder_is_the_same_in_both_runtimes_and_both_lanes(model, graphs, posts, tokens):
    batch = random_batch(posts, tokens=tokens)
    with torch.no_grad():
        torch.testing.assert_close(
            run(graphs[Lane.PICTURED], content(batch)), model.encode(batch), atol=1e-4, rtol=0
        )
        texts = without(batch, "pictures")
        z = model.encode(texts)
    torch.testing.assert_close(run(graphs[Lane.TEXT], texts.tokens.tensors()), z, atol=1e-4, rtol=0)
    batch.pictures.known[:] = False
    torch.testing.assert_close(run(graphs[Lane.PICTURED], content(batch)), z, atol=1e-4, rtol=0)


def test_the_update_network_is_the_same_in_both_runtimes(model):
    graph = export_update(model)
    for posts in (1, 7):
        batch = random_batch(posts)
        with torch.no_grad():
            z = model.encode(batch)
            logits = model(batch)
        found = run(graph, {"latents": z, **numbers(batch, HEARD)})
        torch.testing.assert_close(found, logits, atol=1e-4, rtol=0)


def test_the_light_student_is_the_same_in_both_runtimes():
    light = tiny("light")
    graph = export_light(light)
    for posts in (1, 7):
        batch = random_batch(posts)
        with torch.no_grad():
            sums, logits = light.sums(batch), light(batch)
        found = run(graph, {"sums": sums, **numbers(batch, WIDTHS)})
        torch.testing.assert_close(found, logits, atol=1e-4, rtol=0)


def test_a_neighbour_does_not_move_a_post_by_more_than_rounding(model, graphs):
    batch = random_batch(9)
    together = run(graphs[Lane.PICTURED], content(batch))
    alone = run(graphs[Lane.PICTURED], content(batch.take(torch.tensor([4]))))
    np.testing.assert_allclose(alone[0], together[4], atol=1e-5)


def test_a_graph_tells_nothing_of_the_machine_that_made_it(graphs):
    for graph in graphs.values():
        assert b".py" not in graph
        assert b"/src/" not in graph
