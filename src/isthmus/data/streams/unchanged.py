"""Files that have to stay as they are while a fit reads them again and again."""

from __future__ import annotations

from typing import Any

from isthmus.data.places import Place


class Unchanged:
    """The size of a file of this machine and when it was last written, as they were at the first look.

    What was found in the first pass, such as finite numbers and their scaling, holds for the file that was looked at.
    Every process looks for itself, since each may have a copy of its own; a store is not asked again.
    """

    def __init__(self, place: Place) -> None:
        """Take the first look."""
        self._place = place
        self._was = self._look()

    def _look(self) -> tuple[int, int] | None:
        if self._place.here is None:
            return None
        with self._place.asking():
            found = self._place.here.stat()
        return found.st_size, found.st_mtime_ns

    def check(self) -> None:
        """Look again.

        Raises:
            ValueError: the file is another one than before, or gone.
        """
        now = self._look()
        if now != self._was:
            raise ValueError(
                f"{str(self._place)!r} was changed since it was opened; open it anew, and leave it alone until the end"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what this process saw."""
        return {"_place": self._place}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the first look of another process."""
        self.__init__(state["_place"])  # type: ignore[misc]
