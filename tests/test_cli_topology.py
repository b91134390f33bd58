"""``qkd-gym topology``: what it says, draws and writes."""

import json

import pytest
from test_cli import refused

from qkd_gym.cli import main
from qkd_gym.topology import load


def write(path, *lengths_km):
    edges = [
        {"source": i, "target": i + 1, "length_km": length} for i, length in enumerate(lengths_km)
    ]
    nodes = [{"id": i, "name": f"S{i}"} for i in range(len(edges) + 1)]
    path.write_text(json.dumps({"name": "mine", "nodes": nodes, "edges": edges}))
    return str(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, *words):
    main(["topology", *words])
    return capsys.readouterr().out


def test_a_network_that_works(folder, capsys):
    text = said(capsys, write(folder / "net.json", 10.0, 20.0), "--check", "--picture", "a.png")
    assert "sites: 3\nlinks: 2 of 10 to 20 km, 30 km in all\n" in text
    assert "viable links: 2 of 2 at preset 'reference', " in text
    assert "spans too long: 0\nsites cut off: 0\nload 1.0: " in text
    assert "to do" not in text
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")


def test_what_does_not_work_and_what_to_do(folder, capsys, monkeypatch):
    path = write(folder / "net.json", 10.0, 500.0)
    text = said(capsys, path, "--check")
    assert "spans too long: 1\n  S1 to S2: 500 km, 100 dB (limit " in text
    assert "sites cut off: 1: S2\nload 1.0: none" in text
    assert sorted(file.name for file in folder.iterdir()) == ["net.json", "net.png"]
    monkeypatch.setattr("qkd_gym.cli.topology._draw", lambda path, found: None)
    advice = text.partition("to do: ")[2].split()
    for option in ("--max-span-km", "--scale"):
        value = advice[advice.index(option) + 1]
        helped = said(capsys, path, option, value, "--check")
        assert "spans too long: 0\nsites cut off: 0\nload 1.0: " in helped
        again = said(capsys, path, "--scale", "0.5", option, value, "--check")
        assert "sites cut off: 0" in again


@pytest.mark.parametrize(("apart_km", "told"), [(236.0, False), (244.0, True)])
def test_demand_that_stays_near_is_told(folder, capsys, apart_km, told):
    # Sites of three in a row lie 4 / 3 of a link apart in the mean, and 4 * 60 km is the limit.
    nodes = [{"id": i, "x_km": 0.75 * apart_km * i, "y_km": 0.0} for i in range(3)]
    edges = [{"source": i, "target": i + 1, "length_km": 0.75 * apart_km} for i in range(2)]
    (folder / "net.json").write_text(json.dumps({"name": "mine", "nodes": nodes, "edges": edges}))
    text = said(capsys, "net.json", "--max-span-km", "50", "--check")
    hint = "two sites lie 244 km apart in the mean, but demand goes 187 km, "
    assert (hint in text) == told
    assert ("gym.make(..., gravity_distance_km=240)" in text) == told


def test_nothing_is_simulated_or_written_unless_asked(folder, capsys, monkeypatch):
    monkeypatch.setattr("qkd_gym.cli.topology.inspect", None)
    path = write(folder / "net.json", 10.0)
    assert "viable" not in said(capsys, path)
    assert [file.name for file in folder.iterdir()] == ["net.json"]


def test_a_network_is_saved_as_a_file_of_the_package(folder, capsys):
    (folder / "net.gml").write_text(
        "graph [ node [ id 0 lat 48.0 lon 16.0 ] node [ id 1 lat 48.0 lon 17.0 ] "
        "node [ id 2 Internal 0 ] edge [ source 0 target 1 ] ]"
    )
    text = said(capsys, "net.gml", "--max-span-km", "40", "--save", "out.json")
    assert "note: topology 'net': external sites are left out: '2'." in text
    assert "sites: 3, 1 of them relays\n" in text
    assert load("out.json").site_names == ("0", "1", "0~1-1")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["absent.gml"], "absent.gml"),
        (["madird"], "Did you mean 'madrid'"),
        (["madrid", "--scale", "0"], "scale is 0"),
        (["madrid", "--max-span-km", "-3"], "max_span_km is -3"),
        (["madrid", "--check", "--preset", "referense"], "Did you mean 'reference'"),
        (["madrid", "--save", "/dev/full"], "save is '/dev/full', but must be a file"),
        (["madrid", "--check", "--picture", "/proc/x.png"], "picture is '/proc', but must be"),
    ],
)
def test_bad_arguments_are_one_sentence(folder, capsys, arguments, words):
    assert words in refused(capsys, "topology", *arguments)
    assert list(folder.iterdir()) == []


def test_names_that_no_file_or_picture_can_have(folder, capsys):
    path = write(folder / "net $\\frac$ ü.json", 10.0)
    said(capsys, path, "--check")
    assert (folder / "net-frac-ü.png").is_file()
