"""Pages of runs from the command line."""

import pytest

from qkd_gym.cli import main
from tests.report.runs import make_run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "run", scenario="vienna", episode_s=600.0)


def test_the_page_goes_into_the_folder_or_where_one_likes(run, tmp_path, capsys):
    main(["report", str(run)])
    page = (run / "report.html").read_bytes()
    assert page.startswith(b"<!doctype html>")
    assert str(run / "report.html") in capsys.readouterr().out
    main(["report", str(run), "--out", str(tmp_path / "page.html")])
    assert (tmp_path / "page.html").read_bytes() == page
    main(["report", str(run), "--seed", "3", "--out", str(tmp_path / "page.html")])
    assert b"seed 3," in (tmp_path / "page.html").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--seed", "-1"], "seed is -1"),
        (["--scenario", "viena"], "Did you mean 'vienna'"),
        (["--out", "/dev/full"], "out is '/dev/full', but must be a file"),
    ],
)
def test_bad_arguments_are_one_sentence(run, capsys, arguments, words):
    with pytest.raises(SystemExit) as stop:
        main(["report", str(run), *arguments])
    message = capsys.readouterr().err
    assert stop.value.code == 2
    assert message.startswith("error: ")
    assert message.count("\n") == 1
    assert words in message


def test_a_folder_that_is_no_run(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["report", str(tmp_path)])
    assert stop.value.code == 2
    assert "metrics" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
