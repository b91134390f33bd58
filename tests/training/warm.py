"""Loading this does every small command once: whoever is forked then has all of it loaded."""

import contextlib
import os
import tempfile

import tqdm

from tests.training.small import COMMANDS

tqdm.tqdm.monitor_interval = 0  # its thread would not be there in a fork

_folder = os.getcwd()
for _command in COMMANDS.values():
    with (
        tempfile.TemporaryDirectory() as _empty,
        open(os.devnull, "w") as _nowhere,
        contextlib.redirect_stdout(_nowhere),
        contextlib.redirect_stderr(_nowhere),
    ):
        os.chdir(_empty)
        _command.start(1)
        os.chdir(_folder)
