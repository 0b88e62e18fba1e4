"""What is asked of every model of creators that is registered, and what graph convolutions must come to."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from made_graphs import edges_of, random_edges
from sievert.errors import BundleError, ConfigurationError, InvalidField, NotFound
from sievert.features.creators.graph import FRIEND, Edges, graph_as_of
from sievert.models import CREATOR_MODELS, build_of_creators, load_model_of_creators, save_model
from sievert.models.batch import Numbers
from sievert.models.creator_batch import CreatorBatch
from sievert.models.gcn import normalised
from sievert.models.graphsage import NeighbourMean
from sievert.models.registry import name_of
from tiny_creators import (
    CREATOR_CONFIGS,
    FEATURES,
    NODES,
    creator_batch,
    graph_with_loners,
    numbers_of_nodes,
    tiny_of_creators,
)

PARAMETERS = {"id_embedding": 254, "gcn": 419, "graphsage": 584}
every_model = pytest.mark.parametrize("name", CREATOR_MODELS)


def both(found):
    return torch.cat([found.vectors, found.logits], dim=1)


def test_the_sweep_has_all_models():
    assert len(CREATOR_MODELS) == 3
    assert set(CREATOR_CONFIGS) == set(CREATOR_MODELS) == set(PARAMETERS)


@every_model
def test_a_batch_becomes_finite_vectors_and_logits(name):
    model, batch = tiny_of_creators(name), creator_batch()
    found = model(batch)
    assert found.vectors.shape == (NODES, 6)
    assert found.logits.shape == (NODES, 2)
    assert torch.isfinite(both(found)).all()
    assert both(found).std(dim=0).min() > 0
    assert name_of(model) == name


@every_model
def test_every_parameter_gets_a_gradient(name):
    model = tiny_of_creators(name).train()
    # Someone must be alone for the path of those who are.
    found = both(model(creator_batch()))
    (found * torch.linspace(0.5, 1.5, found.numel()).view_as(found)).sum().backward()
    dead = [key for key, one in model.named_parameters() if one.grad is None or not one.grad.abs().max() > 0]
    assert dead == []
    assert model.parameters_in_all() == PARAMETERS[name]


@every_model
@torch.no_grad()
def test_a_batch_of_one_says_what_a_batch_of_many_says(name):
    model, batch = tiny_of_creators(name), creator_batch()
    alone = torch.cat([both(model(batch.take(torch.tensor([row])))) for row in range(NODES)])
    torch.testing.assert_close(alone, both(model(batch)), atol=1e-5, rtol=1e-5)


@every_model
@torch.no_grad()
def test_nobody_at_all_is_a_batch_too(name):
    assert both(tiny_of_creators(name)(creator_batch(rows=np.arange(0)))).shape == (0, 8)


@every_model
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_whatever_is_missing_there_is_an_answer_and_what_is_behind_a_mask_does_not_matter(name, seed):
    numbers = numbers_of_nodes(seed)
    behind = Numbers(values=torch.where(numbers.known, numbers.values, 3.0), known=numbers.known)
    with torch.no_grad():
        model = tiny_of_creators(name)
        found = both(model(creator_batch(seed=seed, numbers=numbers)))
        assert torch.isfinite(found).all()
        torch.testing.assert_close(both(model(creator_batch(seed=seed, numbers=behind))), found)


@every_model
@torch.no_grad()
def test_who_was_not_learned_from_gets_the_average_or_what_its_neighbours_say(name):
    batch = creator_batch()
    batch = dataclasses.replace(batch, number=torch.full((NODES,), -1))
    spread = tiny_of_creators(name)(batch).vectors.std(dim=0)
    if name == "graphsage":
        assert spread.min() > 0
    else:
        assert spread.max() < 1e-6


@every_model
@torch.no_grad()
def test_a_model_comes_back_from_its_files_as_it_was(name, tmp_path):
    model, batch = tiny_of_creators(name), creator_batch()
    save_model(model, tmp_path)
    back = load_model_of_creators(tmp_path)
    torch.testing.assert_close(both(back(batch)), both(model(batch)), rtol=0, atol=0)
    raw = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(BundleError, match="cannot be used"):
        load_model_of_creators(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first", torch.full((NODES, 4), NODES)),
        ("first", torch.full((NODES, 4), -2)),
        ("second", torch.zeros(NODES, 3, 3, dtype=torch.int64)),
        ("first_relation", torch.full((NODES, 4), 99)),
        ("centre", torch.full((NODES,), -1)),
        ("centre", torch.zeros(NODES)),
        ("number", torch.zeros(3, dtype=torch.int64)),
    ],
)
def test_a_batch_that_is_not_sound_is_refused_by_field(field, value):
    with pytest.raises(InvalidField, match=field) as caught:
        tiny_of_creators("graphsage")(dataclasses.replace(creator_batch(), **{field: value}))
    assert caught.value.field == field


def test_what_is_not_a_number_is_refused():
    numbers = numbers_of_nodes()
    numbers.values[3, 1] = float("nan")
    with pytest.raises(InvalidField, match="not finite"):
        tiny_of_creators("gcn")(creator_batch(numbers=numbers))


def test_a_wrong_name_and_a_wrong_configuration_are_refused():
    with pytest.raises(NotFound, match="graphsag"):
        build_of_creators("graphsag", {})
    with pytest.raises(ConfigurationError, match="width"):
        build_of_creators("graphsage", {**CREATOR_CONFIGS["graphsage"], "width": 0})


def full_batch(graph, numbers):
    widest = int(graph.degrees().max())
    return creator_batch(graph=graph, numbers=numbers, rows=np.arange(graph.nodes), fanouts=(widest, widest))


@torch.no_grad()
def test_the_names_of_nodes_and_the_order_of_edges_make_no_difference():
    rng = np.random.default_rng(4)
    edges, order = random_edges(rng, nodes=NODES, edges=80), rng.permutation(NODES)
    renamed = Edges(
        source=order[edges.source],
        target=order[edges.target],
        kind=edges.kind,
        since=edges.since,
        until=edges.until,
    ).take(rng.permutation(len(edges)))
    numbers = numbers_of_nodes()
    moved = Numbers(values=torch.empty(NODES, FEATURES), known=torch.empty(NODES, FEATURES, dtype=torch.bool))
    moved.values[order], moved.known[order] = numbers.values, numbers.known
    model = tiny_of_creators("graphsage", fanouts=(30, 30))
    here = model(full_batch(graph_as_of(edges, 60, nodes=NODES), numbers)).vectors
    there = model(full_batch(graph_as_of(renamed, 60, nodes=NODES), moved)).vectors
    torch.testing.assert_close(there[order], here, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_what_lies_three_hops_away_or_turns_back_says_nothing():
    numbers = Numbers(values=torch.randn(4, FEATURES), known=torch.ones(4, FEATURES, dtype=torch.bool))
    graph = graph_as_of(edges_of([(0, 1), (1, 2), (2, 3)]), 1, nodes=4)
    model = tiny_of_creators("graphsage")
    before = model(creator_batch(graph=graph, numbers=numbers, rows=np.arange(4))).vectors
    numbers.values[3] += 5.0
    after = model(creator_batch(graph=graph, numbers=numbers, rows=np.arange(4))).vectors
    torch.testing.assert_close(after[0], before[0])
    assert all((after[row] - before[row]).abs().max() > 0 for row in (1, 2, 3))


def test_dropping_neighbours_is_for_learning_alone_and_leads_to_the_path_without():
    model = tiny_of_creators("graphsage", drop_all=0.999, dropout=0.0)
    batch = creator_batch()
    alone = dataclasses.replace(
        batch, first=torch.full_like(batch.first, -1), second=torch.full_like(batch.second, -1)
    )
    with torch.no_grad():
        wanted, usual = model(alone).vectors, model(batch).vectors
        found = model.train()(batch).vectors
    assert (found - wanted).abs().max() < 1e-5
    assert (usual - wanted).abs().max() > 1e-2


def slow_mean(layer, own, rows):
    """The layer's answer for each node, by a loop over its list of neighbours."""
    out = []
    for node, near in enumerate(rows):
        said = layer.own(own[node])
        if near:
            said = said + layer.near(torch.stack([own[one] for one in near]).mean(dim=0))
        else:
            said = said + layer.alone
        out.append(said)
    return torch.stack(out)


@torch.no_grad()
def test_a_layer_is_what_a_loop_gives():
    torch.manual_seed(0)
    layer, own = NeighbourMean(3, 4, relations=2), torch.randn(5, 3)
    torch.nn.init.normal_(layer.alone)
    rows = [[1, 2], [0], [], [4, 1, 0], [3]]
    first = torch.tensor([(row + [-1] * 3)[:3] for row in rows])
    found = layer(own, own[first.clamp_min(0)], torch.zeros_like(first), first >= 0)
    torch.testing.assert_close(found, slow_mean(layer, own, rows))


@torch.no_grad()
def test_the_adjacency_is_the_one_of_kipf_and_welling():
    graph = graph_as_of(edges_of([(0, 1), (0, 1), (1, 2), (2, 0)], kind=[0, 1, FRIEND, 2]), 1, nodes=4)
    found = normalised(torch.from_numpy(graph.starts), torch.from_numpy(graph.neighbour)).to_dense()
    joined = torch.eye(4)
    for a, b in ((0, 1), (1, 2), (2, 0)):
        joined[a, b] = joined[b, a] = 1
    half = torch.diag(joined.sum(dim=1).rsqrt())
    torch.testing.assert_close(found, half @ joined @ half)


@torch.no_grad()
def test_both_convolutions_say_what_pytorch_geometric_says_of_the_whole_network():
    geometric = pytest.importorskip("torch_geometric.nn")
    edges = edges_of(np.random.default_rng(3).integers(NODES, size=(60, 2)), kind=FRIEND)
    graph = graph_as_of(edges, 1, nodes=NODES)
    node = torch.from_numpy(np.repeat(np.arange(NODES), graph.degrees()))
    near = torch.from_numpy(graph.neighbour).long()
    torch.manual_seed(0)
    own = torch.randn(NODES, 3)

    ours, theirs = NeighbourMean(3, 4, relations=10), geometric.SAGEConv(3, 4, aggr="mean")
    theirs.lin_r.weight.copy_(ours.own.weight)
    theirs.lin_l.bias.copy_(ours.own.bias)
    theirs.lin_l.weight.copy_(ours.near.weight)
    batch = full_batch(graph, numbers_of_nodes())
    said = ours(own, own[batch.first.clamp_min(0)], batch.first_relation, batch.first >= 0)
    torch.testing.assert_close(said, theirs(own, torch.stack([near, node])), atol=1e-5, rtol=1e-5)

    convolution = geometric.GCNConv(3, 4, bias=False)
    adjacency = normalised(torch.from_numpy(graph.starts), torch.from_numpy(graph.neighbour))
    wanted = convolution(own, torch.stack([near, node]))
    found = torch.sparse.mm(adjacency, own @ convolution.lin.weight.T)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_the_loners_are_there():
    batch = creator_batch()
    assert isinstance(batch, CreatorBatch)
    assert (batch.first[30:] == -1).all()
    assert graph_with_loners().nodes == NODES
