"""Python and TypeScript speak of the same page."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_contract_in_typescript_is_the_one_in_python():
    made = subprocess.run([sys.executable, ROOT / "scripts" / "contract"], capture_output=True, text=True, check=True)
    written = (ROOT / "web" / "src" / "contract.ts").read_text(encoding="utf-8")
    assert made.stdout == written, "run scripts/contract > web/src/contract.ts"
