"""Help is quick, and says what there is."""

import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "sklearn", "pyarrow", "matplotlib", "numpy", "PIL", "pandas")
PROBE = f"""
import sys
from isthmus.cli import main
try:
    main(["--help"])
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""


def test_help_loads_nothing_heavy():
    before = os.times()
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=False)
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert "loaded: []" in done.stdout
    assert "evaluate" in done.stdout
    # Processor time, since how long it takes by the clock says more about what else the machine does.
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 0.5


def test_no_command_is_help(shell):
    assert shell().out == shell("--help").out
    assert shell().code == 0


def test_version(shell):
    import isthmus

    assert shell("--version").out.strip() == isthmus.__version__


COMMANDS = ["fit", "encode", "reconstruct", "score", "sample", "evaluate", "concepts", "export", "parts"]
COMMANDS += ["bench speed", "bench concepts"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_every_option(shell, command):
    said = shell(*command.split(), "--help")
    assert said.code == 0
    lines = [line.strip("│ ") for line in said.out.splitlines()]
    options = [i for i, line in enumerate(lines) if line.startswith(("--", "*  --"))]
    assert command == "parts" or options
    for i in options:
        assert len(f"{lines[i]} {lines[i + 1]}".split()) > 3, f"{command}: {lines[i]} has no explanation"
