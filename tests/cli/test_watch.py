"""Episodes as videos from the command line."""

import numpy as np
import pytest
from PIL import Image

from qkd_gym.cli import main, watch
from qkd_gym.envs.tasks import TASKS
from qkd_gym.rendering import window

VIENNA = ["--scenario", "vienna"]


def pictures(path):
    with Image.open(path) as video:
        for number in range(video.n_frames):
            video.seek(number)
            yield np.asarray(video.convert("RGB")).astype(int)


def test_policies_play_side_by_side(tmp_path, capsys):
    out = tmp_path / "episode.gif"
    both = ["agent:metro", "demand-deficit"]
    main(["watch", *both, *VIENNA, "--steps", "6", "--out", str(out), "--size", "500", "340"])
    frames = list(pictures(out))
    assert len(frames) == 7
    assert {frame.shape for frame in frames} == {(340, 1000, 3)}
    assert str(out) in capsys.readouterr().out
    main(["watch", both[1], *VIENNA, "--steps", "6", "--out", str(out), "--size", "500", "340"])
    alone = list(pictures(out))
    # But for the palette, which has colours of both; the numbers of links have changed.
    assert abs(alone[-1] - frames[-1][:, 500:]).mean() < 1.0
    assert abs(alone[-1] - alone[0]).mean() > 1.0
    assert [path.name for path in tmp_path.iterdir()] == ["episode.gif"]


def test_an_episode_ends_the_video(tmp_path, monkeypatch):
    out = tmp_path / "episode.gif"
    step, asked = watch.Player.advance, []

    def last_step(player):
        step(player)
        asked.append(player.elapsed_s)
        player.over = len(asked) == 3

    monkeypatch.setattr(watch.Player, "advance", last_step)
    main(["watch", "static-plan", *VIENNA, "--out", str(out)])
    assert asked == [60.0, 120.0, 180.0]
    assert len(list(pictures(out))) == 4


@pytest.mark.parametrize("task", TASKS)
def test_every_environment_is_watched(tmp_path, task):
    out = tmp_path / "episode.gif"
    baseline = TASKS[task].baselines[-1]
    main(["watch", baseline, "--env", task, *VIENNA, "--steps", "2", "--out", str(out)])
    assert len(list(pictures(out))) == 3


def test_without_a_file_a_window_opens(monkeypatch):
    pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    shown = []
    monkeypatch.setattr(window.Window, "show", lambda self, frame: shown.append(frame.shape))
    main(["watch", "static-plan", *VIENNA, "--steps", "3"])
    assert shown == [(400, 600, 3)] * 4


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["static-paln"], "Did you mean 'static-plan'"),
        (["static-plan", "--scenario", "viena"], "Did you mean 'vienna'"),
        (["static-plan", "--steps", "0"], "steps is 0"),
        (["static-plan", "--seed", "-1"], "seed is -1"),
        (["static-plan", "--fps", "0"], "fps is 0"),
        (["static-plan", "--size", "10", "10"], "size is 10"),
        (["static-plan", "--out", "episode.avi"], "must end in one of .gif, .mp4, .png"),
        (["Routing:random"], "plays Routing, but must play LinkActivation"),
    ],
)
def test_bad_arguments_are_one_sentence(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["watch", *VIENNA, "--out", "episode.gif", *arguments])
    message = capsys.readouterr().err
    assert stop.value.code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert words in message
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr("qkd_gym.extras.find_spec", lambda module: None)
    with pytest.raises(SystemExit) as stop:
        main(["watch", "static-plan"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: This part of qkd-gym needs pygame,")
