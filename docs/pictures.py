"""Write the pictures of the pages: run each page's examples in an empty folder, and keep the PNG files that they save.

.venv/bin/python docs/pictures.py                     # README.md and docs/tutorial.md
.venv/bin/python docs/pictures.py docs/tutorial.md    # one page
"""

import doctest
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

FENCE = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCS = Path(__file__).resolve().parent


def examples(text: str) -> str:
    """Return a page with blank lines in place of its prose, so that examples keep their line numbers."""
    blocks, at = [], 0
    for found in FENCE.finditer(text):
        blocks += ["\n" * text.count("\n", at, found.start(1)), found[1]]
        at = found.end(1)
    return "".join(blocks)


def run(page: Path) -> int:
    """Run a page from top to bottom as one program; return how many examples failed."""
    program = doctest.DocTestParser().get_doctest(examples(page.read_text("utf-8")), {}, page.name, str(page), 0)
    return doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(program).failed


def main() -> None:
    """Run the pages that are named, and copy what they drew."""
    pages = [Path(name).resolve() for name in sys.argv[1:]] or [DOCS.parent / "README.md", DOCS / "tutorial.md"]
    os.environ.setdefault("MPLBACKEND", "agg")
    for page in pages:
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            failed = run(page)
            os.chdir(DOCS)
            for picture in sorted(Path(folder).glob("*.png")):
                shutil.copy(picture, DOCS / "images")
                print(f"{page.name}: images/{picture.name}, {picture.stat().st_size / 1024:.0f} kB")
        if failed:
            sys.exit(f"{page.name}: {failed} examples failed")


if __name__ == "__main__":
    main()
