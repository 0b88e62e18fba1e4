"""Rounding: what serves says what was learned with, layer by layer, and nothing is lost on the way."""

import collections
import copy

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from torch import nn

from sievert.scoring.onnx_session import session_of
from sievert.training.byte_layers import ByteLayer, refuse_lost, with_bytes
from sievert.training.onnx_graph import finished, graph_of
from sievert.training.rounded import (
    Range,
    RoundedConv2d,
    RoundedLayer,
    RoundedLinear,
    RoundedPatches,
    rounded,
)

POSTS = torch.export.Dim("posts", min=1, max=64)
NUMBERS = st.floats(-1e4, 1e4, width=32)


class Branches(nn.Module):
    """Every kind of layer, two that are equal, one that is used twice, and one that is never asked."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 5, stride=5)  # of 12 pixels, which leaves a rest
        self.first = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.apart = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.linear = nn.Linear(8, 6)
        self.plain = nn.Linear(6, 6, bias=False)
        self.equal = copy.deepcopy(self.plain)
        self.unasked = nn.Linear(4, 4)

    def forward(self, pixels):
        looked = self.patches(pixels).flatten(2).mean(dim=2)
        seen = self.apart(torch.relu(self.norm(self.first(pixels)))).flatten(2).mean(dim=2)
        spoken = torch.tanh(self.linear(looked) + self.linear(seen))
        return self.equal(torch.tanh(self.plain(spoken)))


def pictures(posts=9, seed=1):
    return torch.randn(posts, 3, 12, 12, generator=torch.Generator().manual_seed(seed))


def branches():
    torch.manual_seed(5)
    module = Branches().eval()
    nn.init.normal_(module.norm.running_mean)
    nn.init.uniform_(module.norm.running_var, 0.5, 2)
    return module


def graph(module):
    return graph_of(module, (pictures(3),), dynamic=({0: POSTS},), inputs=["pixels"], outputs=["found"])


def run(exported, pixels):
    session = session_of(finished(exported))
    return torch.from_numpy(session.run(None, {"pixels": pixels.numpy()})[0])


@pytest.fixture(scope="module")
def module():
    return rounded(branches(), [pictures()])


@pytest.fixture(scope="module")
def exported(module):
    return graph(module)


@torch.no_grad()
def test_every_kind_of_layer_serves_what_it_learned_with(module, exported):
    kinds = {name: type(one) for name, one in module.named_modules() if isinstance(one, RoundedLayer)}
    assert kinds == {
        "patches": RoundedPatches,
        "first": RoundedConv2d,
        "apart": RoundedConv2d,
        **dict.fromkeys(("linear", "plain", "equal"), RoundedLinear),
    }
    assert isinstance(module.norm, nn.Identity)
    for posts in (1, 9):
        pixels = pictures(posts)
        served, learned, floats = run(exported, pixels), module(pixels), branches()(pixels)
        torch.testing.assert_close(served, learned, atol=1e-5, rtol=0)
        torch.testing.assert_close(learned, floats, atol=0.05, rtol=0)
        assert not torch.equal(learned, floats)


def test_weights_are_bytes_in_the_file_and_scales_are_fixed(exported):
    floats = [one for one in exported.graph.initializer if one.data_type == onnx.TensorProto.FLOAT]
    assert max(int(np.prod(one.dims)) for one in floats) <= 8
    operations = {node.op_type for node in exported.graph.node}
    assert "DynamicQuantizeLinear" not in operations
    assert "BatchNormalization" not in operations


def test_no_two_products_share_signed_bytes(exported):
    """ONNX Runtime refuses such a graph on processors with AVX2 and without VNNI."""
    graph = onnx.load_from_string(finished(exported)).graph
    asked = collections.Counter(name for node in graph.node for name in node.input)
    signed = {one.name for one in graph.initializer if one.data_type == onnx.TensorProto.INT8}
    floats = {node.output[0] for node in graph.node if node.input[0] in signed}
    assert len(floats) == 7  # six layers, one of which is used twice
    assert {asked[name] for name in signed | floats} == {1}


def test_layers_that_saw_nothing_stay_in_floats(module):
    assert type(module.unasked) is nn.Linear


@torch.no_grad()
def test_a_norm_becomes_part_of_the_convolution_before_it():
    module, pixels = branches(), pictures()
    before = module(pixels)
    rounded(module, [pixels])
    for layer in module.modules():
        if isinstance(layer, RoundedLayer):
            layer.rounding = False
    torch.testing.assert_close(module.train()(pixels), before, atol=1e-5, rtol=0)


def test_a_layer_that_is_lost_is_noticed(module, exported):
    layers = [one for one in with_bytes(module).modules() if isinstance(one, ByteLayer)]
    refuse_lost(exported, layers)
    other = onnx.ModelProto()
    other.CopyFrom(exported)
    for one in other.graph.initializer:
        if one.data_type == onnx.TensorProto.INT8 and len(one.dims) == 4:
            changed = numpy_helper.to_array(one).copy()
            changed[:] = 0
            one.CopyFrom(numpy_helper.from_array(changed, one.name))
    with pytest.raises(AssertionError, match="lost the bytes of 2 of 6 layers"):
        refuse_lost(other, layers)


def test_ranges_and_weights_learn_and_words_do_not(module):
    learning = copy.deepcopy(module).train()
    learning(pictures()).square().sum().backward()
    grads = {name: one.grad for name, one in learning.named_parameters()}
    assert all(grads[f"{name}.input.high"] is not None for name in ("patches", "first", "linear"))
    assert grads["first.weight"].abs().max() > 0
    assert grads["unasked.weight"] is None


def test_what_pads_with_something_else_than_zeros_is_refused():
    with pytest.raises(ValueError, match="reflect"):
        rounded(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), [pictures()])


@given(st.lists(NUMBERS, min_size=1, max_size=30), st.lists(NUMBERS, min_size=1, max_size=30))
def test_within_its_range_a_number_moves_by_half_a_step_at_most(seen, given_now):
    span = Range()
    span.observe(torch.tensor(seen))
    x = torch.tensor(given_now)
    with torch.no_grad():
        step, zero = span.grid()
        found = span(x)
        low, high = -zero * step, (255 - zero) * step
        cut = x.clamp(low, high)
        assert float((found - cut).abs().max()) <= float(step) * 0.501 + 1e-6
        assert float(span(torch.zeros(1))) == 0.0
        assert float(low) <= min(*seen, 0.0) + float(step)
        assert float(high) >= max(*seen, 0.0) - float(step)
        assert torch.equal(span(found), found) or float((span(found) - found).abs().max()) <= 1e-6 * float(
            found.abs().max()
        )
