"""The training loop: what it learns, where it stops, and that it goes on where it was."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sievert.errors import ConfigurationError, InvalidField, StoreCorrupt, StoreUnavailable, TrainingStopped
from sievert.measurement.ranking import Estimate
from sievert.stores.locking import FolderLock
from sievert.training.batches import Shard, ShuffledBatches
from sievert.training.learning import Learning, optimizer_of, rate_factor
from sievert.training.loop import fit
from sievert.training.run_folder import StepLine, read_run
from sievert.training.weights import HandedOn
from tiny_task import FULL, ROWS, Tiny, batches, evaluate, evaluate_linear, plain_loss, recipe, task, tensors

DATA = {"made": "0" * 64}


class Interrupted(Exception):
    """Stands for whatever ends a process."""


def linear_task(chosen, **more):
    torch.manual_seed(3)
    return task(chosen, model=nn.Linear(4, 1), loss=plain_loss, **more)


def weights_of(folder):
    return safetensors.torch.load_file(folder / "weights.safetensors")


def steps(folder):
    return [line for line in read_run(folder).lines if isinstance(line, StepLine)]


def test_it_does_what_a_plain_loop_of_torch_does(tmp_path):
    chosen = recipe(epochs=2.0, warmup=0.25, weight_decay=0.1, clip=0.5, log_every=1)
    fit(linear_task(chosen), folder=tmp_path / "run", data=DATA)

    torch.manual_seed(3)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.AdamW(
        [{"params": [model.weight], "weight_decay": 0.1}, {"params": [model.bias], "weight_decay": 0.0}],
        lr=0.05,
    )
    factors = [1 / 4, 2 / 4, 3 / 4, 1] + [1 - gone / 12 for gone in range(12)]
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda update: [*factors, 0][update])
    losses = []
    for epoch in range(2):
        for batch in batches().epoch(epoch, start=0, shard=Shard()):
            found = plain_loss(model, batch.tensors)["fit"]
            losses.append(found.item())
            optimizer.zero_grad()
            found.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            schedule.step()
    for name, one in model.state_dict().items():
        torch.testing.assert_close(weights_of(tmp_path / "run")[name], one)
    np.testing.assert_allclose([line.loss for line in steps(tmp_path / "run")], losses, rtol=1e-5)
    assert [line.rate for line in steps(tmp_path / "run")] == pytest.approx([0.05 * one for one in factors])


def test_it_learns_and_tells_what_it_came_to(tmp_path):
    made = linear_task(recipe(epochs=20.0, warmup=0.1), evaluate=evaluate_linear)
    progress = []

    result = fit(made, folder=tmp_path / "run", data=DATA, advance=lambda *one: progress.append(one))

    assert result.ended == "all epochs"
    assert result.update == result.kept == 160
    assert result.metrics["accuracy"].value > 0.8
    assert result.cost.core_seconds > 0
    assert progress[-1] == ("learn", 160, 160)
    assert not made.model.training
    assert steps(tmp_path / "run")[-1].loss < steps(tmp_path / "run")[0].loss
    for name, one in made.model.state_dict().items():
        assert torch.equal(one, weights_of(tmp_path / "run")[name])


@pytest.mark.parametrize("at", [1, 2, 3, 5, 9, 10, 15])
def test_a_run_that_was_broken_off_comes_to_the_same_bits(tmp_path, at):
    chosen = recipe(**FULL, watch="accuracy")
    whole = fit(task(chosen, evaluate=evaluate), folder=tmp_path / "whole", data=DATA)

    def break_off(_, done, __):
        if done == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(task(chosen, evaluate=evaluate), folder=tmp_path / "broken", data=DATA, advance=break_off)
    torch.manual_seed(99)  # nothing hangs on what generators did before
    again = fit(task(chosen, evaluate=evaluate), folder=tmp_path / "broken", data=DATA)

    assert msgspec.structs.replace(again, cost=whole.cost) == whole
    for name in ("weights.safetensors", "metrics.ndjson", "loss.svg", "metrics.svg"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_another_seed_comes_to_other_weights(tmp_path):
    first = fit(task(), folder=tmp_path / "a", data=DATA)
    second = fit(task(msgspec.structs.replace(recipe(), seed=6)), folder=tmp_path / "b", data=DATA)

    assert first.weights != second.weights


def test_small_batches_add_up_to_large_ones(tmp_path):
    fit(linear_task(recipe(), batches=batches(8)), folder=tmp_path / "one", data=DATA)
    fit(linear_task(recipe(accumulate=4), batches=batches(2)), folder=tmp_path / "four", data=DATA)

    for name, one in weights_of(tmp_path / "one").items():
        torch.testing.assert_close(weights_of(tmp_path / "four")[name], one)


def test_a_part_of_an_epoch_and_of_an_update_counts(tmp_path):
    result = fit(
        linear_task(recipe(epochs=1.2, accumulate=4), batches=batches(8)), folder=tmp_path / "run", data=DATA
    )

    assert result.update == 3
    assert steps(tmp_path / "run")[-1].epoch == pytest.approx(10 / 8)


def test_it_stops_when_nothing_gets_better_and_keeps_the_best(tmp_path):
    told = iter([0.5, 0.7, 0.6, 0.7, 0.65, 0.9])
    seen = []

    def scripted(model):
        seen.append({name: one.clone() for name, one in model.state_dict().items()})
        return {"score": next(told), "other": math.nan}

    result = fit(
        linear_task(recipe(epochs=9.0, watch="score", patience=3), evaluate=scripted),
        folder=tmp_path / "run",
        data=DATA,
    )

    assert (result.ended, result.update, result.kept) == ("patience", 40, 16)
    assert result.metrics == {"score": Estimate(value=0.7), "other": Estimate(value=None)}
    for name, one in weights_of(tmp_path / "run").items():
        assert torch.equal(one, seen[1][name])


def test_less_can_be_better(tmp_path):
    told = iter([0.5, 0.3, 0.4])
    result = fit(
        linear_task(recipe(watch="score", better="less"), evaluate=lambda _: {"score": next(told)}),
        folder=tmp_path / "run",
        data=DATA,
    )

    assert result.kept == 16


def test_a_metric_that_nobody_measures_cannot_be_watched(tmp_path):
    with pytest.raises(InvalidField, match="accuracy") as raised:
        fit(task(recipe(watch="acuracy"), evaluate=evaluate), folder=tmp_path / "run", data=DATA)

    assert raised.value.field == "learning.watch"
    with pytest.raises(ConfigurationError, match="nothing is evaluated"):
        fit(task(recipe(watch="accuracy")), folder=tmp_path / "other", data=DATA)


def test_patience_needs_something_to_wait_for():
    assert recipe(patience=2).problems() == [
        "learning.patience waits for nothing: name a metric in learning.watch"
    ]
    assert recipe(patience=2, watch="a").problems() == []


def test_the_mean_of_weights_and_part_of_the_way(tmp_path):
    seen = []

    class Watching(HandedOn):
        def updated(self):
            seen.append(self._model.weight.detach().clone())
            super().updated()

    from sievert.training import loop

    kept, loop.HandedOn = loop.HandedOn, Watching
    try:
        made = linear_task(recipe(epochs=1.0, average=0.75, part_way=0.4))
        began = made.model.weight.detach().clone()
        fit(made, folder=tmp_path / "run", data=DATA)
    finally:
        loop.HandedOn = kept

    mean = began
    for weight in seen:
        mean = 0.75 * mean + 0.25 * weight
    torch.testing.assert_close(weights_of(tmp_path / "run")["weight"], 0.6 * began + 0.4 * mean)
    assert len(seen) == 8


def test_tied_weights_stay_tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Linear(3, 3, bias=False)
            self.two = nn.Linear(3, 3, bias=False)
            self.two.weight = self.one.weight

    model = Tied()
    handed_on = HandedOn(model, Learning(epochs=1.0, rate=0.1, part_way=0.5))
    with torch.no_grad():
        model.one.weight.add_(2.0)

    weights = handed_on.weights()

    assert torch.equal(weights["one.weight"], weights["two.weight"])
    torch.testing.assert_close(weights["one.weight"], model.one.weight - 1.0)


def test_what_is_frozen_stays_and_heads_may_learn_faster(tmp_path):
    made = task(factor_of=lambda name: 10.0 if name.startswith("layer") else 1.0)
    rates = {
        name: group["lr"]
        for group in optimizer_of(made.model, made.recipe.learning, made.factor_of).param_groups
        for name, weight in made.model.named_parameters()
        if any(weight is one for one in group["params"])
    }
    fit(made, folder=tmp_path / "run", data=DATA)

    assert rates == pytest.approx(
        {"normal.weight": 0.05, "normal.bias": 0.05, "layer.weight": 0.5, "layer.bias": 0.5}
    )
    assert weights_of(tmp_path / "run")["fixed"].item() == 1.0


def test_half_precision_learns_too(tmp_path):
    fit(linear_task(recipe(epochs=20.0)), folder=tmp_path / "exact", data=DATA)
    fit(linear_task(recipe(epochs=20.0, half=True)), folder=tmp_path / "half", data=DATA)

    exact, half = weights_of(tmp_path / "exact"), weights_of(tmp_path / "half")
    assert half["weight"].dtype == torch.float32
    assert not torch.equal(exact["weight"], half["weight"])
    torch.testing.assert_close(exact["weight"], half["weight"], rtol=0.1, atol=0.05)


# What stops it.


def test_data_that_is_no_number_stops_it_with_rows_and_names(tmp_path):
    data = tensors()
    data["x"][17, 2] = math.nan

    with pytest.raises(TrainingStopped, match=r"update \d, epoch 0: loss is nan, fit is nan") as raised:
        fit(linear_task(recipe(), batches=batches(data=data)), folder=tmp_path / "run", data=DATA)

    assert "17" in raised.value.what.split("rows ")[1]
    assert "x in rows 17:" in raised.value.remedy


def test_weights_that_run_away_stop_it_with_what_to_try(tmp_path):
    def steep(model, batch):
        return {"cube": (1e12 * model(batch["x"])).pow(4).mean()}

    with pytest.raises(TrainingStopped, match=r"update 1, .*inf") as raised:
        fit(
            task(recipe(clip=0.0, half=True), model=nn.Linear(4, 1), loss=steep),
            folder=tmp_path / "run",
            data=DATA,
        )

    for said in ("smaller learning.rate (it is 0.05)", "learning.clip=1", "learning.half=false"):
        assert said in raised.value.remedy


def test_a_gradient_that_is_no_number_stops_it(tmp_path):
    def root(model, batch):
        return {"root": (0 * model(batch["x"])).sqrt().mean()}

    with pytest.raises(
        TrainingStopped, match="the gradient of weight, bias is not finite, though the loss is"
    ):
        fit(task(model=nn.Linear(4, 1), loss=root), folder=tmp_path / "run", data=DATA)


def test_no_rows_are_refused(tmp_path):
    empty = ShuffledBatches(0, size=4, seed=1, make=lambda *_: {})
    with pytest.raises(ConfigurationError, match="no rows"):
        fit(task(batches=empty), folder=tmp_path / "run", data=DATA)


# The run folder.


def test_a_finished_run_says_so_and_is_not_run_again(tmp_path):
    first = fit(task(), folder=tmp_path / "run", data=DATA)
    told, asked = [], task(loss=lambda *_: pytest.fail("it learned again"))

    again = fit(asked, folder=tmp_path / "run", data=DATA, tell=told.append)

    assert again == first
    assert told == [f"The run in {tmp_path / 'run'} is finished; name another folder to train anew."]
    assert torch.equal(asked.model.layer.weight, weights_of(tmp_path / "run")["layer.weight"])


def test_a_folder_of_another_run_is_refused_with_every_difference(tmp_path):
    fit(task(), folder=tmp_path / "run", data=DATA)

    with pytest.raises(ConfigurationError) as raised:
        fit(
            task(msgspec.structs.replace(recipe(rate=0.1), seed=6)),
            folder=tmp_path / "run",
            data={"made": "1" * 64, "more": "2" * 64},
        )

    assert raised.value.problems == (
        "recipe: learning.rate was 0.05 and is 0.1",
        "recipe: seed was 5 and is 6",
        "data: made was 000000000000... and is 111111111111...",
        "data: more was not there and is 222222222222...",
    )


def test_other_first_weights_are_refused(tmp_path):
    fit(task(), folder=tmp_path / "run", data=DATA)
    torch.manual_seed(4)

    with pytest.raises(ConfigurationError, match="first weights differ"):
        fit(dataclasses.replace(task(), model=Tiny()), folder=tmp_path / "run", data=DATA)


def test_a_folder_with_something_else_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")

    with pytest.raises(ConfigurationError, match=r"it holds notes\.txt and no run"):
        fit(task(), folder=tmp_path, data=DATA)

    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_two_processes_cannot_work_in_one_folder(tmp_path):
    lock = FolderLock(tmp_path)
    try:
        with pytest.raises(StoreUnavailable, match="Another process works in"):
            fit(task(), folder=tmp_path, data=DATA)
    finally:
        lock.release()


def test_another_version_is_told(tmp_path):
    break_off(tmp_path, 4)
    config = tmp_path / "config.json"
    config.write_text(config.read_text().replace(f'"torch": "{torch.__version__}"', '"torch": "1.0"'))
    told = []

    fit(task(), folder=tmp_path, data=DATA, tell=told.append)

    assert told == [
        f"torch 1.0 is now {torch.__version__}: the run goes on, but may come to other bits than it would have"
    ]


def break_off(folder, at):
    def stop(_, done, __):
        if done == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(task(), folder=folder, data=DATA, advance=stop)


def spoil(path, how):
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flip":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    else:
        path.unlink()


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("how", ["cut", "flip", "gone"])
def test_of_a_damaged_checkpoint_the_one_before_is_taken(tmp_path, name, how):
    whole = fit(task(), folder=tmp_path / "whole", data=DATA)
    folder = tmp_path / "run"
    break_off(folder, 7)
    spoil(folder / "checkpoints" / "0000000006" / name, how)
    told = []

    result = fit(task(), folder=folder, data=DATA, tell=told.append)

    assert result.weights == whole.weights
    assert len(told) == 1
    assert "0000000006 is no whole checkpoint" in told[0]
    assert (folder / "metrics.ndjson").read_bytes() == (tmp_path / "whole" / "metrics.ndjson").read_bytes()


def test_with_no_whole_checkpoint_it_is_refused(tmp_path):
    break_off(tmp_path, 7)
    for place in (tmp_path / "checkpoints").iterdir():
        spoil(place / "tensors.safetensors", "flip")

    with pytest.raises(StoreCorrupt, match=r"0000000006 .*0000000003") as raised:
        fit(task(), folder=tmp_path, data=DATA)

    assert "to begin anew" in raised.value.remedy


def test_metrics_that_were_cut_are_refused(tmp_path):
    break_off(tmp_path, 7)
    spoil(tmp_path / "metrics.ndjson", "cut")

    with pytest.raises(StoreCorrupt, match=r"metrics\.ndjson has \d+ bytes"):
        fit(task(), folder=tmp_path, data=DATA)


@pytest.mark.parametrize("name", ["weights.safetensors", "result.json"])
@pytest.mark.parametrize("how", ["flip", "gone"])
def test_a_finished_run_that_was_altered_is_refused(tmp_path, name, how):
    fit(task(), folder=tmp_path, data=DATA)
    spoil(tmp_path / name, how)

    with pytest.raises(StoreCorrupt, match=name):
        fit(task(), folder=tmp_path, data=DATA)


def test_a_run_folder_holds_tensors_json_and_words_alone(tmp_path):
    break_off(tmp_path, 7)

    names = {one.name for one in tmp_path.rglob("*") if one.is_file()}

    assert names == {"config.json", "metrics.ndjson", "lock", "state.json", "tensors.safetensors"}
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_torn_line_of_metrics_is_left_out(tmp_path):
    break_off(tmp_path, 7)
    with (tmp_path / "metrics.ndjson").open("ab") as file:
        file.write(b'{"line":"step","upd')

    run = read_run(tmp_path)

    assert [line.update for line in run.lines] == [2, 4, 6]
    assert run.result is None


def test_the_card_tells_it_in_words(tmp_path, golden):
    result = fit(
        task(recipe(watch="accuracy"), evaluate=evaluate), folder=tmp_path, data=DATA, about=["It is tiny."]
    )

    card = (tmp_path / "CARD.md").read_text()
    numbers = {result.weights: "WEIGHTS", **read_run(tmp_path).config.versions}
    for found, name in ((result.weights, "WEIGHTS"), *((one, "1.2.3") for one in list(numbers.values())[1:])):
        card = card.replace(found, name)
    spent = f"It took {result.cost.core_seconds:,.0f} core seconds"
    card = "\n".join("It took SECONDS." if line.startswith(spent) else line for line in card.splitlines())
    golden("run_card.md", card + "\n")


# What it rests on.


@given(st.sampled_from(["linear", "cosine", "constant"]), st.floats(0, 1), st.integers(1, 300), st.data())
def test_the_rate_rises_then_falls_and_is_never_nothing(schedule, warmup, updates, data):
    learning = Learning(epochs=1.0, rate=0.1, schedule=schedule, warmup=warmup)
    factors = [rate_factor(learning, update, updates) for update in range(updates)]
    warm = round(warmup * updates)

    assert all(0 < one <= 1 for one in factors)
    assert factors[:warm] == sorted(factors[:warm])
    assert factors[warm:] == sorted(factors[warm:], reverse=True)
    if warm < updates:
        assert max(factors) == 1


@given(
    rows=st.integers(1, 60),
    size=st.integers(1, 12),
    of=st.integers(1, 4),
    start=st.integers(0, 10),
    by_length=st.booleans(),
)
def test_every_row_comes_once_an_epoch_and_all_shards_are_alike(rows, size, of, start, by_length):
    def make(chosen, rng):
        return {"drawn": torch.tensor(rng.random())}

    made = ShuffledBatches(
        rows,
        size=size,
        seed=4,
        make=make,
        lengths=[(7 * row) % 5 for row in range(rows)] if by_length else None,
    )
    whole = list(made.epoch(3, start=0, shard=Shard()))
    shards = [list(made.epoch(3, start=0, shard=Shard(number=number, of=of))) for number in range(of)]

    assert sorted(np.concatenate([one.rows for one in whole])) == list(range(rows))
    assert len(whole) == len(made)
    for at, batch in enumerate(whole):
        mine = [shard[at].rows for shard in shards]
        assert len({len(one) for one in mine}) == 1
        assert set(batch.rows) <= set(np.concatenate(mine))
        assert sum(map(len, mine)) - len(batch.rows) < of
    tail = list(made.epoch(3, start=start, shard=Shard()))
    for one, other in zip(tail, whole[start:], strict=True):
        assert one.rows.tolist() == other.rows.tolist()
        assert one.tensors["drawn"] == other.tensors["drawn"]


def test_epochs_come_in_other_orders():
    first, second = (
        np.concatenate([one.rows for one in batches().epoch(epoch, start=0, shard=Shard())]).tolist()
        for epoch in (0, 1)
    )

    assert first != second
    assert sorted(first) == sorted(second) == list(range(ROWS))


def test_rows_of_like_length_come_together():
    lengths = np.random.default_rng(2).integers(1, 100, 400)
    made = ShuffledBatches(400, size=10, seed=1, make=lambda *_: {}, lengths=lengths)

    spreads = [np.ptp(lengths[one.rows]) for one in made.epoch(0, start=0, shard=Shard())]

    assert np.mean(spreads) < 10
