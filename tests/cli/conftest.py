"""Commands run in this process, beside a server of the test."""

import pytest

from sievert.cli import main


@pytest.fixture
def sievert(tmp_path, tiny_folder, monkeypatch, capsys):
    """Run a command in this process, with the server's folder and bundle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("SIEVERT_DATA_FOLDER", str(tmp_path / "data"))
    monkeypatch.setenv("SIEVERT_BUNDLE", str(tiny_folder))

    def command(*arguments):
        monkeypatch.setattr("sys.argv", ["sievert", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return command
