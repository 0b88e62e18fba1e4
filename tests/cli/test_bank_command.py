"""`sievert bank`: real files and real exchanges fill banks beside a server, and nothing leaks."""

import csv
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps
from typer.testing import CliRunner

from banked import FOLD, LONG, bit_hash
from command_line import sievert
from sievert.cli import EXIT_REFUSED, make_app
from sievert.cli.bank_exchange import EXCHANGES, Exchange, left_behind, read_config
from sievert.cli.bank_lists import ListReader, Pictures
from sievert.cli.picture_hashing import facts_of, hash_of
from sievert.errors import ConfigurationError, InvalidField, SievertError
from sievert.schema.bank import Bank, BankKind, Signal
from sievert.schema.clock import SystemClock
from sievert.scoring.banks.entries import text_signature
from sievert.stores.embedded import EmbeddedStores
from sievert.testing import START


@pytest.fixture
def data(tmp_path):
    """A data folder as a server leaves it."""
    folder = tmp_path / "data"
    EmbeddedStores(folder, clock=SystemClock()).close()
    return folder


def drawing(seed, side=256):
    """A picture of our own with enough in it: blobs of colour on a slope of grey."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 255, side).astype(np.uint8)
    picture = Image.fromarray(np.dstack([np.tile(slope, (side, 1))] * 3))
    draw = ImageDraw.Draw(picture)
    for x, y, r, red, green, blue in rng.integers(0, side, (25, 6)).tolist():
        draw.ellipse((x - r / 4, y - r / 4, x + r / 4, y + r / 4), fill=(red, green, blue))
    return picture


@pytest.fixture
def pictures(tmp_path):
    """A folder with three pictures and something that is none."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for seed in range(3):
        drawing(seed).save(folder / f"{seed}.png")
    (folder / "broken.jpg").write_bytes(b"not a picture")
    return folder


def run(data, *arguments, code=0):
    """Run `sievert bank` in this process, which saves seconds each time; return what it says."""
    done = CliRunner().invoke(make_app(), ["bank", *map(str, arguments), "--data", str(data)])
    refused = isinstance(done.exception, SievertError)
    said = done.output + (f"{done.exception.what} {done.exception.remedy}" if refused else "")
    assert (EXIT_REFUSED if refused else done.exit_code) == code, (said, done.exception)
    return said


def kept(data):
    """Return all entries of a data folder."""
    stores = EmbeddedStores(data, clock=SystemClock())
    found = [entry for some in stores.banks.all_entries() for _, entry in some]
    stores.close()
    return found


def test_a_bank_is_made_filled_with_pictures_matched_exported_and_removed(data, pictures, tmp_path):
    assert "BAD is made" in run(data, "add", "BAD", "--policy", "hate", "--max-distance", "24")
    said = run(data, "import", "BAD", pictures, "--plain", "--source", "a drawer")
    assert "6 entries read, 6 of them new in BAD" in said
    assert "broken.jpg: The file is not a picture" in said
    assert "0 of them new" in run(data, "import", "BAD", pictures / "0.png", "--plain")
    assert {entry.source for entry in kept(data)} == {"a drawer"}

    copy = tmp_path / "copy.jpg"
    drawing(1).resize((200, 200)).save(copy, quality=60)
    drawing(9).save(tmp_path / "other.png")
    found = run(data, "match", copy, tmp_path / "other.png")
    assert "1 of 2 match" in found
    assert "pdq" in found

    listed = run(data, "list")
    assert "harmful" in listed
    assert "24" in listed
    assert run(data, "export", "BAD", "--out", tmp_path / "out.txt")
    lines = (tmp_path / "out.txt").read_text().splitlines()
    assert sorted({line.split()[0] for line in lines}) == ["pdq", "sha256"]
    run(data, "add", "AGAIN", "--kind", "allow")
    assert "6 of them new in AGAIN" in run(data, "import", "AGAIN", tmp_path / "out.txt")

    entry_id = kept(data)[0].entry_id
    assert "1 entries are gone" in run(data, "remove", "BAD", "--entry", entry_id)
    assert "BAD is gone" in run(data, "remove", "BAD")
    assert {entry.bank for entry in kept(data)} == {"AGAIN"}


def test_a_picture_that_is_mirrored_turned_or_cropped_matches_its_variants(data, pictures, tmp_path):
    run(data, "add", "BAD", "--policy", "hate")
    assert "11 entries read" in run(data, "import", "BAD", pictures / "1.png")
    run(data, "add", "PLAIN", "--policy", "hate")
    run(data, "import", "PLAIN", pictures / "1.png", "--plain")
    changed = {
        "mirrored": ImageOps.mirror(drawing(1)),
        "turned": drawing(1).transpose(Image.Transpose.ROTATE_270),
        "cropped": drawing(1).crop((9, 9, 247, 247)),
    }
    for name, picture in changed.items():
        picture.save(tmp_path / f"{name}.jpg", quality=70)
        found = run(data, "match", tmp_path / f"{name}.jpg")
        assert "1 of 1 match" in found, name
        assert "BAD" in found
        assert "PLAIN" not in found


def test_the_command_works_in_a_process_of_its_own_and_is_audited(data, tmp_path):
    (tmp_path / "list.csv").write_text(f"signal,value\npdq,{'a' * 64}\nsha256,{'b' * 64}\n")
    assert sievert("bank", "add", "BAD", "--policy", "hate", "--data", data).returncode == 0
    done = sievert("bank", "import", "BAD", tmp_path / "list.csv", "--data", data)
    assert done.stdout.decode() == "2 entries read, 2 of them new in BAD\n"
    refused = sievert("bank", "import", "OTHER", tmp_path / "list.csv", "--data", data)
    assert refused.returncode == 2
    assert "There is no bank 'OTHER'" in refused.stderr.decode()
    assert "2 entries, unbroken" in sievert("audit", "verify", "--data", data).stdout.decode()


def test_a_rule_is_changed_by_what_is_stated_and_by_nothing_else(data):
    run(data, "add", "BAD", "--policy", "hate", "--max-distance", "9", "--description", "ours")
    run(data, "add", "BAD", "--disabled", "--flood-per-hour", "7")
    stores = EmbeddedStores(data, clock=SystemClock())
    bank = stores.banks.bank("BAD")
    events = [entry.event for entry in stores.audit.entries()]
    stores.close()
    assert (bank.max_distance, bank.description, bank.enabled, bank.flood_per_hour) == (9, "ours", False, 7)
    assert events == ["bank.made", "bank.changed"]
    assert "for good" in run(data, "add", "BAD", "--kind", "allow", code=2)
    assert "no policy" in run(data, "add", "WORSE", "--policy", "nonsense", code=2)
    assert "cannot be a bank" in run(data, "add", "small", "--policy", "hate", code=2)


def test_a_bank_with_minors_takes_hashes_opens_no_picture_and_lists_nothing(data, pictures, tmp_path):
    run(data, "add", "NEVER", "--kind", "minors")
    secret = bit_hash(1, 2, 3)
    (tmp_path / "list.txt").write_text(f"pdq {secret}\n")
    assert "1 of them new" in run(data, "import", "NEVER", tmp_path / "list.txt")
    said = run(data, "import", "NEVER", pictures / "0.png", code=2)
    assert "never opened" in said
    said += run(data, "entries", "NEVER")
    assert "NEVER has 1 entries" in said
    said += run(data, "export", "NEVER", code=2)
    said += run(data, "list")
    assert secret not in said


def test_an_entry_is_let_out_of_quarantine(data, tmp_path):
    run(data, "add", "BAD", "--policy", "hate")
    (tmp_path / "list.txt").write_text("a" * 64)
    run(data, "import", "BAD", tmp_path / "list.txt", "--signal", "sha256")
    (entry,) = kept(data)
    stores = EmbeddedStores(data, clock=SystemClock())
    stores.banks.quarantine(entry.entry_id, START)
    stores.close()
    assert "1 entries are in quarantine" in run(data, "list")
    assert "since" in run(data, "entries", "BAD")
    assert "in earnest" in run(data, "release", entry.entry_id)
    assert [one.quarantined_at for one in kept(data)] == [None]


class TestLists:
    def read(self, path, kind=BankKind.HARMFUL):
        reader = ListReader(
            "BAD",
            kind,
            now=START,
            signature=lambda text: text_signature(text, FOLD),
            signal=Signal.PDQ,
            pictures=Pictures.WITH_VARIANTS,
        )
        pieces = [*reader.read(path, source="s")]
        assert pieces[-1].done <= path.stat().st_size + 1
        entries = [(one.signal.value, one.value, one.note) for some in pieces for one in some.entries]
        return entries, [some.problem for some in pieces if some.problem]

    A, B = "a" * 64, "b" * 64

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("x.txt", f"# two\n{A.upper()}\n\nsha256 {B}\n"),
            ("x", f"pdq {A}\nsha256 {B}"),
            ("x.csv", f"signal,value\npdq,{A}\nSHA256,{B}\n"),
            ("x.csv", f"\ufeffpdq,sha256,other\n{A},{B},1\n"),
            ("x.json", json.dumps([A, {"signal": "sha256", "value": B}])),
            ("x.jsonl", f'{{"pdq": "{A}"}}\n{{"sha256": "{B}"}}\n'),
        ],
    )
    def test_each_kind_of_list_is_read(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        assert self.read(tmp_path / name) == ([("pdq", self.A, ""), ("sha256", self.B, "")], [])

    @pytest.mark.parametrize(
        ("name", "line"),
        [
            ("x.txt", "nonsense"),
            ("x.txt", "smell abc"),
            ("x.csv", "pdq,zz"),
            ("x.jsonl", "{"),
            ("x.jsonl", "[]"),
        ],
    )
    def test_a_line_that_cannot_be_read_is_named_and_the_rest_goes_on(self, tmp_path, name, line):
        good = {"x.txt": f"pdq {self.A}", "x.csv": f"pdq,{self.A}", "x.jsonl": f'{{"pdq": "{self.A}"}}'}[name]
        head = "signal,value\n" if name == "x.csv" else ""
        (tmp_path / name).write_text(f"{head}{line}\n{good}\n")
        entries, problems = self.read(tmp_path / name)
        assert entries == [("pdq", self.A, "")]
        assert len(problems) == 1
        assert problems[0].startswith(f"{name}, line {2 if head else 1}: ")

    def test_notes_are_kept_and_texts_are_signed(self, tmp_path):
        with (tmp_path / "x.csv").open("w", newline="") as file:
            csv.writer(file).writerows(
                [("signal", "value", "note"), ("pdq", self.A, "case 7"), ("raw_text", LONG, "")]
            )
        entries, _ = self.read(tmp_path / "x.csv")
        assert entries == [("pdq", self.A, "case 7"), ("text", text_signature(LONG, FOLD), "")]

    def test_a_flat_picture_is_known_by_its_file_alone(self, tmp_path):
        Image.new("RGB", (64, 64), "white").save(tmp_path / "flat.png")
        entries, problems = self.read(tmp_path / "flat.png")
        assert [one[0] for one in entries] == ["sha256"]
        assert "too little" in problems[0]

    def test_a_file_that_is_missing_is_told(self, tmp_path):
        with pytest.raises(InvalidField):
            self.read(tmp_path / "nothing.txt")


BANK = Bank(name="SHARED", kind=BankKind.HARMFUL, policy="hate", created_at=START)


class TestExchanges:
    def exchange(self, tmp_path, name="local_file", config=None, bank=BANK):
        (tmp_path / "data").mkdir(exist_ok=True)
        config = {"name": "friends", **(config or {})}
        if name == "local_file":
            config["filename"] = str(tmp_path / "shared.txt")
        return Exchange(
            name,
            config,
            bank,
            folder=tmp_path / "data",
            signature=lambda text: text_signature(text, FOLD),
        )

    def test_a_file_is_read_whole_each_time_and_what_left_it_leaves_the_bank(self, data, tmp_path):
        (tmp_path / "shared.txt").write_text(f"pdq {'1' * 64}\npdq {'2' * 64}\nraw_text {LONG}\npdq zz\n")
        (tmp_path / "friends.yaml").write_text(f"name: friends\nfilename: {tmp_path / 'shared.txt'}\n")
        run(data, "add", "SHARED", "--policy", "hate")
        fetch = (
            "import",
            "SHARED",
            "--exchange",
            "local_file",
            "--exchange-config",
            tmp_path / "friends.yaml",
        )
        assert "3 entries read, 3 of them new" in run(data, *fetch)
        assert "3 entries read, 0 of them new" in run(data, *fetch)
        (tmp_path / "shared.txt").write_text(f"pdq {'2' * 64}\npdq {'3' * 64}\n")
        said = run(data, *fetch)
        assert "2 entries read, 1 of them new" in said
        assert "2 entries that local_file/friends does not tell any more are gone" in said
        found = kept(data)
        assert sorted(one.value[0] for one in found) == ["2", "3"]
        assert {one.source for one in found} == {"local_file/friends"}
        assert (data / "exchanges" / "SHARED.local_file.json").exists()
        assert not any("blorp" in one.note for one in found)

    def test_the_sample_exchange_of_the_library_fills_a_bank(self, data):
        run(data, "add", "SHARED", "--policy", "hate")
        said = run(data, "import", "SHARED", "--exchange", "sample")
        assert "of them new in SHARED" in said
        assert {one.signal.value for one in kept(data)} == {"pdq", "text"}
        assert "0 of them new" in run(data, "import", "SHARED", "--exchange", "sample")

    @pytest.mark.parametrize(
        ("name", "config", "secret"),
        [
            ("fb_threatexchange", {"privacy_group": "123"}, ("TX_ACCESS_TOKEN", f"{'1' * 15}|{'a' * 27}")),
            (
                "ncmec",
                {"environment": "https://report.cybertip.org/hashsharing"},
                ("TX_NCMEC_CREDENTIALS", "user:word"),
            ),
            ("stop_ncii", {}, ("TX_STOPNCII_KEYS", f"{'a' * 32},{'b' * 32}")),
        ],
    )
    def test_the_exchanges_of_the_network_are_put_together(self, tmp_path, monkeypatch, name, config, secret):
        variable, words = secret
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv(variable, raising=False)
        with pytest.raises(ConfigurationError, match=variable):
            self.exchange(tmp_path, name, config)
        monkeypatch.setenv(variable, words)
        made = self.exchange(tmp_path, name, config)
        assert made.source == f"{name}/friends"
        assert made.whole
        with pytest.raises(ConfigurationError, match="colour"):
            self.exchange(tmp_path, name, {**config, "colour": "red"})

    def test_all_of_them_are_told_by_name(self, tmp_path):
        assert len(EXCHANGES) == 5
        with pytest.raises(InvalidField, match="no exchange"):
            self.exchange(tmp_path, "smoke_signals")
        with pytest.raises(ConfigurationError, match="privacy_group"):
            self.exchange(tmp_path, "fb_threatexchange")

    def test_a_second_fetch_goes_on_where_the_first_ended(self, tmp_path, monkeypatch):
        """The real client of NCMEC, told by a stand-in for its network what is new."""
        monkeypatch.setenv("TX_NCMEC_CREDENTIALS", "user:word")
        config = {"environment": "https://report.cybertip.org/hashsharing"}
        asked, steps = [], []

        def told(values):
            from threatexchange.exchanges.clients.ncmec.hash_api import NCMECEntryType, NCMECEntryUpdate

            return {
                key: value
                and NCMECEntryUpdate(
                    id=key,
                    member_id=1,
                    entry_type=NCMECEntryType.image,
                    deleted=False,
                    classification=None,
                    fingerprints={"pdq": value},
                    feedback=[],
                )
                for key, value in values.items()
            }

        def answers(_self, _types, checkpoint):
            from threatexchange.exchanges.fetch_state import FetchDelta
            from threatexchange.exchanges.impl.ncmec_api import NCMECCheckpoint

            asked.append(checkpoint)
            for number, values in enumerate(steps, start=1):
                yield FetchDelta(told(values), NCMECCheckpoint(1000 * len(asked) + number))

        monkeypatch.setattr(
            "threatexchange.exchanges.impl.ncmec_api.NCMECSignalExchangeAPI.fetch_iter", answers
        )
        steps[:] = [{"k1": "1" * 64, "k2": "2" * 64}, {"k3": "3" * 64}]
        first = self.exchange(tmp_path, "ncmec", config)
        entries = [one for step in first.fetch(START) for one in step.entries]
        assert len(entries) == 3
        assert first.whole
        interrupted = self.exchange(tmp_path, "ncmec", config)
        assert interrupted.whole  # what was fetched was not made durable
        first.keep_place()

        steps[:] = [{"k1": None}]
        second = self.exchange(tmp_path, "ncmec", config)
        assert not second.whole
        (step,) = second.fetch(START)
        assert asked[-1].get_entries_max_ts == 1002
        gone = left_behind(entries, set(), set(step.gone), exchange=second)
        assert gone == [one.entry_id for one in entries if one.value == "1" * 64]
        made_anew = self.exchange(tmp_path, "ncmec", config, Bank(name="SHARED", kind=BankKind.MINORS))
        assert made_anew.whole

    @pytest.mark.parametrize(
        ("kind", "wanted"),
        [
            (BankKind.HARMFUL, {"INVESTIGATION_SEED", "POSITIVE_CLASS"}),
            (BankKind.MINORS, {"INVESTIGATION_SEED", "POSITIVE_CLASS"}),
            (BankKind.ALLOW, {"NEGATIVE_CLASS", "INVESTIGATION_SEED", "DISPUTED"}),
        ],
    )
    def test_what_is_told_to_be_a_false_alarm_enters_no_harmful_bank(self, tmp_path, kind, wanted):
        from threatexchange.exchanges import fetch_state

        class Said(fetch_state.FetchedSignalMetadata):
            def __init__(self, *categories):
                self.categories = categories

            def get_as_opinions(self):
                return [
                    fetch_state.SignalOpinion(is_mine=False, category=one, tags=set())
                    for one in self.categories
                ]

        one = self.exchange(tmp_path, bank=Bank(name="SHARED", kind=kind, created_at=START))
        negative, seed, positive = fetch_state.SignalOpinionCategory
        opinions = {
            "NEGATIVE_CLASS": Said(negative),
            "INVESTIGATION_SEED": Said(seed),
            "POSITIVE_CLASS": Said(positive),
            "DISPUTED": Said(positive, negative),
        }
        assert {name for name, said in opinions.items() if one._is_wanted(said)} == wanted

    def test_a_configuration_is_yaml_or_toml(self, tmp_path):
        (tmp_path / "a.yaml").write_text("name: friends\nprivacy_group: 7\n")
        (tmp_path / "a.toml").write_text('name = "friends"\nprivacy_group = 7\n')
        assert read_config(tmp_path / "a.yaml") == read_config(tmp_path / "a.toml")
        (tmp_path / "b.yaml").write_text("- 1\n")
        for wrong in ("b.yaml", "nothing.toml"):
            with pytest.raises(InvalidField):
                read_config(tmp_path / wrong)


def test_a_pictures_hash_is_that_of_the_library(tmp_path):
    from threatexchange.signal_type.pdq.signal import PdqSignal

    drawing(5, 384).save(tmp_path / "x.png")
    facts = facts_of((tmp_path / "x.png").read_bytes())
    assert facts.hashes[0].pdq == PdqSignal.hash_from_bytes((tmp_path / "x.png").read_bytes())
    assert facts.hashes[0].quality >= 50
    assert (facts.format, facts.width, facts.height) == ("png", 384, 384)


@pytest.mark.parametrize("seed", range(4))
def test_a_small_pictures_hash_does_not_hang_on_its_size(seed):
    whole = drawing(seed, 224)
    hashes = [hash_of(one).pdq for one in (whole, whole.resize((112, 112)), whole.resize((448, 448)))]
    for other in hashes[1:]:
        assert (int(hashes[0], 16) ^ int(other, 16)).bit_count() <= 8
