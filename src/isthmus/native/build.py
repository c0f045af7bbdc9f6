"""Compile the kernels, where there is a compiler: run when the package is installed, and by ``python -m``.

No module of the package is imported here, so that an installation can run this file alone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCES = tuple(HERE / name for name in ("steps.c", "product.c", "dense.c", "places.c", "answers.c", "few.c"))
LIBRARY = HERE / "_dense.so"
# Nothing of -ffast-math but what changes no result: it lets a library change how the whole process rounds.
FLAGS = ("-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-shared", "-fPIC", "-pthread")
# For compilers that make no versions for several x86 processors (gcc before 12, clang): one version for this processor.
AVX2 = ("-mavx2", "-mfma", "-mbmi2")
AVX512 = (*AVX2, *(f"-mavx512{part}" for part in ("f", "bw", "cd", "dq", "vl")))


def build(target: Path = LIBRARY, compiler: str | None = None) -> Path | None:
    """Write the kernel to ``target`` and return it; None where no compiler is found, or it fails.

    One library serves every x86 processor: it holds versions for AVX-512, AVX2 and the rest, chosen when it is loaded.
    Compilers that cannot do that make one for processors like this, and it is not used on others. ``compiler`` is
    ``$CC``, else the first of cc, gcc and clang.
    """
    compiler = compiler or os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler or os.name != "posix":
        return None
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / target.name
        command = [*compiler.split(), *FLAGS, "-o", str(made), *map(str, SOURCES), "-lm"]
        try:
            if not any(_made([*command, *more]) and _runs(made) for more in ((), AVX512, AVX2)):
                return None
            # Beside the old one first: who has that loaded keeps it.
            beside = target.with_name(f"{target.name}.part")
            shutil.copy(made, beside)
            beside.replace(target)
        except (OSError, subprocess.TimeoutExpired):
            return None
    return target


def _made(command: list[str]) -> bool:
    """Run a compiler; False where it fails."""
    return not subprocess.run(command, capture_output=True, check=False, timeout=300).returncode


def _runs(made: Path) -> bool:
    """Say whether a library is for processors like this."""
    sizes = ctypes.CDLL(str(made)).isthmus_sizes
    sizes.restype = ctypes.c_int64
    return bool(sizes())


if __name__ == "__main__":
    print(build() or "no kernel: no C compiler was found, or it failed; fits use torch's calls")
