"""What an operator sees survives the way through the names of ETSI GS QKD 015."""

import copy
import json
import re
import uuid
from itertools import count
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

import qkd_gym
from qkd_gym.baselines import make_policy
from qkd_gym.envs.tasks import LINK_SCHEDULING, TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.features import ALARM, CONTEXT, LINK
from qkd_gym.operators import Observer, read_view, view
from qkd_gym.scoring import shipped_schedule
from qkd_gym.topology import load

SMALL = {"n_sites": 10, "bank_size": 3}
NODE, ALARM_NAME = "etsi-qkd-sdn-node:qkd_node", "etsi-qkd-sdn-node:alarm"
# Faults of every kind at once, of which many are announced.
UPKEEP = {"name": "upkeep", "strikes": "district", "duration_min_s": 900.0, "announced_s": 1200.0}
FAULTY = {"scenario": "bad-days", "n_sites": 10, "bank_size": 1}
ANNOUNCED = {**FAULTY, "faults": [{**UPKEEP, "per_hour": 3.0, "detection_s": 0.0}]}
# Everything that a tree may hold, by the YANG modules of the standard.
STANDARD = {
    *("qkdn_id", "qkdn_status", "qkdn_version", "qkdn_location_id", "qkd_interfaces"),
    *("qkd_interface", "qkdi_id", "qkdi_type", "qkdi_status", "qkd_links", "qkd_link", "qkdl_id"),
    *("qkdl_status", "qkdl_enable", "qkdl_local", "qkdl_remote", "qkdl_type", "phys_channel_att"),
    *("qkdl_performance", "expected_consumption", "skr", "eskr", "phys_perf", "perf_type", "value"),
}
IDENTITIES = {
    "qkdn_status": ("NEW", "OPERATING", "DOWN", "FAILURE", "OUT"),
    "qkdi_type": ("CV-QKD", "DV-QKD", "DV-QKD-COW", "DV-QKD-2Ws"),
    "qkdi_status": ("ENABLED", "DISABLED", "FAILED"),
    "qkdl_status": ("ACTIVE", "PASSIVE", "PENDING", "OFF"),
    "qkdl_type": ("PHYS", "VIRT"),
    "perf_type": ("QBER", "SNR"),
}


def played(env_id, steps, seed=0, **options):
    """An environment after random legal actions, and its last observation."""
    env = gym.make(env_id, **options)
    *_, last = observations(env, steps, seed)
    return env, last


def observations(env, steps, seed=0):
    """Observations of an environment before random legal actions, and after the last."""
    observation, info = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    yield observation
    is_joint = isinstance(env.action_space, gym.spaces.MultiDiscrete)
    parts = env.action_space.nvec[:1] if is_joint else []
    for _ in range(steps):
        masks = np.split(info["action_mask"], parts)
        action = [rng.choice(np.flatnonzero(mask)) for mask in masks]
        observation, *_, info = env.step(action if len(action) > 1 else action[0])
        yield observation


def through_json(env, member=0):
    return json.loads(json.dumps(view(env, member), allow_nan=False))


def same(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) and first[name].dtype == second[name].dtype
        for name in first
    )


def link_entries(plain):
    for tree in plain["nodes"]:
        yield from tree[NODE]["qkd_links"]["qkd_link"]


CASES = [
    ("LinkActivation", {"scenario": "metro", **SMALL}),
    ("LinkActivation", {"scenario": "metro-fog", **SMALL, "measured_share": 0.0}),
    ("LinkScheduling", {"scenario": "hidden", **SMALL}),
    ("LinkScheduling", {"scenario": "hybrid", **SMALL, "key_lifetime_s": 900.0}),
    ("LinkScheduling", {"scenario": "metro-instant", **SMALL, "dwell_s": 0.0}),
    ("LinkScheduling", {"scenario": "madrid"}),
    ("LinkScheduling", {"scenario": "metro-finite", **SMALL}),
    ("Network", {"scenario": "classes", **SMALL}),
    ("Routing", {"scenario": "classes-busy", **SMALL}),
    ("LinkActivation", FAULTY),
    ("LinkScheduling", ANNOUNCED),
    ("Routing", ANNOUNCED),
]


@pytest.mark.parametrize(("task", "options"), CASES)
def test_the_observation_of_a_view_is_the_environments_own(task, options):
    env_id = TASKS[task].env_id
    observer = Observer(env_id, **options)
    env = gym.make(env_id, **options)
    for observation in observations(env, 40):
        assert same(observer.observe(through_json(env)), observation)


def test_policies_decide_the_same_from_a_view():
    options = {"scenario": "metro", **SMALL}
    observer = Observer(LINK_SCHEDULING.env_id, **options)
    policies = [shipped_schedule("metro"), make_policy("demand-deficit", scenario="metro")]
    for policy in policies:
        env = gym.make(LINK_SCHEDULING.env_id, **options)
        observation, _ = env.reset(seed=1)
        chosen = set()
        for _ in range(60):
            action, _ = policy.predict(observation)
            assert policy.predict(observer.observe(through_json(env)))[0] == action
            chosen.add(int(action))
            observation, *_ = env.step(action)
        assert len(chosen) > 5  # so that something was decided


class Wary:
    """Switches off what has an alarm or is announced to go, the longest and nearest first."""

    def predict(self, observation):
        alarms, active = observation["alarms"], observation["links"][:, LINK.active] == 1.0
        known = (alarms[:, ALARM.alarm] == 1.0) | (alarms[:, ALARM.window] == 1.0)
        urgent = 1.0 + alarms[:, ALARM.alarm_age] - 0.1 * alarms[:, ALARM.window_in]
        urgent -= 0.01 * alarms[:, ALARM.window_left]
        chosen = np.where(known & active, urgent, -np.inf)
        return int(chosen.argmax()) if np.isfinite(chosen).any() else len(chosen)


@pytest.mark.parametrize("options", [FAULTY, ANNOUNCED])
def test_a_policy_that_reads_alarms_decides_the_same_from_a_view(options):
    env = gym.make("qkd_gym/LinkActivation-v0", **options)
    observer, policy = Observer("qkd_gym/LinkActivation-v0", **options), Wary()
    observation, _ = env.reset(seed=1)
    chosen = set()
    for step in range(60):
        action = policy.predict(observation)
        assert policy.predict(observer.observe(through_json(env))) == action
        chosen.add(action)
        # Between its decisions links are switched on, so that there is something to decide.
        observation, *_ = env.step(action if step % 2 else step % (env.action_space.n - 1))
    assert len(chosen) > 5


def test_a_member_of_a_vector_environment_has_its_own_view(tmp_path):
    options = {"scenario": "metro", **SMALL}
    vec = gym.make_vec("qkd_gym/LinkActivation-v0", num_envs=3, **options)
    vec.reset(seed=0)
    observation, *_ = vec.step(np.array([0, 1, 2]))
    observer = Observer("qkd_gym/LinkActivation-v0", **options)
    for member in range(3):
        path = tmp_path / f"{member}.json"
        path.write_text(json.dumps(view(vec, member)))
        own = {name: array[member] for name, array in observation.items()}
        assert same(observer.observe(path), own)
    with pytest.raises(InvalidInput, match=r"^member is 3, but must be in \[0, 2\]"):
        view(vec, 3)


def test_a_view_has_no_hidden_truth():
    env, _ = played("qkd_gym/LinkActivation-v0", 30, scenario="hidden", **SMALL)
    before = view(env)
    state = env.unwrapped.core.simulator.state
    for name in ("excess_loss_db", "drift", "outage_until_s", "attack_until_s", "attack_fraction"):
        state.links[name][:] = 0.123
    state.sites["misalignment"][:] = 0.123
    state.sites["fog"][:] = 1.0
    state.episodes["hot_spot"][:] = 1
    state.episodes["key"][:] = 1
    state.bursts["on"][:] = 1
    assert view(env) == before
    state.links["pool"][0, 0] += 1
    assert view(env) != before


def names_and_values(part):
    """All leaves and containers of a tree but those of extensions."""
    if isinstance(part, list):
        for each in part:
            yield from names_and_values(each)
    elif isinstance(part, dict):
        for name, value in part.items():
            if not name.startswith("qkd-gym:"):
                yield name, value
                yield from names_and_values(value)


@pytest.mark.parametrize("scenario", ["metro", "hybrid"])
def test_names_and_types_are_those_of_the_standard(scenario):
    env, _ = played("qkd_gym/LinkActivation-v0", 30, scenario=scenario, **SMALL)
    plain = through_json(env)
    seen = {}
    for tree in plain["nodes"]:
        assert list(tree) == [NODE]
        for name, value in names_and_values(tree[NODE]):
            seen.setdefault(name, []).append(value)
    # A module serves links of any protocol, so that in a mixture it has no type.
    assert set(seen) == STANDARD - ({"qkdi_type"} if scenario == "hybrid" else set())
    for name, identities in IDENTITIES.items():
        assert set(seen.get(name, [])) <= {f"etsi-qkd-node-types:{one}" for one in identities}
    for name in ("expected_consumption", "skr", "eskr", "qkdi_id"):
        assert all(type(value) is int and 0 <= value < 2**32 for value in seen[name])
    for name in ("value", "phys_channel_att"):
        assert all(re.fullmatch(r"\d+\.\d{3}", value) for value in seen[name])
    for name in ("qkdn_id", "qkdl_id"):
        assert all(str(uuid.UUID(value)) == value for value in seen[name])


def test_alarms_are_what_nodes_would_tell():
    env, observation = played("qkd_gym/LinkActivation-v0", 30, **FAULTY)
    plain = through_json(env)
    listed = {link["qkdl_id"]: link for link in link_entries(plain)}
    alarmed = [each[ALARM_NAME]["link"] for each in plain["alarms"]]
    assert len({each["qkdl_id"] for each in alarmed}) == len(alarmed) > 2
    assert len(alarmed) == observation["alarms"][:, ALARM.alarm].sum()
    for each in plain["alarms"]:
        assert list(each) == [ALARM_NAME]
        assert {name for name, _ in names_and_values(each)} == {
            *(ALARM_NAME, "link", "qkdl_id", "qkdl_status")
        }
    for each in alarmed:
        assert each["qkdl_status"] == listed[each["qkdl_id"]]["qkdl_status"]
    ages = sorted(each["qkd-gym:alarm"]["lasted_s"] for each in alarmed)
    seen = observation["alarms"][observation["alarms"][:, ALARM.alarm] == 1.0, ALARM.alarm_age]
    np.testing.assert_allclose(np.log1p(np.array(ages) / 60.0), np.sort(seen), rtol=1e-6)


def test_windows_are_those_that_are_announced():
    env, observation = played("qkd_gym/LinkActivation-v0", 10, **ANNOUNCED)
    windows = [link["qkd-gym:link"].get("window") for link in link_entries(view(env))]
    ahead = observation["alarms"][:, ALARM.window_in] > 0.0
    lasting = (observation["alarms"][:, ALARM.window] == 1.0) & ~ahead
    assert ahead.any()
    assert lasting.any()
    told = [window for window in windows if window]
    # Both nodes of a link list it.
    assert sum(window["begins_in_s"] > 0.0 for window in told) == 2 * ahead.sum()
    assert len(told) == 2 * (ahead | lasting).sum()
    assert all(window["ends_in_s"] > window["begins_in_s"] for window in told)


def test_a_view_without_faults_has_neither():
    plain = view(played("qkd_gym/LinkActivation-v0", 5, scenario="metro", **SMALL)[0])
    assert list(plain) == ["nodes", "qkd-gym:network"]
    assert "window" not in json.dumps(plain)


def test_what_faults_do_is_hidden():
    env, _ = played("qkd_gym/LinkActivation-v0", 30, **FAULTY)
    before, state = view(env), env.unwrapped.core.simulator.state
    for name in ("dark", "scrambled", "tables", "excess_loss_db", "exposed"):
        state.struck[name][:] = 0.123
    state.events["place"][:] = 0
    assert view(env) == before
    state.struck["window"][0, 0] = 1.0 - state.struck["window"][0, 0]
    assert view(env) != before


def test_statuses_say_what_the_standard_means_by_them():
    env, _ = played("qkd_gym/LinkActivation-v0", 30, scenario="metro", **SMALL)
    statuses = set()
    for link in link_entries(view(env)):
        status, own = link["qkdl_status"].partition(":")[2], link["qkd-gym:link"]
        statuses.add(status)
        makes_key = link["qkdl_enable"] and not own.get("calibration_left_s")
        if status == "ACTIVE":
            assert makes_key
            assert own["measured_rate_bps"] > 0.0
        elif status == "PASSIVE":
            assert own["stored_bits"] > 0
        else:
            assert not own.get("stored_bits")
            assert (status == "PENDING") == link["qkdl_enable"]
    assert {"ACTIVE", "OFF"} <= statuses


def test_modules_are_those_that_links_hold():
    env, observation = played("qkd_gym/LinkActivation-v0", 30, scenario="metro", **SMALL)
    held = []
    for link in link_entries(view(env)):
        ends = [link["qkdl_local"], link["qkdl_remote"]]
        assert all(("qkdi_id" in end) == link["qkdl_enable"] for end in ends)
        if link["qkdl_enable"]:
            held.append((ends[0]["qkdn_id"], ends[0]["qkdi_id"]))
            assert ends[0]["qkdi_id"] in (1, 2)
    assert len(set(held)) == len(held) == 2 * observation["links"][:, LINK.active].sum()


def test_a_simulated_view_says_so():
    plain = view(played("qkd_gym/Routing-v0", 3, scenario="control-modules", **SMALL)[0])
    assert plain["qkd-gym:network"]["simulated"] is True
    assert all("its key is no key" in tree[NODE]["qkdn_version"] for tree in plain["nodes"])


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
