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
        "SIEVERT_MEDIA_STORE": "ftp://x",
        "SIEVERT_MEDIA_ENDPOINT": "minio",
        "SIEVERT_FETCH_PRIVATE_HOSTS": "cdn:80, http://cdn",
        "SIEVERT_KEEP_MEDIA_DAYS": "-1",
    }
    with pytest.raises(ConfigurationError) as raised:
        load(environ, config=file)
    assert len(raised.value.problems) >= 6
    assert "hunter2" not in str(raised.value)
    golden("wrong_settings.txt", raised.value.what.replace(str(tmp_path), "FOLDER") + "\n")


def test_a_webhook_must_be_signed():
    with pytest.raises(ConfigurationError, match="webhook_secret"):
        load({"SIEVERT_WEBHOOK_URL": "https://example.com/hook"})


def test_hosts_are_listed_in_the_file_and_with_commas_in_the_environment(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('fetch_private_hosts = ["cdn.internal:8080", "[::1]:80"]')
    assert load(config=file).settings.fetch_private_hosts == ("cdn.internal:8080", "[::1]:80")
    named = load({"SIEVERT_FETCH_PRIVATE_HOSTS": "127.0.0.1:9000, cdn:80,"}, config=file)
    assert named.settings.fetch_private_hosts == ("127.0.0.1:9000", "cdn:80")
    assert load({"SIEVERT_FETCH_PRIVATE_HOSTS": ""}, config=file).settings.fetch_private_hosts == ()
    for wrong in ("cdn", "10.0.0.0/8:80", "http://cdn:80", "cdn:port", "*:80", "::1:80", "cdn:80:80"):
        with pytest.raises(ConfigurationError, match="fetch_private_hosts"):
            load(flags={"fetch_private_hosts": [wrong]})


@pytest.mark.parametrize(
    ("environ", "what"),
    [
        ({"SIEVERT_MEDIA_STORE": "s3:///prefix"}, "media_store is no place"),
        ({"SIEVERT_MEDIA_STORE": "https://bucket"}, "media_store is no place"),
        ({"SIEVERT_MEDIA_STORE": "s3://b", "SIEVERT_MEDIA_ENDPOINT": "x:1"}, "media_endpoint is no address"),
        ({"SIEVERT_MEDIA_ENDPOINT": "http://x"}, "media_endpoint without S3"),
        ({"SIEVERT_KEEP_MEDIA_DAYS": "36501"}, "keep_media_days|KEEP_MEDIA_DAYS"),
    ],
)
def test_where_pictures_are_kept_must_be_a_place(environ, what):
    with pytest.raises(ConfigurationError, match=what):
        load(environ)


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
