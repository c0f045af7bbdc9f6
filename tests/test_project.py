"""What the project promises about itself: one version everywhere, exact pins, small files, nothing of one machine."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import isthmus

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
NOTES = sorted((ROOT / "docs" / "why").glob("*.md"))


def pins() -> dict[str, str]:
    """Return the lines of constraints.txt as name -> version."""
    lines = (line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#"))
    return {name.lower().replace("_", "-"): pin for name, _, pin in (line.partition("==") for line in lines)}


def tracked() -> list[Path]:
    """Return the files under version control; outside a clone there are none to speak of."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a clone")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def functions(path: Path) -> dict[str, int]:
    """Return how many lines each function of a file has, its docstring not counted."""
    lengths = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            text = node.body[0].end_lineno if ast.get_docstring(node) else node.lineno
            lengths[node.name] = node.end_lineno - text + 1
    return lengths


def test_one_version() -> None:
    assert isthmus.__version__ == PROJECT["version"] == version("isthmus"), "run make setup after a new version"
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()


def test_changelog_has_three_kinds_of_change() -> None:
    headings = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)
    assert set(headings) == {"Added", "Changed", "Fixed"}


def test_every_requirement_is_pinned() -> None:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=]", requirement)[0] for group in groups for requirement in group} - {"isthmus"}
    assert names <= pins().keys()
    assert pins()["torch"] == "2.13.0", "a build such as +cpu is chosen by scripts/setup, not here"
    assert all(re.fullmatch(r"[\d.]+(b\d+|\.?post\d+)?", pin) for pin in pins().values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_files_and_functions_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400
    assert {name: length for name, length in functions(path).items() if length > 40} == {}


@pytest.mark.parametrize("path", NOTES, ids=lambda path: path.stem)
def test_notes_are_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 60


def test_nothing_of_one_machine() -> None:
    folder = re.compile(r"(?<![\w.~}])/(?:home|Users|root|work|opt|mnt|scratch)/\w+")
    found = {}
    for path in tracked():
        if path.suffix in {".py", ".md", ".toml", ".txt", ".cff", ".rst", ""} and (
            hits := folder.findall(path.read_text())
        ):
            found[path.name] = hits
    assert found == {}


def test_scripts_are_short_and_can_be_run() -> None:
    for path in [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]:
        assert len(path.read_text().splitlines()) <= 40, path.name
        assert path.stat().st_mode & 0o100, f"{path.name} is not executable"


def test_importing_it_draws_nothing_from_anybodys_generator():
    # A progress bar and samples of codes bring what they are made of when they are first used.
    code = (
        "import random; before = random.getstate(); import isthmus, numpy; isthmus.parts;"
        "X = numpy.random.default_rng(0).normal(size=(60, 4)); trainer = isthmus.Trainer(epochs=1);"
        "isthmus.Autoencoder(2, trainer=trainer, random_state=0, verbose=True).fit(X).sample(3);"
        "import sys; assert 'rich' in sys.modules; sys.exit(random.getstate() != before)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
