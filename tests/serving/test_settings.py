"""Settings: where each value comes from, and that every mistake is told at once."""

import re

import pytest

from sievert.errors import ConfigurationError
from sievert.serving.settings import SECRET_SETTINGS, Settings, describe, load_settings


def load(environ=None, flags=None, config=None):
    return load_settings(config=config, environ=environ or {}, flags=flags or {})


def test_defaults_then_file_then_environment_then_flags(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('port = 1\nhost = "file"\nqueue_posts = 300\n')
    loaded = load({"SIEVERT_PORT": "2", "SIEVERT_HOST": "environment"}, {"port": 3, "host": None}, file)

    assert (loaded.settings.port, loaded.sources["port"]) == (3, "flag")
    assert (loaded.settings.host, loaded.sources["host"]) == ("environment", "environment")
    assert (loaded.settings.queue_posts, loaded.sources["queue_posts"]) == (300, str(file))
    assert loaded.sources["log_level"] == "default"


def test_the_environment_names_the_file_and_the_working_folder_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sievert.toml").write_text("port = 11")
    (tmp_path / "other.toml").write_text("port = 12")
    assert load().settings.port == 11
    assert load({"SIEVERT_CONFIG": "other.toml"}).settings.port == 12


def test_all_mistakes_are_told_at_once(tmp_path, golden):
    file = tmp_path / "wrong.toml"
    file.write_text('prot = 1\nqueue_posts = "many"\nlog_level = "loud"\n')
    environ = {
        "SIEVERT_PORT": "99999",
        "SIEVERT_HOTS": "x",
        "SIEVERT_WEBHOOK_URL": "ftp://x",
        "SIEVERT_WEBHOOK_SECRET": "hunter2",
    }
    with pytest.raises(ConfigurationError) as raised:
        load(environ, config=file)
    assert len(raised.value.problems) >= 6
    assert "hunter2" not in str(raised.value)
    golden("wrong_settings.txt", raised.value.what.replace(str(tmp_path), "FOLDER") + "\n")


def test_a_webhook_must_be_signed():
    with pytest.raises(ConfigurationError, match="webhook_secret"):
        load({"SIEVERT_WEBHOOK_URL": "https://example.com/hook"})


@pytest.mark.parametrize("text", ["port = ", "\x00", "[1"])
def test_a_file_that_is_no_toml_is_named(tmp_path, text):
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"bad\.toml is not TOML"):
        load(config=file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(config=tmp_path / "missing.toml")


def test_every_setting_says_what_it_is_for():
    assert len(Settings.__struct_fields__) >= 13
    for name in Settings.__struct_fields__:
        assert re.match(r"\w", describe(name))
    assert set(Settings.__struct_fields__) >= SECRET_SETTINGS
