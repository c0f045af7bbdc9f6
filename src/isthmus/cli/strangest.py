"""``isthmus score --figures``: the strangest rows of a source that comes in blocks, drawn with their reasons."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isthmus.cli import results

if TYPE_CHECKING:
    from isthmus.data import Data
    from isthmus.estimators import AnomalyDetector


class Strangest:
    """The rows of all blocks that score highest; of a series, which is one block, all points.

    Args:
        detector: whose rows they are.
        folder: where they are drawn.
    """

    def __init__(self, detector: AnomalyDetector, folder: Path) -> None:
        """Hold no row; what could not be drawn at the end is refused at the start.

        Raises:
            ValueError: the folder is a file.
        """
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"--figures {str(folder)!r} is a file; name a folder")
        results.without_screen()
        self.detector, self.folder = detector, folder
        self.kept: Any = None

    def watch(self, scored: Iterator[tuple[Any, int, Data]]) -> Iterator[tuple[Any, int, Data]]:
        """Give blocks on, and keep the rows that score highest."""
        import numpy as np
        import pyarrow as pa

        from isthmus.displays.anomaly import PICTURES

        for found, before, block in scored:
            own = (block.arrow, found["score"].to_numpy(), np.arange(before, before + len(block)))
            if self.kept is not None:
                rows = pa.concat_tables([self.kept[0], own[0]], promote_options="permissive")
                own = (rows, *(np.concatenate(pair) for pair in zip(self.kept[1:], own[1:], strict=True)))
            if self.detector.window is None:
                best = np.sort(np.argsort(-own[1], kind="stable")[:PICTURES])
                own = (own[0].take(best), own[1][best], own[2][best])
            self.kept = own
            yield found, before, block

    def draw(self) -> Path:
        """Draw the rows, called by their numbers from 1, and return the file."""
        from isthmus.displays import ContributionsDisplay
        from isthmus.displays.folder import write
        from isthmus.estimators.scoring import admitted

        rows, _, places = self.kept
        X = admitted(self.detector, rows)
        drawn = ContributionsDisplay.from_estimator(self.detector, X, rows=(places + 1).tolist())
        return write(drawn, self.folder / "contributions.png")
