"""The page of a run, in a browser: what it shows, that nothing goes wrong, and names are text."""

import base64
import dataclasses
import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest

from qkd_gym.rendering.words import percent
from qkd_gym.report import read_run, report_page
from qkd_gym.report.page import episode_content, fill
from qkd_gym.report.recording import moments_s, record
from qkd_gym.topology import load
from tests.rendering.scenes import faulty, scene
from tests.report.runs import make_run, player_of

CHROMIUM = shutil.which("chromium")
STEP = 30
HOSTILE = (
    "</script><script>document.title = 'taken'</script>",
    "<img src=x onerror=\"document.title='taken'\">",
    "{{script}} &amp; ${1 + 1} \\u003c",
    "\u2028'\"`<!--",
    "A",
    "A",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return read_run(make_run(tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture(scope="module")
def page(run):
    return report_page(run)


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run on a network whose names are markup."""
    folder = tmp_path_factory.mktemp("hostile")
    path = folder / "network.json"
    dataclasses.replace(load("vienna"), name=HOSTILE[0], site_names=HOSTILE).save(path)
    make_run(folder / "run", scenario=str(path), episode_s=1800.0)
    return read_run(folder / "run", str(path))


def content_of(page):
    (text,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page, re.S)
    return json.loads(text)


def dom(page, path, address="", budget_ms=2000):
    """The page after its scripts, and what the browser's console says."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    path.write_text(page, encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    options += [f"--user-data-dir={path.parent / 'profile'}", f"--virtual-time-budget={budget_ms}"]
    command = [CHROMIUM, *options, "--dump-dom", f"{path.as_uri()}{address}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def texts(found, kind):
    """Texts of the elements of a class, in their order."""
    return [html.unescape(text) for text in re.findall(rf'class="{kind}">(.*?)</', found)]


def recorded(run, name):
    player = player_of(run, name)
    return record(player, moments_s(player))


def test_the_page_needs_nothing_else(page):
    assert "{{" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)|url\(|@import|https?://(?!www\.w3\.org)", page)
    assert len(page) < 200_000


def test_numbers_are_kept_to_five_digits():
    scenes = [scene("vienna", steps=steps) for steps in (0, 30)]
    content = json.loads(json.dumps(episode_content("mine", scenes)))
    for name, values in (
        ("state", [each.state for each in scenes]),
        ("pool", [each.pool_fill for each in scenes]),
        ("qber", [each.qber for each in scenes]),
        ("rate", [each.rate_bps for each in scenes]),
    ):
        whole = np.frombuffer(base64.b64decode(content[name]["data"]), "<u2").reshape(2, 8)
        read = np.where(whole == 65535, np.nan, whole * content[name]["step"])
        np.testing.assert_allclose(read, np.stack(values), atol=content[name]["step"], rtol=0.0)
        assert content[name]["step"] * 65534 >= np.nanmax(values)
    assert content["delivered"][0] is None
    assert content["requests"] == []


def test_both_episodes_end_as_the_results_say(run, page):
    content = content_of(page)
    assert [each["name"] for each in content["episodes"]] == ["agent", run.baseline]
    for episode in content["episodes"]:
        metrics = run.results[episode["name"]].metrics
        assert episode["delivered"][-1] == round(metrics["delivered_share"][0], 4)
        assert episode["blocked"][-1] == round(metrics["blocked_share"][0], 4)
    assert len(content["times_min"]) == 61
    best = run.comparison[0].metrics["delivered_share"].mean
    assert content["table"]["rows"][0][1] == f"{best:.4f}"


def test_another_episode_is_played_on_request(run):
    told = []
    content = content_of(report_page(run, 5, lambda *numbers: told.append(numbers)))
    assert "seed 5," in content["about"]
    assert told == [(done, 122) for done in range(1, 123)]


def test_the_browser_tells_what_goes_wrong(tmp_path):
    """Or else that nothing is told would mean nothing."""
    page = "<!doctype html><script>console.error('one'); throw new Error('two')</script>"
    _, console = dom(page, tmp_path / "page.html")
    assert len(console) == 2


def test_a_moment_is_shown(run, page, tmp_path):
    found, console = dom(page, tmp_path / "page.html", f"#step={STEP}&link=2")
    assert console == []
    assert f'<h1 id="title">vienna: agent beside {run.baseline}</h1>' in found
    assert "30 of 60 min</output>" in found
    assert texts(found, "name") == ["agent", run.baseline]
    scenes = [recorded(run, name)[STEP] for name in ("agent", run.baseline)]
    assert texts(found, "share") == [percent(each.sums.delivered_share) for each in scenes]
    names = [scenes[0].topology.site_names[site] for site in scenes[0].topology.link_endpoints[2]]
    for each, facts, counts in zip(
        scenes, texts(found, "facts"), texts(found, "counts"), strict=True
    ):
        assert facts.startswith(f"{names[0]} – {names[1]}, {each.topology.length_km[2]:g} km of ")
        assert f"({percent(each.pool_fill[2], 0)})" in facts
        assert f"QBER {percent(each.qber[2], 2)}" in facts
        assert counts.startswith(f"{percent(each.sums.blocked_share)} blocked; links: ")
        active, calibrating, failed = (each.count(state) for state in (1, 2, 3))
        assert f"{active} active, {calibrating} calibrating, {failed} no key, " in counts
    rows = re.findall(r"<td>(.*?)</td>", found)
    assert rows[0] in run.results
    assert "rule that it starts from</text>" in found
    assert "planned window</" not in found


def test_steps_outside_the_episode_are_its_ends(page, tmp_path):
    for address, minutes in (("#step=1000&link=99", 60), ("#step=x", 0)):
        found, console = dom(page, tmp_path / "page.html", address)
        assert f"{minutes} of 60 min</output>" in found
        assert console == []


def test_play_and_scrubbing(page, tmp_path):
    for script, minutes in (
        ("byId('play').click()", "60 of 60 min"),
        ("slider.value = 7; slider.dispatchEvent(new Event('input'))", "7 of 60 min"),
    ):
        changed = page.replace("</body>", f"<script>{script}</script></body>")
        found, console = dom(changed, tmp_path / "page.html", budget_ms=10_000)
        assert f"{minutes}</output>" in found
        assert console == []


def test_pointing_at_a_link_tells_of_it(page, tmp_path):
    point = "document.querySelectorAll('.hit')[1].dispatchEvent(new Event('pointerenter'))"
    changed = page.replace("</body>", f"<script>{point}</script></body>")
    found, console = dom(changed, tmp_path / "page.html")
    assert console == []
    names = content_of(page)["network"]["sites"]
    first, second = content_of(page)["network"]["links"][1]
    assert all(f.startswith(f"{names[first]} – {names[second]},") for f in texts(found, "facts"))


def test_names_are_text(hostile_run, tmp_path):
    page = report_page(hostile_run)
    assert page.count("<script") == 2
    assert content_of(page)["network"]["sites"] == list(HOSTILE)
    found, console = dom(page, tmp_path / "page.html", "#step=10&link=0")
    assert console == []
    assert "taken</title>" not in found
    assert found.count("<script") == 2
    assert "<img" not in found
    for name in HOSTILE[:2]:
        assert html.escape(name, quote=False) in found


def test_requests_are_numbers_and_an_outcome():
    scenes = [scene("vienna", "Routing", steps=steps) for steps in (0, 3)]
    request = scenes[1].request
    found = episode_content("mine", scenes)["requests"]
    assert found == [None, [*request.ends, request.bits, request.outcome, *request.path]]


def test_alarms_and_windows_are_told(run, page, tmp_path):
    """In the page of another episode, on the same network, in which links have some."""
    content = content_of(page)
    scenes = recorded(run, "agent")
    known = [faulty(each, alarm=[2, 3], window=[2]) for each in scenes]
    assert not {"alarm_s", "window_in_s"} & set(content["episodes"][0])
    content["episodes"][0] = episode_content("agent", known)
    found, console = dom(fill("faults", content), tmp_path / "page.html", f"#step={STEP}&link=2")
    assert console == []
    first, second = texts(found, "facts")
    assert first.endswith("Faults: alarm for 3 min, planned window in 20 min.")
    assert "Faults" not in second
    assert texts(found, "counts")[0].endswith("; 2 with an alarm, 1 with a planned window")
    # Two links and the legend have rails, one and the legend ties.
    assert [found.count(f'class="{kind}"') for kind in ("alarm", "window")] == [3, 2]
    assert "planned window</span>" in found


def test_a_template_is_filled_once():
    page = fill("{{content}}", {"title": "{{script}}"})
    assert "<title>{{content}}</title>" in page
    assert '{"title":"{{script}}"}' in page
