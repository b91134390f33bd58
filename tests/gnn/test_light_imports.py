"""Policies use the network without what only its pretraining and its study need."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("torch_geometric")


@pytest.mark.parametrize(
    ("module", "libraries"),
    [
        # The other loads it too.
        pytest.param("qkd_gym.gnn", "torch_geometric.nn", marks=pytest.mark.slow),
        ("qkd_gym.sb3.extractor", "sb3_contrib"),
    ],
)
def test_network_needs_no_scikit_learn_matplotlib_or_tqdm(module, libraries):
    pytest.importorskip(libraries)
    # The libraries may load them for their own use; after that they are made to be missing.
    code = (
        f"import sys, torch_geometric.nn, {libraries};"
        "sys.modules.update(dict.fromkeys(['sklearn', 'matplotlib', 'tqdm']));"
        f"import {module}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
