"""What an operator sees survives the way through the names of ETSI GS QKD 015."""

import json
import re
import uuid

import gymnasium as gym
import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.envs.tasks import LINK_SCHEDULING, TASKS
from qkd_gym.errors import InvalidInput
from qkd_gym.features import ALARM, LINK
from qkd_gym.operators import Observer, view
from qkd_gym.scoring import shipped_schedule
from tests.operators.viewing import (
    ALARM_NAME,
    ANNOUNCED,
    FAULTY,
    NODE,
    SMALL,
    link_entries,
    observations,
    played,
    same,
    through_json,
)

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
