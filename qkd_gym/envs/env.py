"""The single environments: batches of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from qkd_gym.envs.branches import Branches, Branching
from qkd_gym.envs.core import Core, Scenario
from qkd_gym.envs.snapshot import Snapshot
from qkd_gym.envs.starting import not_ready, read_options, read_seed
from qkd_gym.envs.tasks import LINK_ACTIVATION, LINK_SCHEDULING, NETWORK, ROUTING, Task
from qkd_gym.errors import UnknownArgument, require_instance, require_known_keys
from qkd_gym.network.accounts import ACCOUNT_NAMES
from qkd_gym.network.config import FIELDS
from qkd_gym.rendering import RENDER_FPS, RENDER_MODES, Renderer, RenderOptions


class QKDEnv(Branching, gym.Env[dict[str, NDArray[Any]], Any]):
    """What the three environments have in common.

    Args:
        scenario: Name of a scenario, a network in any form that `qkd_gym.topology.load` takes, a
            `NetworkConfig`, or a mapping of its fields; None takes the environment's own, see
            `qkd_gym.envs.tasks`.
        render_mode: ``"human"``, a window; ``"rgb_array"``, pictures; ``"ansi"``, text; or None.
        render_options: How pictures look: `qkd_gym.rendering.RenderOptions`, or a mapping of its
            fields.
        **overrides: Fields of `NetworkConfig` to change, for instance ``load=1.2``.

    Attributes:
        renderer: Shows the episode; None without a render mode.

    Raises:
        InvalidInput: On an unknown scenario, a value outside its range, or more memory than is
            allowed.
        UnknownArgument: On an override that is no field.
        MissingExtra: If what the render mode needs is not installed.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012
        "render_modes": list(RENDER_MODES),
        "render_fps": RENDER_FPS,
    }
    task: ClassVar[Task]

    def __init__(
        self,
        scenario: Scenario | None = None,
        render_mode: str | None = None,
        render_options: RenderOptions | Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> None:
        own = ("scenario", "render_mode", "render_options")
        require_known_keys(type(self).__name__, overrides, [*own, *FIELDS], UnknownArgument)
        self.render_mode, options = render_mode, RenderOptions.read(render_options)
        self.renderer = None if render_mode is None else Renderer(render_mode, options)
        chosen = self.task.default_scenario if scenario is None else scenario
        self.core = Core(chosen, overrides, 1, self.task)
        self.config = self.core.config
        self.observation_space = self.core.observation_space  # type: ignore[assignment]
        self.action_space = self.core.action_space
        self._closed, self._running = False, False
        self._branches = Branches(self.core)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Starts an episode; see `gymnasium.Env.reset`.

        Args:
            seed: Non-negative integer, Python's or NumPy's; None goes on with the generator that
                is there.
            options: ``{"network_index": i}`` plays this episode, and no later one, on network i of
                the bank. Later episodes are the same with and without it.

        Raises:
            InvalidInput: On a seed that is none, an unknown option or an index that is not there;
                the episode that runs then goes on.
            ClosedEnvironmentError: If the environment has been closed.
        """
        if self._closed:
            raise not_ready(self._closed)
        chosen, seed = read_options(options, self.core.simulator), read_seed("seed", seed)
        super().reset(seed=seed)
        self.core.generators = [self.np_random]
        self.core.start(chosen.network_index)
        self._running = True
        self._show_start()
        return self._observation(), self._info()

    def step(
        self, action: Any
    ) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Takes one decision; see `gymnasium.Env.step`.

        Args:
            action: An integer, or two of them where paths and links are decided. One outside the
                action space, or against the mask, does nothing and is counted in
                ``info["illegal_actions"]``.

        Raises:
            InvalidInput: If the action is anything else, whole floating-point numbers included;
                nothing has happened then.
            ResetNeeded: Before the first reset, and after the end of an episode.
            ClosedEnvironmentError: If the environment has been closed.
        """
        core = self.core
        if not self._running:
            raise not_ready(self._closed, bool(core.generators))
        core.step_one(action)
        reward, over = core.results.reward.item(), core.results.over.item()
        self._running = not over
        if self.renderer is not None:
            self.renderer.step(core.simulator, core.results.accounts, np.asarray([action]))
        info = self._info()
        if over:
            totals = core.episode_totals(np.arange(1))
            info["episode_totals"] = {name: total.item() for name, total in totals.items()}
        return self._observation(), reward, False, over, info

    def close(self) -> None:
        """Ends the use of the environment; see `gymnasium.Env.close`."""
        self._closed, self._running = True, False
        if self.renderer is not None:
            self.renderer.close()

    def snapshot(self) -> Snapshot:
        """Where the episode stands, its generator included, for `restore`.

        Raises:
            ResetNeeded: Before the first reset.
            ClosedEnvironmentError: If the environment has been closed.
        """
        if self._closed or not self.core.generators:
            raise not_ready(self._closed)
        return self.core.snapshot(np.arange(1))

    def restore(self, snapshot: Snapshot) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Goes on from a snapshot, bit for bit as the episode went on that it was taken of.

        Args:
            snapshot: Of one episode of an environment with the same task and configuration.

        Returns:
            The last observation and its info.

        Raises:
            InvalidInput: If it is of anything else; the episode that runs then goes on.
            ClosedEnvironmentError: If the environment has been closed.
        """
        if self._closed:
            raise not_ready(self._closed)
        require_instance("snapshot", snapshot, Snapshot)
        core = self.core
        snapshot.check_generators()
        snapshot.check(core.config, core.task.name, np.arange(1))
        core.generators = [self.np_random]
        core.restore(snapshot, np.arange(1))
        self._running = not core.ended.item()
        self._show_start()
        return self._observation(), self._info()

    def _is_closed(self) -> bool:
        return self._closed

    def action_masks(self) -> NDArray[np.bool_]:
        """Legal actions, flattened; the name that sb3-contrib looks for."""
        return self.core.masks[0]

    def render(self) -> NDArray[np.uint8] | str | None:  # type: ignore[override]
        """What the render mode asks for.

        Returns:
            A picture, (height, width, 3), or a table; None where no mode was chosen, and in a
            window, which shows every step by itself.
        """
        if self.renderer is None:
            return None
        return self.renderer.render(self.core.simulator)

    def _show_start(self) -> None:
        if self.renderer is not None:
            self.renderer.start(self.core.simulator)

    def _observation(self) -> dict[str, NDArray[Any]]:
        return self.core.frame.only.copy()

    def _info(self) -> dict[str, Any]:
        results = self.core.results
        info: dict[str, Any] = dict(
            zip(ACCOUNT_NAMES, results.accounts.ravel().tolist(), strict=True)
        )
        info["qber_weighted_bits"] = results.qber_weighted_bits.item()
        info["offered_value_bits"] = results.offered_value_bits.item()
        info["delivered_value_bits"] = results.delivered_value_bits.item()
        info["elapsed_s"] = results.elapsed_s.item()
        terms = results.reward_terms.ravel().tolist()
        info["reward_terms"] = dict(zip(self.core.frame.terms, terms, strict=True))
        info["action_mask"] = self.action_masks()
        return info


class LinkActivationEnv(QKDEnv):
    """Which links run: the operator's scarce-modules problem.

    ## Description
    A network of sites, each with a few QKD modules, has more candidate links than modules. An
    active link fills its key pool; requests between distant sites draw key from the pools of
    every hop. Links drift, fail, fog over and are attacked, demand moves, and a newly activated
    link calibrates for minutes before it makes key. Requests are routed by the built-in router
    (exponential prices over candidate paths); those that lack key wait if their service class may.

    ## Action Space
    ``Discrete(E + 1)``: the candidate link to toggle, or ``E`` to hold. Selecting an inactive
    link activates it; at an end without a free module, the least needed active link there is
    released (feature ``need``; links within their dwell time last). Selecting an active link
    releases it. Padding links, and whatever is no link, are illegal: selecting one does nothing
    and is counted in ``info["illegal_actions"]``.

    ## Observation Space
    A flat ``Dict`` of padded arrays, see `qkd_gym.envs.spaces.observation_space` for keys, shapes
    and dtypes and `qkd_gym.features` for every feature's meaning and scaling.

    ## Rewards
    ``key_weight`` times delivered key over mean offered key per interval, minus ``qber_weight``
    times the delivered key's mean QBER over the QBER threshold, see `qkd_gym.network.reward`.
    ``info["reward_terms"]`` holds the terms, signed and weighted.

    ## Starting State
    A network of the bank, the static plan's links active, their pools filled to
    ``initial_fill``, random time of day, stationary disturbances.

    ## Episode End
    Truncated after ``episode_s`` seconds of 60 / ceil(N / 10) seconds per step. Never terminated.

    ## Arguments
    See `QKDEnv` and `qkd_gym.network.config.NetworkConfig`.

    ## Version History
    * v0: first release.
    """

    task = LINK_ACTIVATION


class LinkSchedulingEnv(QKDEnv):
    """Which links run and which make way for them, several switches to an interval.

    ## Description
    As `LinkActivationEnv`, but the operator also says which links are given up: links are switched
    one after the other, and no time passes before the operator holds or has switched on
    ``switches_per_interval`` links. Whoever wants a link whose ends are full first switches off
    those that are to make way.

    ## Action Space
    ``Discrete(E + 1)``: the candidate link to toggle, or ``E`` to hold, which lets the interval
    pass. Selecting an inactive link activates it; at an end that still has no free module, the
    least needed active link there is released, as in `LinkActivationEnv`. Selecting an active link
    releases it. A link can be switched once per interval; until it passes, the link is illegal.
    Whatever is illegal does nothing, is counted in ``info["illegal_actions"]``, and lets the
    interval pass.

    ## Observation Space
    As `LinkActivationEnv`, the requests of the past interval, and what is known beforehand.

    ## Rewards
    As `LinkActivationEnv`; zero for a step in which no time passes.

    ## Starting State
    As `LinkActivationEnv`.

    ## Episode End
    As `LinkActivationEnv`, after at most E + 1 steps per interval.

    ## Arguments
    See `QKDEnv` and `qkd_gym.network.config.NetworkConfig`.

    ## Version History
    * v0: first release.
    """

    task = LINK_SCHEDULING


class RoutingEnv(QKDEnv):
    """Which way each key request goes, while the static plan's links run.

    ## Description
    As `LinkActivationEnv`, but the links of the static plan stay on, and each step serves one key
    request over one of its candidate paths: b bits over h hops take b bits from each of the h
    pools, or the request is blocked.

    ## Action Space
    ``Discrete(K + 1)``: a candidate path, or ``K`` to refuse. Paths that lack the key, and whatever
    is no path, are illegal; selecting one refuses the request and is counted. A request whose
    service class is patient waits when it is refused: it is asked again in the next decision
    interval, before new ones, and blocked once its patience has run out.

    ## Observation Space
    As `LinkActivationEnv`, with the request and its candidate paths.

    ## Rewards
    As `LinkActivationEnv`, in units of the mean request. Where there are service classes, a bit
    counts as much as its class is worth.

    ## Starting State
    As `LinkActivationEnv`, at the first request.

    ## Episode End
    Truncated when the last request of the episode has been decided.

    ## Arguments
    See `QKDEnv`. The default scenario gives every site three modules: with two, the static plan
    is nearly a tree and leaves no choice of path.

    ## Version History
    * v0: first release.
    """

    task = ROUTING


class NetworkEnv(QKDEnv):
    """Both decisions at every key request: its path, and a link to toggle.

    ## Description
    The joint problem of `RoutingEnv` and `LinkActivationEnv`; one step per key request.

    ## Action Space
    ``MultiDiscrete([K + 1, E + 1])``: path (``K`` refuses), then link (``E`` holds). The mask is
    the two masks one after the other.

    ## Observation Space
    As `RoutingEnv`.

    ## Rewards
    As `RoutingEnv`.

    ## Starting State
    As `RoutingEnv`.

    ## Episode End
    As `RoutingEnv`.

    ## Arguments
    See `QKDEnv`.

    ## Version History
    * v0: first release.
    """

    task = NETWORK
