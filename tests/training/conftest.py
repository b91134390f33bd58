"""Small recipes for the training command."""

import pytest


@pytest.fixture(scope="module")
def small_recipes(tmp_path_factory):
    """The recipes in small: seconds of training instead of minutes."""
    from qkd_gym.sb3 import run, training
    from qkd_gym.training import run as training_run

    folder = tmp_path_factory.mktemp("agents")
    sizes = """
total_timesteps = 64
num_envs = 4
ppo = { n_steps = 8, batch_size = 32, n_epochs = 1, gamma = 0.97 }
"""
    for env, start in (
        ("LinkScheduling", 'adviser = "demand-deficit"'),
        ("LinkActivation", 'adviser = "demand-deficit"\ncontrol_policy = "demand-deficit"'),
        ("Routing", 'teacher = "exponential-price"\nimitation_rounds = 1'),
        ("Network", 'teacher = "demand-deficit+exponential-price"\nimitation_rounds = 1'),
    ):
        text = f"[pointer]\npointer = true\n{start}{sizes}[ppo]\npointer = false{sizes}"
        small = "population = 4\ngenerations = 3\nepisodes = 2\n"
        search = f"[search]\nmethod = 'search'\n{small}"
        if env == "LinkScheduling":
            text = f"{search}{text}"
        if env == "Routing":
            text = f"{text}{search}"
        (folder / f"{env}.toml").write_text(text)
    fit = training.fit_critic
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "RECIPES", folder)
        patch.setattr(run.GradientRun, "episodes", 2)
        patch.setattr(run.GradientRun, "saves", 2)
        patch.setattr(training, "fit_critic", lambda *a, **more: fit(*a, **{**more, "steps": 30}))
        yield
