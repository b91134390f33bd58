"""Pictures and videos as files."""

import numpy as np
import pytest
from PIL import Image

from qkd_gym import extras
from qkd_gym.errors import InvalidInput
from qkd_gym.rendering import saving, write_picture, write_video
from qkd_gym.rendering.options import RenderOptions
from qkd_gym.rendering.picture import Picture
from tests.rendering.scenes import scene


def frames(count=4):
    picture = Picture(RenderOptions())
    return [picture.draw(scene("vienna", steps=3 * step)) for step in range(count)]


def test_a_gif_has_every_picture(tmp_path):
    path, pictures = tmp_path / "episode.GIF", frames()
    write_video(path, iter(pictures), 20)
    with Image.open(path) as video:
        assert (video.n_frames, video.size, video.info["loop"]) == (4, (600, 400), 0)
        for number, picture in enumerate(pictures):
            video.seek(number)
            assert video.info["duration"] == 50
            read = np.asarray(video.convert("RGB")).astype(int)
            assert abs(read - picture).mean() < 3.0
    assert [each.name for each in tmp_path.iterdir()] == ["episode.GIF"]


@pytest.mark.parametrize("size", [(600, 400), (455, 301)])
def test_an_mp4_has_every_picture(tmp_path, size):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    path = tmp_path / "episode.mp4"
    write_video(path, [np.full((size[1], size[0], 3), 40 * n, np.uint8) for n in range(5)], 10)
    reader = ffmpeg.read_frames(str(path))
    facts = next(reader)
    assert facts["fps"] == 10.0
    assert facts["size"] == tuple(side + side % 2 for side in size)
    shades = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    assert shades == pytest.approx([0.0, 40.0, 80.0, 120.0, 160.0], abs=4.0)
    assert [each.name for each in tmp_path.iterdir()] == ["episode.mp4"]


def test_a_video_that_breaks_off_leaves_nothing(tmp_path):
    def broken():
        yield frames(1)[0]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_video(tmp_path / "episode.gif", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_written_as_it_is(tmp_path):
    pictures = frames(2)
    for name, write in (
        ("last", lambda path: write_video(path, iter(pictures))),
        ("one", lambda path: write_picture(path, pictures[1])),
    ):
        write(tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as read:
            np.testing.assert_array_equal(np.asarray(read), pictures[1])


@pytest.mark.parametrize(
    ("name", "fps", "words"),
    [
        ("episode.avi", 10, "must end in one of .gif, .mp4, .png"),
        ("episode", 10, "must end in one of .gif, .mp4, .png"),
        ("episode.gif", 0, "fps is 0"),
        ("episode.gif", 51, "fps is 51"),
        ("none/\0/episode.gif", 10, "must be a folder that can be written"),
    ],
)
def test_bad_videos_are_told_before_a_picture_is_drawn(tmp_path, name, fps, words):
    def never():
        raise AssertionError
        yield

    with pytest.raises(InvalidInput) as error:
        write_video(tmp_path / name, never(), fps)
    assert words in str(error.value)


def test_an_mp4_without_ffmpeg_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(extras.MissingExtra, match=r"imageio_ffmpeg.*\[render\]"):
        saving.require_video(tmp_path / "episode.mp4", 10)
