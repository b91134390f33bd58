"""The study's command: page, plots, results, and going on after an interruption."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from qkd_gym.gnn import LinkViabilityGNN
from qkd_gym.gnn.study import run as study
from qkd_gym.gnn.study.comparison import GNN
from qkd_gym.gnn.study.page import page

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(study, "SITES", (10,))
    monkeypatch.setattr(study, "_PREDICTION_NETWORKS", {10: 5})
    monkeypatch.setattr("qkd_gym.gnn.study.link_prediction._EPOCHS", 3)
    monkeypatch.setattr(study, "_SIMULATED_NETWORKS", {10: 8})
    monkeypatch.setattr(study, "_LARGE_SITES", 40)
    monkeypatch.setattr(study, "SETTINGS", {"weaker spreads": study.WEAKER})
    monkeypatch.setattr(study, "SETTING_SITES", (20,))
    monkeypatch.setattr(study, "_OTHER_SPREADS", ("weaker spreads",))
    monkeypatch.setattr(study, "available", lambda: ("slovenia",))


@pytest.mark.slow
def test_study_writes_its_page_and_goes_on(tmp_path, small, monkeypatch):
    out, work = tmp_path / "docs", tmp_path / "work"
    arguments = ["--out", str(out), "--work", str(work), "--effort", "0.02"]
    study.main(arguments)
    assert sorted(path.name for path in out.iterdir()) == [
        "viability-calibration.png",
        "viability-network.png",
        "viability-sizes.png",
        "viability.json",
        "viability.md",
    ]
    results = json.loads((out / "viability.json").read_text())
    text = (out / "viability.md").read_text()
    auc = results["sizes"]["10"]["scores"][GNN]["auc"]
    assert f"| 10 | {GNN} | {auc:.3f} |" in text
    assert 0.5 < auc < 1.0

    (work / "timings.json").unlink()
    parts = study.Study.parts

    def only_the_missing(self):
        def refuse():
            raise AssertionError("a finished part was done again")

        kept = parts(self)
        return {name: part if name == "timings" else refuse for name, part in kept.items()}

    monkeypatch.setattr(study.Study, "parts", only_the_missing)
    study.main(arguments)
    again = json.loads((out / "viability.json").read_text())
    assert again["sizes"] == results["sizes"]


def test_the_published_page_shows_the_published_results():
    results = json.loads((DOCS / "viability.json").read_text(encoding="utf-8"))
    assert page(results) == (DOCS / "viability.md").read_text(encoding="utf-8")


def test_bad_arguments_exit_with_one_sentence(capsys):
    with pytest.raises(SystemExit) as caught:
        study.main(["--effort", "0"])
    assert caught.value.code == 2
    assert "effort" in capsys.readouterr().err


def test_finished_parts_hang_on_version_weights_and_effort(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(study.Study, "parts", lambda _: {"part": lambda: done.append(1)})
    monkeypatch.setattr(study, "draw_plots", lambda *_: None)
    monkeypatch.setattr(study, "page", lambda _: "")
    for _ in range(2):
        study.run(tmp_path / "docs", tmp_path / "work")
    assert len(done) == 1
    study.run(tmp_path / "docs", tmp_path / "work", effort=0.5)
    assert len(done) == 2
    monkeypatch.setattr(study, "load_pretrained", LinkViabilityGNN)
    study.run(tmp_path / "docs", tmp_path / "work", effort=0.5)
    assert len(done) == 3
    model = LinkViabilityGNN()
    monkeypatch.setattr(study, "load_pretrained", lambda: model)
    study.run(tmp_path / "docs", tmp_path / "work")
    monkeypatch.setattr(study, "__version__", "9.9.9")
    study.run(tmp_path / "docs", tmp_path / "work")
    assert len(done) == 5


@pytest.mark.parametrize("option", ["--out", "--work"])
def test_output_that_cannot_be_written_is_told_before_the_study(
    tmp_path, monkeypatch, capsys, option
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(study.Study, "parts", lambda _: pytest.fail("work was done"))
    (tmp_path / "plain").write_text("kept")
    with pytest.raises(SystemExit) as stopped:
        study.main(["--effort", "0.02", option, "plain/below"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith(f"error: {option[2:]} is 'plain/below', but must be a folder")
    assert message.count("\n") == 1
