"""What a newcomer does first, with a network of their own, as the pages have it."""

import gymnasium as gym
import networkx as nx
import pytest

pytest.importorskip("stable_baselines3")

from PIL import Image
from stable_baselines3 import PPO

import qkd_gym  # noqa: F401
from qkd_gym import cli
from qkd_gym.baselines.registry import fast_policies
from qkd_gym.envs.tasks import LINK_ACTIVATION

CITIES = {"Ghent": (51.05, 3.72), "Brussels": (50.85, 4.35), "Antwerp": (51.22, 4.40),
          "Leuven": (50.88, 4.70), "Mechelen": (51.03, 4.48), "Aalst": (50.94, 4.04)}  # fmt: skip
FIBRES = ("Ghent Aalst", "Aalst Brussels", "Brussels Leuven", "Leuven Mechelen",
          "Mechelen Antwerp", "Antwerp Ghent", "Mechelen Brussels")  # fmt: skip


def test_an_own_graphml_file_is_checked_evaluated_watched_and_trained_on(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    graph = nx.Graph(name="belgium")
    for city, (latitude, longitude) in CITIES.items():
        graph.add_node(city, Latitude=latitude, Longitude=longitude)
    graph.add_edges_from(fibre.split() for fibre in FIBRES)
    nx.write_graphml(graph, "belgium.graphml")

    cli.main(["topology", "belgium.graphml", "--check"])
    assert "viable links: 7 of 7" in capsys.readouterr().out
    own = ["--scenario", "belgium.graphml"]
    baselines = fast_policies(LINK_ACTIVATION)
    cli.main(["evaluate", *baselines, "agent:metro", *own, "--episodes", "2", "--workers", "1"])
    told = capsys.readouterr().out
    assert all(name in told for name in (*baselines, "agent:metro"))
    cli.main(["watch", "agent:metro", "demand-deficit", *own, "--out", "a.gif", "--steps", "12"])
    with Image.open("a.gif") as video:
        assert video.n_frames == 13

    env = gym.make("qkd_gym/LinkActivation-v0", scenario="belgium.graphml")
    model = PPO("MultiInputPolicy", env, n_steps=32, batch_size=32).learn(64)
    assert model.num_timesteps == 64
