"""Views that others have written are read, and what is no view of the network is refused."""

import copy
import json
import re
from itertools import count
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym
from qkd_gym.envs.tasks import LINK_SCHEDULING
from qkd_gym.errors import InvalidInput
from qkd_gym.features import ALARM, CONTEXT, LINK
from qkd_gym.operators import Observer, read_view, view
from qkd_gym.topology import load
from tests.operators.viewing import (
    ALARM_NAME,
    FAULTY,
    NODE,
    link_entries,
    played,
    same,
    through_json,
)


def standard_only(plain):
    """A view as a controller of the standard has it, without what the package adds."""
    if isinstance(plain, list):
        return [standard_only(each) for each in plain]
    if isinstance(plain, dict):
        kept = {n: v for n, v in plain.items() if not n.startswith("qkd-gym:")}
        return {name: standard_only(value) for name, value in kept.items()}
    return plain


def test_a_controllers_own_view_is_read_up_to_its_rounding():
    network = load("madrid")
    env, own = played(LINK_SCHEDULING.env_id, 30, scenario=network)
    plain = standard_only(through_json(env))
    # Its own ids, and leaves and a relayed link that nobody here reads.
    ids = {tree[NODE]["qkdn_id"]: f"node {number}" for number, tree in enumerate(plain["nodes"])}
    text = json.dumps(plain)
    for one, other in ids.items():
        text = text.replace(one, other)
    plain = json.loads(text)
    first = plain["nodes"][0][NODE]
    first["qkd_applications"] = {"qkd_app": [{"app_id": "anything"}]}
    virtual = {"qkdl_type": "etsi-qkdn-types:VIRT", "virt_bandwidth": 5}
    first["qkd_links"]["qkd_link"].append({**first["qkd_links"]["qkd_link"][0], **virtual})

    found = Observer(LINK_SCHEDULING.env_id, network).observe(plain)
    links, truth = found["links"], own["links"]
    running = truth[:, LINK.active] == 1.0
    assert running.any()
    assert np.array_equal(links[:, LINK.active], truth[:, LINK.active])
    for name in ("observed_rate", "demand_average"):  # integers of bit/s
        column = getattr(LINK, name)
        assert links[running, column] == pytest.approx(truth[running, column], abs=1e-3)
    qber = links[running, LINK.observed_qber]
    assert qber == pytest.approx(truth[running, LINK.observed_qber], abs=0.0005 / 0.1)
    # Without an age, what is measured of an enabled link counts as measured just now.
    measured = truth[running, LINK.freshness] > 0.0
    assert np.array_equal(links[running, LINK.freshness], measured.astype(np.float32))
    assert not links[~running, LINK.freshness].any()
    assert not links[:, LINK.pool_fill].any()
    assert found["context"][CONTEXT.elapsed] == 0.0


def test_a_controllers_own_alarms_are_read():
    env, own = played("qkd_gym/LinkActivation-v0", 30, **FAULTY)
    plain = standard_only(through_json(env))
    first = plain["nodes"][0][NODE]["qkd_links"]["qkd_link"]
    first.append({**first[0], "qkdl_id": "relayed", "qkdl_type": "etsi-qkdn-types:VIRT"})
    severity = {"severity": "etsi-qkd-node-types:MAJOR", "message": "no light"}
    plain["alarms"][0][ALARM_NAME]["link"].update(severity)
    plain["alarms"] += [
        {ALARM_NAME: {"link": {"qkdl_id": "relayed", **severity}}},
        {ALARM_NAME: {"interface": {"qkdi_id": 1, **severity}}},
    ]
    observer = Observer("qkd_gym/LinkActivation-v0", **FAULTY)
    found = observer.observe(plain)["alarms"]
    assert np.array_equal(found[:, ALARM.alarm], own["alarms"][:, ALARM.alarm])
    # Without its age an alarm has just been raised.
    assert not found[:, ALARM.alarm_age].any()
    link = int(np.flatnonzero(found[:, ALARM.alarm])[0])
    for lasted_s in (600.0, 120.0):
        alarmed = {
            **plain["alarms"][0][ALARM_NAME]["link"],
            "qkd-gym:alarm": {"lasted_s": lasted_s},
        }
        plain["alarms"].append({ALARM_NAME: {"link": alarmed}})
    found = observer.observe(plain)["alarms"]
    assert found[link, ALARM.alarm_age] == pytest.approx(np.log1p(10.0))
    # A network without faults has no place for alarms.
    without = {**FAULTY, "faults": []}
    assert "alarms" not in Observer("qkd_gym/LinkActivation-v0", **without).observe(plain)


def test_a_link_that_no_node_lists_is_off_and_unmeasured():
    env, own = played(LINK_SCHEDULING.env_id, 30, scenario="madrid")
    plain = through_json(env)
    for tree in plain["nodes"]:
        tree[NODE]["qkd_links"] = {}
    links = Observer(LINK_SCHEDULING.env_id, "madrid").observe(plain)["links"]
    for name in ("active", "pool_fill", "observed_rate", "freshness", "demand_average"):
        assert not links[:, getattr(LINK, name)].any()
    assert np.array_equal(links[:, LINK.length], own["links"][:, LINK.length])


def test_of_two_entries_of_a_link_the_first_counts():
    env, own = played(LINK_SCHEDULING.env_id, 10, scenario="madrid")
    plain, listed = through_json(env), set()
    for link in link_entries(plain):
        if link["qkdl_id"] in listed:
            link["qkdl_enable"] = not link["qkdl_enable"]
        listed.add(link["qkdl_id"])
    assert same(Observer(LINK_SCHEDULING.env_id, "madrid").observe(plain), own)


def test_one_observer_keeps_nothing_of_the_last_view():
    observer = Observer(LINK_SCHEDULING.env_id, "madrid")
    busy, _ = played(LINK_SCHEDULING.env_id, 60, scenario="madrid")
    fresh, observation = played(LINK_SCHEDULING.env_id, 0, scenario="madrid")
    kept = observer.observe(view(busy))
    before = copy.deepcopy(kept)
    assert same(observer.observe(view(fresh)), observation)
    assert same(kept, before)


def first_link(plain):
    return plain["nodes"][0][NODE]["qkd_links"]["qkd_link"][0]


def add_request(plain, **changes):
    ids = [tree[NODE]["qkdn_id"] for tree in plain["nodes"]]
    asked = {"local_qkdn_id": ids[0], "remote_qkdn_id": ids[1], "bits": 1, **changes}
    plain["qkd-gym:network"]["past_requests"] = [asked]


def add_site(plain):
    plain["nodes"].append(plain["nodes"][0])


def run_all(plain):
    for link in link_entries(plain):
        link["qkdl_enable"] = True


WRONG = {
    "elapsed_s": lambda p: p["qkd-gym:network"].update(elapsed_s=1e6),
    "network_index is 1": lambda p: p["qkd-gym:network"].update(network_index=1),
    "did you mean 'elapsed_s'": lambda p: p["qkd-gym:network"].update(elapsed=1.0),
    "qkdn_location_id is 'Atlantis'": lambda p: p["nodes"][0][NODE].update(
        qkdn_location_id="Atlantis"
    ),
    "has 0 nodes": lambda p: p["nodes"].pop(),
    "has 2 nodes": add_site,
    "two nodes with the qkdn_id": lambda p: p["nodes"][0][NODE].update(
        qkdn_id=p["nodes"][1][NODE]["qkdn_id"]
    ),
    "must have that of a node": lambda p: first_link(p)["qkdl_remote"].update(qkdn_id="nobody"),
    "must be a candidate link": lambda p: first_link(p)["qkdl_remote"].update(
        qkdn_id=first_link(p)["qkdl_local"]["qkdn_id"]
    ),
    "at most one per QKD module": run_all,
    "stored_bits": lambda p: first_link(p)["qkd-gym:link"].update(stored_bits=10**12),
    "calibration_left_s": lambda p: first_link(p)["qkd-gym:link"].update(calibration_left_s=1e4),
    "skr": lambda p: first_link(p)["qkdl_performance"].update(skr="fast"),
    "QBER is '1.8'": lambda p: first_link(p).update(
        {
            "qkd-gym:link": {},
            "qkdl_performance": {"phys_perf": [{"perf_type": "QBER", "value": "1.8"}]},
        }
    ),
    "QBER is 'few'": lambda p: first_link(p).update(
        {
            "qkd-gym:link": {},
            "qkdl_performance": {"phys_perf": [{"perf_type": "QBER", "value": "few"}]},
        }
    ),
    "'bits'": lambda p: p["qkd-gym:network"].update(past_requests=[{"bit": 1}]),
    "service of a request is 1": lambda p: add_request(p, service=1),
    "has the qkdn_id 'nobody'": lambda p: add_request(p, remote_qkdn_id="nobody"),
    "to itself": lambda p: add_request(
        p, **dict.fromkeys(("local_qkdn_id", "remote_qkdn_id"), p["nodes"][0][NODE]["qkdn_id"])
    ),
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_no_view_of_the_network_is_refused(words):
    env, _ = played(LINK_SCHEDULING.env_id, 5, scenario="madrid")
    plain = through_json(env)
    WRONG[words](plain)
    with pytest.raises(InvalidInput, match=f"(?i){re.escape(words)}"):
        Observer(LINK_SCHEDULING.env_id, "madrid").observe(plain)


def alarm_of_nobody(plain):
    plain["alarms"].append({ALARM_NAME: {"link": {"qkdl_id": "nobody"}}})


WRONG_ALARMS = {
    "alarm has the qkdl_id 'nobody', but must have that of a qkd_link": alarm_of_nobody,
    "window: begins_in_s is 60, but must be in [0, 30]": lambda p: first_link(p)[
        "qkd-gym:link"
    ].update(window={"begins_in_s": 60.0, "ends_in_s": 30.0}),
    "lacks the field 'ends_in_s'": lambda p: first_link(p)["qkd-gym:link"].update(window={}),
    "did you mean 'lasted_s'": lambda p: p["alarms"][0][ALARM_NAME]["link"].update(
        {"qkd-gym:alarm": {"lasts_s": 1.0}}
    ),
}


@pytest.mark.parametrize("words", WRONG_ALARMS)
def test_alarms_and_windows_of_nothing_are_refused(words):
    env, _ = played("qkd_gym/LinkActivation-v0", 30, **FAULTY)
    plain = through_json(env)
    WRONG_ALARMS[words](plain)
    with pytest.raises(InvalidInput, match=f"(?i){re.escape(words)}"):
        Observer("qkd_gym/LinkActivation-v0", **FAULTY).observe(plain)


def test_more_requests_than_there_is_room_for_are_refused():
    env, _ = played(LINK_SCHEDULING.env_id, 5, scenario="madrid")
    plain = through_json(env)
    add_request(plain)
    plain["qkd-gym:network"]["past_requests"] *= 10_000
    with pytest.raises(InvalidInput, match=r"past_requests has 10000 requests"):
        Observer(LINK_SCHEDULING.env_id, "madrid").observe(plain)


def test_what_is_no_environment_or_has_not_begun_is_refused():
    with pytest.raises(InvalidInput, match=r"must be an environment of the package"):
        view("metro")
    with pytest.raises(gym.error.ResetNeeded):
        view(gym.make("qkd_gym/LinkActivation-v0", scenario="madrid"))


def test_the_example_of_the_page_runs(capsys):
    page = Path(__file__).parents[2] / "docs" / "operators.md"
    for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, {})
    assert re.match(r"switch the link between \w+|hold", capsys.readouterr().out)


def test_sites_of_one_name_are_refused():
    network = load("madrid")
    numbers = count()
    names = ["alike" if next(numbers) < 2 else name for name in network.site_names]
    mapping = network.to_mapping()
    for node, name in zip(mapping["nodes"], names, strict=True):
        node["name"] = name
    env, _ = played("qkd_gym/LinkActivation-v0", 0, scenario={"topology": mapping, "bank_size": 1})
    with pytest.raises(InvalidInput, match=r"2 sites with the name 'alike'"):
        view(env)


def test_a_file_that_is_no_view_is_refused(tmp_path):
    path = tmp_path / "view.json"
    path.write_text("{}")
    with pytest.raises(InvalidInput, match=r"lacks the field 'nodes'"):
        read_view(path)
    assert qkd_gym.operators.View is type(read_view({"nodes": []}))
