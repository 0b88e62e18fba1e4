"""Runs side by side: the tables as a golden file, the page in a real browser, the command as people type it."""

import re

import pytest
from playwright.sync_api import expect

from browser import CHROMIUM, browser_page
from command_line import sievert
from run_folders import write_run
from sievert.errors import NotFound, StoreCorrupt
from sievert.evaluation.run_report import read_runs, report_page, report_tables

HOSTILE = "</script><img src=http://192.0.2.1/x onerror=alert(1)>"


@pytest.fixture
def folders(tmp_path):
    return [
        write_run(tmp_path / "slow", rate=0.01, score=0.7),
        write_run(tmp_path / "fast", rate=0.1, score=0.8, more={"tokens": 64}),
        write_run(tmp_path / "going", rate=0.1, score=0.9, done=False, name="other"),
    ]


def test_the_tables_are_as_the_golden_file_says(folders, golden):
    golden("run_report.html", report_tables(read_runs(folders)) + "\n")


def test_runs_that_are_alike_have_no_differences(folders):
    assert "<p>Recipes, data and versions are the same.</p>" in report_tables(read_runs(folders[:1]))


def test_folders_of_one_name_are_told_apart(tmp_path):
    one, other = write_run(tmp_path / "a" / "run"), write_run(tmp_path / "b" / "run")

    assert [run.name for run in read_runs([one, other, one])] == [str(one), str(other)]


def test_what_is_no_run_or_no_more_is_refused(folders, tmp_path):
    with pytest.raises(NotFound, match="is no run folder"):
        read_runs([tmp_path])
    (folders[0] / "result.json").write_text("{}")
    with pytest.raises(StoreCorrupt, match="its hash differs"):
        read_runs(folders)


def test_names_are_text_and_nothing_else(tmp_path):
    run = write_run(tmp_path / "run", name=HOSTILE, more={HOSTILE: HOSTILE})
    other = write_run(tmp_path / "other")

    page = report_page(read_runs([run, other]))

    assert "<img" not in page
    assert page.count("</script>") == 1
    assert "http://" not in re.sub(r"http://www\.w3\.org/2000/svg|http://192\.0\.2\.1", "", page)


def test_the_command_writes_the_page(folders, tmp_path):
    done = sievert("report", *folders, "--out", "page.html", cwd=tmp_path)

    assert done.returncode == 0
    assert b"3 runs in page.html" in done.stderr
    assert "Training runs" in (tmp_path / "page.html").read_text()
    assert sievert("report", *folders, "--out", tmp_path).returncode == 2


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)")
def test_the_page_sorts_searches_and_toggles_in_a_browser_that_is_offline(folders, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_page(read_runs(folders)))
    with browser_page() as watched:
        page = watched.page
        page.goto(path.as_uri())
        names = page.locator("#runs tbody tr td:nth-child(2)")
        expect(page.locator("#shown")).to_have_text("3 of 3")
        expect(names).to_have_text(["slow", "fast", "going"])

        score = page.get_by_role("button", name="PR-AUC")
        score.click()
        expect(names).to_have_text(["slow", "fast", "going"])
        score.click()
        expect(names).to_have_text(["going", "fast", "slow"])
        cores = page.get_by_role("button", name="core seconds")
        cores.click()
        expect(names).to_have_text(["slow", "fast", "going"])
        cores.click()
        expect(names).to_have_text(["fast", "slow", "going"])
        page.get_by_role("button", name="run", exact=True).click()
        expect(names).to_have_text(["fast", "going", "slow"])

        fast = page.locator('[data-line="fast"]')
        expect(fast).to_have_count(2)
        assert page.locator("#curves polyline").count() == 6
        page.get_by_label("curve of fast").uncheck()
        expect(fast.first).to_have_attribute("visibility", "hidden")
        page.get_by_label("curve of fast").check()
        expect(fast.first).to_have_attribute("visibility", "visible")

        page.get_by_label("Show runs with").fill("other")
        expect(page.locator("#shown")).to_have_text("1 of 3")
        expect(page.locator("#runs tbody tr:visible")).to_have_count(1)
        expect(page.locator('[data-line="slow"]').first).to_have_attribute("visibility", "hidden")
        expect(page.locator('#differences th[data-run="slow"]')).to_be_hidden()
        page.get_by_label("Show runs with").fill("")
        expect(page.locator("#runs tbody tr:visible")).to_have_count(3)

        assert watched.requests == [path.as_uri()]
        assert watched.complaints == []


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian's package chromium)")
def test_the_pages_policy_stops_what_is_not_its_own(folders, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(
        report_page(read_runs(folders)).replace("</body>", "<script>window.planted = 1</script></body>")
    )
    with browser_page() as watched:
        page = watched.page
        page.goto(path.as_uri())
        page.evaluate(
            "() => { const one = document.createElement('img'); one.src = 'http://192.0.2.1/x.png';"
            " document.body.append(one); }"
        )
        page.wait_for_timeout(200)

        assert page.evaluate("() => window.planted") is None
        assert len([line for line in watched.complaints if "Content Security Policy" in line]) == 2
