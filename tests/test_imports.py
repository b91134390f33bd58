"""The package's layers load no more than they need, and import in one direction."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import qkd_gym

ROOT = Path(qkd_gym.__file__).parent
HEAVY = {"torch", "stable_baselines3", "sb3_contrib", "torch_geometric", "matplotlib", "sklearn"}
# Every room and the rooms that it may import.
MAY_IMPORT = {
    "physics": set(),
    "topology": {"physics"},
    "network": {"physics", "topology"},
    "envs": {"physics", "topology", "network", "rendering"},
    "baselines": {"envs", "network", "evaluation"},
    "evaluation": {"envs", "network", "baselines"},
    "rendering": {"network"},
    "gnn": {"topology", "network", "envs"},
    "sb3": {"envs", "gnn", "network", "baselines"},
    "benchmark": {"envs", "network", "baselines", "evaluation", "sb3"},
}


def imported(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room):
    for file in (ROOT / room).rglob("*.py"):
        for name in imported(file):
            parts = name.split(".")
            if parts[0] == "qkd_gym" and len(parts) > 1 and parts[1] in MAY_IMPORT:
                assert parts[1] in MAY_IMPORT[room] | {room}, f"{file} imports {name}"


def test_environments_load_nothing_heavy():
    code = (
        "import sys, gymnasium, qkd_gym;"
        "env = gymnasium.make('qkd_gym/LinkActivation-v0', bank_size=1);"
        "env.reset(seed=0); env.step(0);"
        f"print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_loads_no_simulator():
    code = "import sys, qkd_gym; print('numba' in sys.modules, 'scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
