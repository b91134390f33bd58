"""What episodes add up to, in the logs of Stable-Baselines3."""

import pytest

pytest.importorskip("stable_baselines3")

from stable_baselines3 import DQN, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import KVWriter, Logger
from stable_baselines3.common.vec_env import VecMonitor

from qkd_gym.sb3 import LogsTotals, QKDVecEnv

ENV_ID = "qkd_gym/LinkActivation-v0"
SHORT = {"n_sites": 6, "bank_size": 2, "episode_s": 600.0}
KEPT = ("episode_totals",)


class Rows(KVWriter):
    """Keeps what is logged."""

    def __init__(self):
        self.rows = []

    def write(self, key_values, key_excluded, step=0):
        self.rows.append(dict(key_values))

    def close(self):
        pass


def logged(algorithm, env, steps, **options):
    class Learner(LogsTotals, algorithm):
        pass

    model, rows = Learner("MultiInputPolicy", env, seed=0, **options), Rows()
    model.set_logger(Logger(None, [rows]))
    model.learn(steps, log_interval=1)
    return model, rows.rows[-1]


ENVIRONMENTS = {
    "native": lambda: QKDVecEnv(ENV_ID, 2, **SHORT),
    "native monitored": lambda: VecMonitor(QKDVecEnv(ENV_ID, 2, **SHORT), info_keywords=KEPT),
    "single": lambda: make_vec_env(
        ENV_ID, 2, env_kwargs=SHORT, monitor_kwargs={"info_keywords": KEPT}
    ),
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_ppo_logs_the_means_over_its_last_episodes(name):
    model, row = logged(PPO, ENVIRONMENTS[name](), 64, n_steps=32, batch_size=32, n_epochs=1)
    ended = [each["episode_totals"] for each in model.ep_info_buffer]
    assert len(ended) >= 4
    for metric in ("delivered_share", "mean_qber"):
        mean = sum(totals[metric] for totals in ended) / len(ended)
        assert row[f"rollout/ep_{metric}_mean"] == pytest.approx(mean)
    assert row["rollout/ep_rew_mean"] == pytest.approx(row["rollout/ep_reward_mean"], rel=1e-4)


def test_dqn_logs_them_too():
    env = QKDVecEnv(ENV_ID, 1, **SHORT)
    _, row = logged(DQN, env, 24, buffer_size=50, learning_starts=1000)
    assert 0.0 < row["rollout/ep_delivered_share_mean"] <= 1.0


def test_without_totals_nothing_more_is_logged():
    _, row = logged(PPO, make_vec_env(ENV_ID, 1, env_kwargs=SHORT), 32, n_steps=32, batch_size=32)
    assert "rollout/ep_rew_mean" in row
    assert "rollout/ep_delivered_share_mean" not in row
