"""Which path a request takes, or none: prices, scores, what is allowed, and when to refuse."""

import numpy as np
import pytest

from qkd_gym.baselines import make_policy
from qkd_gym.features import CONTEXT, HOPS_SCALE, LINK, NODE, PATH, REQUEST
from qkd_gym.scoring.inputs import INPUT_NAMES
from qkd_gym.scoring.paths.choice import new_scratch
from qkd_gym.scoring.paths.inputs import PATH_INPUT, PATH_INPUT_NAMES, PRICED, PRICED_NAMES
from qkd_gym.scoring.paths.play import choose_all
from qkd_gym.scoring.paths.policy import ScoredPaths, as_compiled
from qkd_gym.scoring.paths.weights import starting_weights
from tests.scoring.paths.requests import asked, random_path_weights


@pytest.fixture(scope="module")
def requests():
    """Some hundred requests with what was observed."""
    return asked(300)


def path_inputs(obs, b):
    """Inputs of every candidate path, (F, K), from what their names promise."""
    paths, request, context = obs["paths"][b].T, obs["request"][b], obs["context"][b]
    ends = obs["nodes"][b][obs["request_endpoints"][b]]
    held = np.maximum(paths[PATH.bottleneck], 1e-9)
    asked_for = held / np.maximum(paths[PATH.cover], 1e-9) - held
    x = {
        "one": 1.0,
        "value": np.log(request[REQUEST.value]),
        "size": request[REQUEST.size],
        "patience": request[REQUEST.patience],
        "waits": float(request[REQUEST.patience] > 0.0),
        "hops": np.log(np.maximum(np.rint(HOPS_SCALE * paths[PATH.hops]), 1.0)),
        "left": held - asked_for,
        "scarce": np.exp(-8.0 * np.maximum(held - asked_for, 0.0)),
        "active": paths[PATH.active_share],
        "feasible": request[REQUEST.feasible_paths],
        "demand": ends[:, NODE.demand_average].mean(),
        "blocked": ends[:, NODE.blocked_average].mean(),
        "blocked_share": context[CONTEXT.blocked_share],
        "elapsed": context[CONTEXT.elapsed],
        "ending": np.exp(-10.0 * (1.0 - context[CONTEXT.elapsed])),
    }
    x["value_value"] = x["value"] ** 2
    for name in PATH_INPUT_NAMES:
        if name not in x:
            first = next(one for one in x if name.startswith(f"{one}_"))
            x[name] = x[first] * x[name.removeprefix(f"{first}_")]
    count = len(paths[0])
    return np.stack([np.broadcast_to(x[name], count) for name in PATH_INPUT_NAMES])


@pytest.mark.parametrize("hidden", [0, 3])
def test_a_score_is_linear_plus_hidden_less_the_logarithm_of_the_prices(requests, hidden):
    """Against the same in numpy, of which the choice is the best if it is better than nothing."""
    weights = random_path_weights(1, hidden)
    weights.hidden_score[:] = 0.5
    w = type(weights)(*(part.astype(np.float64) for part in weights))
    observation, refusal = as_compiled(requests), requests["paths"].shape[1]
    taken = np.empty(1, np.int64)
    seen = []
    for b in range(len(requests["links"])):
        scratch = new_scratch(*(requests[name].shape[1] for name in ("links", "nodes")))
        choose_all(weights, observation, scratch, b, taken)
        inputs = scratch.links.inputs.astype(np.float64)
        price = np.exp(w.price @ inputs[list(PRICED)])
        legal = np.flatnonzero(requests["action_mask"][b, :-1])
        if not len(legal):
            assert taken[0] == refusal
            continue
        x = path_inputs(requests, b)
        score = w.score @ x + w.hidden_score @ np.maximum(w.hidden @ x, 0.0)
        used = [links[links < requests["links"].shape[1]] for links in requests["path_links"][b]]
        score -= [np.log(price[links].sum()) if len(links) else 0.0 for links in used]
        best = legal[score[legal].argmax()]
        ordered = np.sort([*score[legal], 0.0])
        if ordered[-1] - ordered[-2] > 1e-3:  # what rounding does not decide
            assert taken[0] == (best if score[best] > 0.0 else refusal), b
            seen.append(int(taken[0]))
    assert len(seen) > 150
    assert {0, 1, refusal} <= set(seen)


def test_links_have_the_inputs_that_schedules_know(requests):
    scratch = new_scratch(*(requests[name].shape[1] for name in ("links", "nodes")))
    choose_all(starting_weights(), as_compiled(requests), scratch, 5, np.empty(1, np.int64))
    n_links = requests["links"].shape[1]
    x = dict(zip(INPUT_NAMES, scratch.links.inputs[:, :n_links], strict=True))
    np.testing.assert_array_equal(x["demand"], requests["links"][5][:, LINK.demand_average])
    assert x["lack"].std() > 0.1
    assert set(PRICED_NAMES) <= set(INPUT_NAMES)


def test_only_paths_that_hold_the_key_are_taken(requests):
    """By weights that serve whatever they can, and so refuse only where nothing holds the key."""
    weights = starting_weights()
    weights.score[PATH_INPUT.one] = 50.0
    choices = ScoredPaths(weights).predict(requests)[0]
    assert requests["action_mask"][np.arange(len(choices)), choices].all()
    some = requests["action_mask"][:, :-1].any(axis=1)
    np.testing.assert_array_equal(choices < requests["paths"].shape[1], some)
    assert not some.all()


def test_requests_that_are_worth_too_little_are_refused(requests):
    weights = starting_weights()
    weights.score[PATH_INPUT.one] = -50.0
    assert set(ScoredPaths(weights).predict(requests)[0]) == {requests["paths"].shape[1]}


def test_it_starts_as_the_rule_of_exponential_prices(requests):
    """Whose logarithm is a polynomial here: of equal prices, nearly, either is cheapest."""
    weights = starting_weights()
    weights.score[PATH_INPUT.one] = 50.0
    choices = ScoredPaths(weights).predict(requests)[0]
    rule = make_policy("exponential-price").predict(requests)[0]
    assert (choices == rule).mean() > 0.9


def test_requests_of_a_batch_do_not_see_each_other(requests):
    policy = ScoredPaths(random_path_weights(3, hidden=2))
    some = {name: array[::17] for name, array in requests.items()}
    together = policy.predict(some)[0]
    count = len(together)
    alone = [
        policy.predict({name: array[b] for name, array in some.items()})[0] for b in range(count)
    ]
    backwards = policy.predict({name: array[::-1] for name, array in some.items()})[0]
    assert together.tolist() == [int(choice) for choice in alone] == backwards[::-1].tolist()
    assert len(set(together.tolist())) > 1


def test_only_observations_of_routing_are_taken(requests):
    one = {name: array[0] for name, array in requests.items()}
    one["action_mask"] = np.ones(len(one["action_mask"]) + len(one["links"]) + 1)
    with pytest.raises(ValueError, match="policy is 'mine', but must be one that plays Network"):
        ScoredPaths(random_path_weights(0), "mine").predict(one)
