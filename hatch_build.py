"""Compile the optional kernel when the package is built or installed, where a compiler is; without one, do nothing."""

import runpy
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class KernelHook(BuildHookInterface):
    """Adds the kernel to wheels; an editable installation finds it beside its source."""

    def initialize(self, version, build_data):
        """Build it, and tell the wheel for which platform it then is."""
        made = runpy.run_path(str(Path(self.root, "src", "isthmus", "native", "build.py")))["build"]()
        if made is None or version == "editable":
            return
        build_data["artifacts"].append("/src/isthmus/native/_dense.so")
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
