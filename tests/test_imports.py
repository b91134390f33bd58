"""Rooms import in one direction, files do not import each other, and little is loaded."""

import ast
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest

import qkd_gym

ROOT = Path(qkd_gym.__file__).parent
HEAVY = {"torch", "stable_baselines3", "sb3_contrib", "torch_geometric", "matplotlib", "sklearn"}
HEAVY |= {"PIL", "pygame"}
# From the ground up: a room may import those of the floors below, its own, and no other. The files
# of the package's own folder are the ground, except for those that start something.
FLOORS = [
    {"errors", "extras", "features", "markdown", "jit"},
    {"fields", "reading", "commands", "names"},
    {"files", "children", "cluster"},
    {"workers"},
    {"physics"},
    {"topology"},
    {"planning"},
    {"network"},
    {"rendering", "belief", "opponents"},
    {"envs"},
    {"operators", "scoring"},
    {"baselines"},
    {"bounds", "gnn", "testing"},
    {"evaluation"},
    {"search"},
    {"sb3"},
    {"benchmark", "training"},
    {"report"},
    {"cli"},
    {"__main__"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Within the simulator: what code is made of, then one step, then whoever drives it.
INSIDE = {
    "network": ["compiled", "", "dynamics", "simulator"],
    "gnn": ["", "pretrain", "study"],
}


def module_of(file):
    """Dotted name of a file, without the package's own name."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in ROOT.rglob("*.py")}


def imported(file):
    """Modules of the package that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("qkd_gym."):
                inner = name.removeprefix("qkd_gym.")
                yield inner if inner in MODULES else inner.rpartition(".")[0]


def room(module):
    return module.partition(".")[0]


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} - {""} == set(FLOOR)


@pytest.mark.parametrize("module", MODULES)
def test_no_import_points_up(module):
    for name in imported(MODULES[module]):
        if module and name and room(name) != room(module):
            assert FLOOR[room(name)] < FLOOR[room(module)], f"{module} imports {name}"


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) in ("network", "gnn")])
def test_no_import_points_up_inside_a_room(module):
    order = INSIDE[room(module)]

    def height(name):
        part = name.partition(".")[2].partition(".")[0]
        return order.index(part) if part in order else order.index("")

    # What a room exports may come from anywhere in it.
    if module == room(module):
        return
    for name in imported(MODULES[module]):
        if room(name) == room(module):
            assert height(name) <= height(module), f"{module} imports {name}"


def test_no_files_import_each_other_in_a_circle():
    graph = nx.DiGraph()
    for module, file in MODULES.items():
        for name in imported(file):
            # Importing a file runs the __init__ of its folder in any case.
            if not (f"{name}.".startswith(f"{module}.") or module.startswith(f"{name}.")):
                graph.add_edge(module, name)
    assert list(nx.simple_cycles(graph)) == []


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
