"""A policy from few examples: what it learns, what it may say, what it is refused for; and the command, whole."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from command_line import sievert
from sievert.calibration.logit_map import probability_of
from sievert.cli import make_app
from sievert.errors import ConfigurationError
from sievert.measurement.ranking import Estimate
from sievert.schema.batch import TextColumn
from sievert.scoring.bundle import load_bundle
from sievert.scoring.cascade import score
from sievert.training.few_shot import (
    MOST_IN_LEARNING,
    Halves,
    Stated,
    TrainedHead,
    name_problems,
    natural_map,
    needed,
    provable,
    train_text_head,
)
from sievert.training.few_shot_card import added_card, with_added
from sievert.training.few_shot_examples import read_examples, read_unlabelled
from sievert.training.few_shot_linear import (
    OUTER,
    Windows,
    fit_head,
    fit_heads_at,
    folds_of,
    held_out_scores,
    usual,
)
from tiny_added import promo_head, write_encoding

STATED = Stated(name="trips", prevalence=0.005, share=0.01, seed=1)
LETTERS = list("bcdfghklmnprstvz")


def run(*arguments):
    """Run a command in this process; what it refuses is raised."""
    return CliRunner().invoke(make_app(), [*map(str, arguments)], catch_exceptions=False)


def made_up(rng, words=6):
    """A text of words that nobody knows, like no other."""
    return " ".join("".join(rng.choice(LETTERS, 7)) for _ in range(words))


def text_of(rng, *, trip):
    return f"{made_up(rng)} {'cruise' if trip else made_up(rng, 1)} {made_up(rng)}"


def labelled_lines(count=30, seed=1):
    """Texts about a cruise, and as many that are not."""
    rng = np.random.default_rng(seed)
    return [{"text": text_of(rng, trip=label), "label": label} for _ in range(count) for label in (0, 1)]


def written(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def unlabelled_lines(count=1200, seed=2):
    rng = np.random.default_rng(seed)
    return [{"text": text_of(rng, trip=at < count // 200), "id": at} for at in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_bundle):
    folder = tmp_path_factory.mktemp("own")
    write_encoding(folder, tiny_bundle)
    return folder


@pytest.fixture(scope="module")
def own(folder):
    return load_bundle(folder)


@pytest.fixture(scope="module")
def traffic(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("traffic") / "traffic.jsonl", unlabelled_lines())
    return read_unlabelled(path, most=1100, seed=1)


def trained(own, tmp_path, traffic=(), **options):
    examples = read_examples(written(tmp_path / "examples.jsonl", labelled_lines(**options)), own.fold)
    return train_text_head(own, examples, traffic, STATED, advance=lambda *_: None)


@pytest.mark.parametrize("with_traffic", [False, True])
def test_a_head_learns_what_its_examples_show(own, folder, tmp_path, traffic, with_traffic):
    head = trained(own, tmp_path, traffic if with_traffic else ())
    version = with_added(folder, tmp_path / "out", own, head)
    bundle = load_bundle(tmp_path / "out")
    assert bundle.version == version != own.version
    assert bundle.manifest.added[0].name == "trips"
    assert (bundle.manifest.added[0].positives, bundle.manifest.added[0].prevalence) == (30, 0.005)
    rng = np.random.default_rng(9)
    texts = [text_of(rng, trip=trip) for trip in (True, False) * 20]
    said = score(bundle, TextColumn.of(texts), heavy_share=1.0).of("trips")
    assert said[::2].min() > said[1::2].max()
    assert head.traffic == len(traffic) * with_traffic
    assert head.sent_on[0] > 0.9 > head.sent_on[1]
    light = score(bundle, TextColumn.of(texts), heavy_share=0.0).of("trips")
    assert light[::2].min() > light[1::2].max()


def test_few_labels_never_make_it_sure_and_traffic_makes_it_surer(own, tmp_path, traffic):
    alone, more, seen = (
        trained(own, tmp_path),
        trained(own, tmp_path, count=60),
        trained(own, tmp_path, traffic),
    )
    assert alone.highest <= provable(30, 0.005) + 1e-6 < 0.14
    assert alone.highest < more.highest < seen.highest
    # Whatever comes later, it is no surer than that.
    far = np.linspace(-50, 50, 200)
    assert alone.head.second_map.apply(far).max() < provable(30, 0.005) * 1.5


def test_the_light_half_learns_a_word_that_the_bundle_does_not_know(own, tmp_path):
    """To the encoder and to the light model's layers it is one unknown word among others; to n-grams it is not."""
    lines = [{**line, "text": line["text"].replace("cruise", "quuxbaz")} for line in labelled_lines(count=40)]
    examples = read_examples(written(tmp_path / "examples.jsonl", lines), own.fold)
    head = train_text_head(own, examples, (), STATED, advance=lambda *_: None)
    assert head.sent_on[0] > 0.9
    assert head.sent_on[1] < 0.2
    assert head.pr_auc.value > 0.5


def test_the_same_examples_and_seed_give_the_same_head(own, tmp_path):
    first, second = trained(own, tmp_path), trained(own, tmp_path)
    np.testing.assert_array_equal(first.head.heavy.weights, second.head.heavy.weights)
    assert first.head.spec == second.head.spec


@given(st.floats(0.001, 0.1), st.integers(20, 400), st.integers(0, 1000))
@settings(max_examples=20)
def test_probabilities_over_traffic_add_up_to_the_stated_share(prevalence, count, seed):
    """Scores of two normal classes: what is said of traffic must be right on average, and never above what was seen."""
    rng = np.random.default_rng(seed)
    harmful = rng.random(4000) < prevalence
    traffic = rng.normal(np.where(harmful, 2.5, 0.0))
    y = np.arange(2 * count) % 2 == 0
    z = rng.normal(np.where(y, 2.5, 0.0))
    found = natural_map(z, y, traffic, prevalence=prevalence)
    assert prevalence / 3 < float(found.apply(traffic).mean()) < 1.5 * prevalence
    top = float(found.apply(z[y].max()))
    assert float(found.apply(z[y].max() + 3.0)) == pytest.approx(
        float(probability_of(found.logits(z[y].max()) + 0.03)), rel=1e-3
    )
    assert top < 1.0


def test_harm_in_unlabelled_traffic_is_not_taken_for_harmless():
    """Where nearly all is harmful that scores so high, a probability says so; were it all harmless, it said one half."""
    rng = np.random.default_rng(5)
    harmful = rng.random(5000) < 0.02
    traffic = rng.normal(np.where(harmful, 5.0, 0.0))
    y = np.arange(200) % 2 == 0
    found = natural_map(rng.normal(np.where(y, 5.0, 0.0)), y, traffic, prevalence=0.02)
    assert float(found.apply(5.0)) > 0.8


def test_what_a_probability_needs_is_what_proves_it():
    for probability in (0.1, 0.3, 0.7):
        count = needed(probability, 0.005)
        assert provable(count - 1, 0.005) >= probability - 1e-9 > provable(count - 2, 0.005)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=60, max_size=120), st.integers(0, 99))
@settings(max_examples=30)
def test_folds_keep_groups_whole_and_kinds_even(rows, seed):
    y, group = (np.array(column) for column in zip(*rows, strict=True))
    fold = folds_of(y, group, OUTER, np.random.default_rng(seed))
    for one in np.unique(group):
        assert len(np.unique(fold[group == one])) == 1
    sizes = np.bincount([fold[group == one][0] for one in np.unique(group)], minlength=OUTER)
    assert sizes.max() - sizes.min() <= 2


def test_a_held_out_score_hears_nothing_of_its_row_or_group():
    """Labels by chance, each row twice in its group: whoever looked at the twin would rank well."""
    rng = np.random.default_rng(3)
    numbers = np.repeat(rng.normal(size=(150, 200)), 2, axis=0).astype(np.float32)
    y, group = np.repeat(rng.random(150) < 0.5, 2), np.repeat(np.arange(150), 2)
    windows, blank = Windows.single(numbers), usual(numbers)

    def fit(rows, strengths):
        heads = fit_heads_at(blank, windows.take(rows), y[rows], strengths=strengths)
        return [lambda held, head=head: windows.take(held).scores(head) for head in heads]

    z = held_out_scores(fit, y, group, rng, weight=np.ones(len(y)), strengths=(0.01, 0.1))
    ranks = z.argsort().argsort()
    area = (ranks[y].sum() - y.sum() * (y.sum() - 1) / 2) / (y.sum() * (~y).sum())
    assert 0.35 < area < 0.65
    everything = fit(np.arange(300), [0.01])[0](np.arange(300))
    assert everything[y].mean() > everything[~y].mean() + 1  # it could have


@pytest.mark.parametrize("wide", [8, 400])
def test_a_row_of_weight_three_teaches_what_three_of_it_do(wide):
    """Red when each class's rows counted alike whatever their weight."""
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=(60, wide)).astype(np.float32)
    y, counts = rng.random(60) < 0.4, rng.integers(1, 4, 60)
    blank, often = usual(numbers), np.repeat(np.arange(60), counts)
    (weighed,) = fit_heads_at(
        blank, Windows.single(numbers), y, strengths=(0.03,), weight=counts.astype(float)
    )
    (repeated,) = fit_heads_at(blank, Windows.single(numbers[often]), y[often], strengths=(0.03,))
    np.testing.assert_allclose(weighed.weights, repeated.weights, atol=2e-4)
    np.testing.assert_allclose(weighed.bias, repeated.bias, atol=2e-4)
    alike = fit_head(blank, Windows.single(numbers), y, strength=0.03)
    assert np.abs(weighed.weights - alike.weights).max() > 0.01


def test_examples_tell_what_they_count_for_and_a_head_hears_it(own, folder, tmp_path):
    """Each text about a train is harmful once in two; whether a train is harm is told by weights alone."""
    rng = np.random.default_rng(8)
    lines = labelled_lines(count=40)
    for at in range(40):
        line = {"text": f"{made_up(rng)} train {made_up(rng)}", "label": at % 2}
        lines.append({**line, "weight": 9.0 if at % 2 else 0.1})
    examples = read_examples(written(tmp_path / "weighed.jsonl", lines), own.fold)
    assert sorted(set(examples.weight)) == [0.1, 1.0, 9.0]
    assert read_examples(written(tmp_path / "plain.jsonl", labelled_lines()), own.fold).weight is None
    heads = [
        train_text_head(
            own, dataclasses.replace(examples, weight=weight), (), STATED, advance=lambda *_: None
        )
        for weight in (examples.weight, None)
    ]
    trains = [f"{made_up(rng)} train {made_up(rng)}" for _ in range(20)]
    said = []
    for at, head in enumerate(heads):
        with_added(folder, tmp_path / f"out{at}", own, head)
        scored = score(load_bundle(tmp_path / f"out{at}"), TextColumn.of(trains), heavy_share=1.0)
        said.append(scored.of("trips").mean())
    assert said[0] > 2 * said[1]


def test_in_learning_no_label_counts_more_than_a_bound_and_in_calibrating_it_does(own, tmp_path):
    """Red without the bound, and when maps heard the bounded weights."""
    examples = read_examples(written(tmp_path / "examples.jsonl", labelled_lines()), own.fold)
    rare = np.arange(len(examples.y)) % 5 == 0
    few, many = (
        train_text_head(
            own,
            dataclasses.replace(examples, weight=np.where(rare, MOST_IN_LEARNING * by, 1.0)),
            (),
            STATED,
            advance=lambda *_: None,
        )
        for by in (1, 100)
    )
    np.testing.assert_array_equal(few.head.heavy.weights, many.head.heavy.weights)
    np.testing.assert_array_equal(few.head.light.weights, many.head.light.weights)
    assert few.head.spec.second != many.head.spec.second


def test_windows_of_one_text_are_learned_by_their_mean_and_scored_by_their_worst():
    windows = Windows(np.array([[0.0], [4.0], [1.0]], np.float32), np.array([0, 0, 1]))
    head = fit_head(usual(windows.numbers), windows, np.array([True, False]), strength=1.0)
    assert windows.means().tolist() == [[2.0], [1.0]]
    assert windows.scores(head)[0] == pytest.approx(float(head.logits(np.array([[4.0]], np.float32))[0]))
    assert windows.take(np.array([1])).owner.tolist() == [0]


def test_everything_that_is_wrong_with_examples_is_said_at_once(own, tmp_path, golden):
    lines = [json.dumps(line) for line in labelled_lines(count=4)]
    lines += [
        '{"text": "we go home", "label": 1}',
        '{"text": "We  go home", "label": 0}',
        '{"text": "", "label": 1}',
        '{"text": "  ", "label": 0}',
        '{"text": "a", "label": 2}',
        '{"text": "b", "label": NaN}',
        '{"text": "c", "label": 1, "source": "d"}',
        '{"label": 1}',
        "no json",
    ]
    path = tmp_path / "examples.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError) as caught:
        read_examples(path, own.fold)
    golden("few-shot-examples.txt", str(caught.value).replace(str(tmp_path), "FOLDER") + "\n")


def test_one_kind_alone_and_near_duplicates_are_too_little(own, tmp_path):
    same = [
        {"text": f"we all go to the very same place in the morning and then go home again {n}", "label": 1}
        for n in range(30)
    ]
    with pytest.raises(ConfigurationError) as caught:
        read_examples(written(tmp_path / "one.jsonl", same), own.fold)
    few, none = caught.value.problems
    assert few.startswith(("1 examples", "2 examples"))
    assert none.startswith("0 examples do not break it")


def test_a_csv_file_is_read_as_well(own, tmp_path):
    path = tmp_path / "examples.csv"
    rows = [f'{line["label"]},"{line["text"]}, and more"' for line in labelled_lines()]
    path.write_text("label,text\n" + "\n".join(rows) + "\n" + rows[0] + "\n")
    read = read_examples(path, own.fold)
    assert (len(read.texts), int(read.y.sum()), read.repeated) == (60, 30, 1)
    path.write_text("label,text,who\n1,a,b\n")
    with pytest.raises(ConfigurationError, match="columns are"):
        read_examples(path, own.fold)
    path.write_text("label,text\nyes,a\n")
    with pytest.raises(ConfigurationError, match="line 2: The label is 'yes'"):
        read_examples(path, own.fold)


def test_little_or_wrong_traffic_is_refused(tmp_path):
    path = tmp_path / "traffic.jsonl"
    path.write_text('{"text": "a"}\n{"words": "b"}\n')
    with pytest.raises(ConfigurationError) as caught:
        read_unlabelled(path, most=10, seed=1)
    assert len(caught.value.problems) == 2
    assert caught.value.problems[0].startswith("line 2:")


@pytest.mark.parametrize(
    "name", ["hate", "harm", "sentinel", "Trips", "my-policy", "", "csam", "nudity_of_minors", "a" * 41]
)
def test_some_names_are_refused(own, name):
    assert len(name_problems(name, own.manifest)) == 1


@pytest.mark.parametrize("name", ["trips", "sexual", "graphic_violence", "scam"])
def test_policies_without_a_head_of_their_own_get_one(own, name):
    assert name_problems(name, own.manifest) == []


@pytest.mark.parametrize("traffic", [0, 5000])
def test_the_card_says_what_few_examples_prove(own, golden, traffic):
    made = promo_head(own)
    head = TrainedHead(
        head=made,
        halves=Halves(light=made.light, grams=made.grams, heavy=made.heavy, counts=1.0),
        stated=Stated(name="promo", prevalence=0.005, share=0.01, seed=1),
        harmful=31,
        harmless=29,
        groups=(30, 28),
        repeated=2,
        unread=3,
        traffic=traffic,
        strength=0.1,
        pr_auc=Estimate(value=0.7, low=0.2, high=0.9),
        sent_on=(0.8, 0.1),
        highest=0.126,
    )
    golden(f"added-head-card-{'with-traffic' if traffic else 'alone'}.md", added_card(head))


def test_the_command_adds_a_policy_and_adds_it_again(folder, tmp_path):
    examples = written(tmp_path / "examples.jsonl", labelled_lines())
    out, again = tmp_path / "out", tmp_path / "again"
    done = sievert("train", "policy", "sexual", "--examples", examples, "--bundle", folder, "--out", out)
    assert done.returncode == 0, done.stderr.decode()
    assert "The highest probability that it gives is" in done.stdout.decode()
    bundle = load_bundle(out)
    assert bundle.policy_heads[-1] == "sexual"
    assert "sexual" not in bundle.manifest.without_head
    assert (out / "ADDED_SEXUAL.md").is_file()
    posts = written(tmp_path / "posts.jsonl", labelled_lines(count=2, seed=5))
    scored = run("score", posts, "--bundle", out).stdout.splitlines()
    assert [("sexual" in json.loads(line)["policies"]) for line in scored] == [True] * 4
    args = ("train", "policy", "sexual", "--examples", examples, "--bundle", out, "--out", again)
    run(*args, "--prevalence", "0.01")
    (replaced,) = load_bundle(again).manifest.added
    assert replaced.prevalence == 0.01
    assert "sexual (added)" in run("bundle", "show", again).stdout
    with pytest.raises(ConfigurationError, match="a head of the bundle's own models") as caught:
        run(
            "train",
            "policy",
            "hate",
            "--examples",
            examples,
            "--bundle",
            out,
            "--out",
            again,
            "--vision",
            "a",
        )
    assert len(caught.value.problems) == 2
