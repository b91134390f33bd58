"""Pictures change with what they show, and no text on them is cut or lies on another."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from qkd_gym import extras
from qkd_gym.errors import InvalidInput
from qkd_gym.rendering import LinkState, RenderOptions
from qkd_gym.rendering import colours as palette
from qkd_gym.rendering.past import Request, Sums
from qkd_gym.rendering.picture import Picture
from tests.rendering.scenes import faulty, scene
from tests.rendering.test_layout import overlap

# Letters of DejaVu Sans may reach this far out of their box.
SLACK = 2


def draw(view, **options):
    return Picture(RenderOptions(**options)).draw(view)


def changed(one, other):
    """Share of the pixels in which two pictures differ."""
    return (one != other).any(axis=2).mean()


def where(picture, colour):
    """Pixels of a colour, but for rounding."""
    return (abs(picture.astype(int) - [*bytes.fromhex(colour[1:])]) <= 2).all(axis=2)


def has(picture, colour):
    return where(picture, colour).any()


NAMES = {
    "long": lambda n: [f"{site} {'W' * 60}" for site in range(n)],
    "maths": lambda n: ["$\\frac$", "$$", "_^{", "\\", *["$x$"] * n][:n],
    "odd": lambda n: ["a\nb", "a\0b", "a\u202eb", "", *["東京"] * n][:n],
}


@pytest.mark.parametrize("size", [(600, 400), (450, 300), (1200, 500), (455, 999)])
@pytest.mark.parametrize(
    ("scenario", "names"),
    [
        ("metro", None),
        ("madrid", None),
        ("vienna", None),
        ("nsfnet-x0.05", None),
        ("metro-30", None),
        ("bad-days", None),
        ("vienna", "long"),
        ("madrid", "long"),
        ("vienna", "maths"),
        ("vienna", "odd"),
    ],
)
def test_no_text_is_cut_or_lies_on_another(scenario, names, size):
    view = scene(scenario)
    if names:
        named = tuple(NAMES[names](view.topology.n_sites))
        topology = dataclasses.replace(view.topology, site_names=named, name="$" * 200)
        view = dataclasses.replace(view, topology=topology)
    picture = Picture(RenderOptions(size=size))
    frame, texts = picture.draw(view), picture.texts(view)
    assert frame.shape == (size[1], size[0], 3)
    sites = [text for text in texts if text.box.right < size[0] * 0.7]
    assert len(sites) > 1
    for number, text in enumerate(texts):
        assert text.words == text.words.replace("\n", "")
        assert text.box.left >= 0.0
        assert text.box.top >= 0.0
        assert text.box.right <= size[0]
        assert text.box.bottom <= size[1]
        for other in texts[:number]:
            assert not overlap(text.box, other.box), (text, other)


@pytest.mark.parametrize("scenario", ["control-modules", "classes", "bad-days"])
def test_the_words_of_a_request_have_their_place(scenario):
    view = scene(scenario, "Routing", steps=5)
    picture = Picture(RenderOptions())
    boxes = [text.box for text in picture.texts(view)]
    for number, box in enumerate(boxes):
        assert box.bottom <= 400.0
        assert not any(overlap(box, other) for other in boxes[:number])
    assert "last request" in [text.words for text in picture.texts(view)]


def test_letters_stay_in_their_boxes():
    """What is written changes no pixel elsewhere."""
    view = scene("vienna")
    picture = Picture(RenderOptions())
    frame, texts = picture.draw(view), picture.texts(view)
    silent = Picture(RenderOptions())
    silent._still(view).names.paste(0, (0, 0, *silent._still(view).names.size))
    differs = (frame != silent.draw(view)).any(axis=2)
    assert differs.any()
    for text in texts:
        left, top, right, bottom = (round(side) for side in text.box)
        differs[max(top - SLACK, 0) : bottom + SLACK, max(left - SLACK, 0) : right + SLACK] = False
    assert not differs.any()


def test_states_of_links_look_different():
    view = scene("vienna")
    frames = {}
    for state in LinkState:
        states = np.full(len(view.state), state, np.int8)
        frames[state] = draw(dataclasses.replace(view, state=states))
    assert has(frames[LinkState.CALIBRATING][:, :430], palette.CALIBRATING)
    assert has(frames[LinkState.FAILED][:, :430], palette.FAILED)
    for state, frame in frames.items():
        for other, another in frames.items():
            assert state == other or changed(frame[:, :430], another[:, :430]) > 1e-3


@pytest.mark.parametrize("colour", ["pool", "qber"])
def test_colours_show_the_stored_key_or_the_qber(colour):
    view = scene("vienna", state=np.ones(8, np.int8))
    look = {
        "pool": lambda share: {"pool_bits": np.full(8, int(share * view.pool_capacity_bits))},
        "qber": lambda share: {"qber": (1.0 - share) * view.qber_limit},
    }
    for name, of in look.items():
        bad, good = (draw(dataclasses.replace(view, **of(s)), colour=colour) for s in (0.0, 1.0))
        if name == colour:
            assert has(bad[:, :430], palette.RAMP[0])
            assert has(good[:, :430], palette.RAMP[-1])
        else:
            np.testing.assert_array_equal(bad, good)


def test_the_panel_shows_shares():
    view = scene("vienna")
    picture = Picture(RenderOptions())
    shown = dataclasses.replace(view, sums=Sums(200.0, 120.0, 50.0))
    words = [text.words for text in picture.texts(shown)]
    assert {"60.0 %", "25.0 %"} < set(words)
    frame = picture.draw(shown)
    bar = where(frame, palette.DELIVERED).sum(axis=1).max()
    red = where(frame, palette.BLOCKED).sum(axis=1).max()
    whole = 168 - 2 * 12
    assert bar == pytest.approx(0.6 * whole, abs=1)
    assert red == pytest.approx(0.25 * whole, abs=1)
    assert "–" in [text.words for text in picture.texts(view)]


def test_the_path_of_the_request_is_drawn():
    view = scene("vienna", "Routing")
    view = dataclasses.replace(view, request=Request((0, 2), 1000, (0, 1), "delivered"))
    frame = draw(view)
    assert has(frame[:, :430], palette.PATH)
    without = dataclasses.replace(view, request=view.request._replace(path=()))
    assert changed(draw(without), frame) > 1e-3


def test_stored_key_of_an_inactive_link_and_free_space_are_drawn():
    view = scene("vienna", state=np.zeros(8, np.int8), pool_bits=np.zeros(8, np.int64))
    stored = dataclasses.replace(view, pool_bits=np.full(8, view.pool_capacity_bits))
    assert changed(draw(view)[:, :430], draw(stored)[:, :430]) > 1e-4
    air = scene("vienna").topology.free_space
    assert air.any()


def test_alarms_and_windows_look_different_whatever_a_link_does():
    view, picture = faulty(scene("vienna")), Picture(RenderOptions())
    for state in LinkState:
        states = np.full(len(view.state), state, np.int8)
        plain = dataclasses.replace(view, state=states)
        link = [int(view.topology.length_km.argmax())]
        looks = [{}, {"alarm": link}, {"window": link}, {"alarm": link, "window": link}]
        # Without colours too.
        frames = [picture.draw(faulty(plain, **look))[:, :430].mean(axis=2) for look in looks]
        for number, frame in enumerate(frames):
            for other in frames[:number]:
                assert (abs(frame - other) > 60.0).mean() > 1e-3


def test_alarms_are_drawn_at_their_links():
    view = faulty(scene("vienna"))
    picture = Picture(RenderOptions())
    plain, ends = picture.draw(view), picture._still(view).places.pixels
    for link, (first, second) in enumerate(ends[view.topology.link_endpoints]):
        if np.linalg.norm(second - first) < 30.0:  # the sites lie on it
            continue
        for look in ({"alarm": [link]}, {"window": [link]}):
            differs = (picture.draw(faulty(view, **look)) != plain).any(axis=2)[:, :430]
            points = np.argwhere(differs)[:, ::-1] + 0.5
            along = (second - first) / np.linalg.norm(second - first)
            across = (points - first) @ np.array([-along[1], along[0]])
            assert len(points) > 10
            assert abs(across).max() < 8.0
            assert across.min() < -3.0 < 3.0 < across.max()


def test_the_legend_tells_of_alarms_where_there_are_faults():
    picture, view = Picture(RenderOptions()), scene("vienna")
    without = [text.words for text in picture.texts(view)]
    assert not {"alarm", "planned window"} & set(without)
    picture = Picture(RenderOptions())
    texts = picture.texts(faulty(view, alarm=[0, 1, 2], window=[1, 2]))
    more = Counter(text.words for text in texts) - Counter(without)
    assert more == Counter(["alarm", "planned window", "3", "2"])


def test_full_sites_are_filled():
    view = scene("vienna")
    empty, full = (
        draw(dataclasses.replace(view, modules_used=np.full(6, used))) for used in (0, view.modules)
    )
    dark = [(frame[:, :430].sum(axis=2) < 120).sum() for frame in (empty, full)]
    assert dark[1] > 1.3 * dark[0]


def test_one_picture_draws_several_networks_in_turn():
    picture = Picture(RenderOptions())
    views = [scene("vienna"), scene("madrid")]
    first = [picture.draw(view) for view in views]
    for frame, view in zip(first, views, strict=True):
        np.testing.assert_array_equal(picture.draw(view), frame)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": (600, 100)}, "size is 100, but must be in [300, 4000]"),
        ({"size": (300, 400)}, "size is 300, but must be in [450, 4000]"),
        ({"size": (600.5, 400)}, "size is 600.5"),
        ({"size": 600}, "size is 600, but must be a width and a height"),
        ({"colour": "pol"}, "Did you mean 'pool'"),
        ({"title": 3}, "title is 3, but must be a text"),
        ({"colours": "pool"}, "Did you mean 'colour'"),
        ([], "render_options is [], but must be a mapping"),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(InvalidInput) as error:
        RenderOptions.read(options)
    assert words in str(error.value)


def test_a_missing_library_is_one_sentence(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(extras.MissingExtra, match=r"needs PIL.*pip install .*\[plot\]"):
        Picture(RenderOptions())
