"""How a text table is laid out: encoding, delimiter, decimal sign, and whether its first line names the columns."""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import IO

from isthmus.data.cells import MARKS, MISSING

# In the order of belief: a comma may be a decimal sign, a space part of a name.
_DELIMITERS = ("\t", ";", "|", ",", " ")
SEEN, DEEP, SNIFFED = 1000, 20, 1 << 16
_ENDS = re.compile(r"\r\n|\n|\r")
# A cell in quotes, two of which are one letter within it; and the start of one.
_CELL = re.compile(r'((?:^|[\t;|,]) *)"[^"]*+(?:""[^"]*+)*+"')
_START = re.compile(r'(?:^|[\t;|,]) *"')
# The line with which a file tells spreadsheets what stands between its cells.
_SIGN = re.compile(r"sep=([^\w\"\\])", re.IGNORECASE)
# What no file holds, behind its last line.
_END = "\x1a\x1a"
# Numbers whose thousands are set apart, by their decimal sign.
_APART = {
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d*)?"),
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?"),
}
_MISSING = frozenset(mark.lower() for mark in (*MISSING, *MARKS))


@dataclass(frozen=True)
class Layout:
    """What a reader has to know before the first value.

    Attributes:
        encoding: ``utf-8``, ``utf-16`` or ``latin-1``.
        delimiter: The character between two fields.
        decimal: The decimal sign, ``.`` or ``,``.
        header: The columns' names, or None where the first line holds values.
        skip: Lines before the first line of values.
        quoted: Whether the first lines have quotation marks.
        decided: Whether some number tells the decimal sign, so that ``1,234`` can mean one thing only.
    """

    encoding: str
    delimiter: str
    decimal: str
    header: tuple[str, ...] | None
    skip: int
    quoted: bool = False
    decided: bool = True

    @property
    def rows_named(self) -> bool:
        """Whether the first column, which has no name, holds those of the rows."""
        return self.header is not None and len(self.header) > 1 and not self.header[0]


def layout(path: Path) -> Layout:
    """Recognise the layout of a text table from its first lines.

    A first line is a header when none of its fields is a number (and none is said again below it or, above other text,
    beside it, as no two columns have one name), when the fields count 0, 1, 2, ... (a data frame without names), when
    it holds text above numbers, or when its only numbers are a run of years beside text, and those below are none. A
    line ``sep=;`` before it says what stands between cells.

    Raises:
        ValueError: The file is empty or cannot be read, or a cell in quotes among its first lines has no end.
    """
    found, records = _recognised(path)
    if any(_open(record) for _, _, record in records):
        refuse_open(path, found, records[-1][1])
    return found


def _recognised(path: Path) -> tuple[Layout, list[tuple[int, int, str]]]:
    encoding, text = _head(path)
    records = list(islice(_records(_ENDS.split(text)), SEEN))
    if not records:
        raise ValueError(f"{str(path)!r} is empty; give a table with at least one row")
    sign = _SIGN.fullmatch(records[0][2])
    if sign is not None and len(records) > 1:
        records = records[1:]
    start, end, first = records[0]
    # The line that numpy.savetxt writes above the values begins with a hash sign.
    first = first.removeprefix("# ").removeprefix("#")
    below = [record for _, _, record in records[1:]]
    delimiter = sign[1] if sign is not None else _delimiter(first, below[0] if below else "")
    # Between commas decimals have a point.
    told = _decimal(below or [first], delimiter) if delimiter in ";\t|" else "."
    decimal = told or "."
    names = _fields(first, delimiter)
    if not _names(names, [_fields(record, delimiter) for record in below[: DEEP - 1]], decimal):
        return Layout(encoding, delimiter, decimal, None, start, '"' in text, told is not None), records
    return Layout(encoding, delimiter, decimal, tuple(names), end, '"' in text, told is not None), records


def _records(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """Give every row of a table that is not blank, with its first line's number and that of the one behind its last.

    A cell in quotes may go on in the next lines, in the header too; of quotes that none closes soon, the line is a row.
    """
    start = 0
    while start < len(lines):
        end, record = start + 1, lines[start]
        while _open(record) and end < min(len(lines), start + DEEP):
            end, record = end + 1, f"{record}\n{lines[end]}"
        if _open(record):
            end, record = start + 1, lines[start]
        if record.strip():
            yield start, end, record
        start = end


def _open(line: str) -> bool:
    """Tell whether a line ends within a cell in quotes; a quote elsewhere is a letter, as that of ``5" pipe``."""
    return '"' in line and _START.search(_CELL.sub(r"\1", line)) is not None


def values(path: Path, found: Layout) -> str:
    """Return the lines of values of a table that is not long, without the last one's end."""
    return "\n".join(_ENDS.split(_head(path)[1])[found.skip :]).strip("\r\n")


def tabular(path: Path) -> bool:
    """Tell whether a file, whatever its ending, is text in rows of as many cells, and of two or more."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            start = file.read(SNIFFED)
        if b"\0" in start or start.lstrip()[:1] in (b"{", b"[", b"<"):  # JSON and mark-up have commas, too
            return False
        found = layout(path)
    except (ValueError, OSError, EOFError, zlib.error):
        return False
    lines = _ENDS.split(start.decode(found.encoding, "ignore"))[found.skip :]
    records = [record for _, _, record in islice(_records(lines), DEEP)]
    # The last one is cut off where the file goes on.
    counts = {len(_fields(record, found.delimiter)) for record in records[: -1 if len(start) == SNIFFED else None]}
    return len(counts) == 1 and counts.pop() > 1


def ragged(path: Path, found: Layout) -> str | None:
    """Say which line has more or fewer cells than the first one of values; None where Arrow minds something else."""
    with lines_of(path, found) as file:
        wanted, line = 0, found.skip + 1
        rows = csv.reader(file, delimiter=found.delimiter)
        try:
            for row in rows:
                wanted = wanted or len(row)
                if row and len(row) != wanted:
                    cells = f"{len(row)} {'cell' if len(row) == 1 else 'cells'}"
                    text = found.delimiter.join(row)
                    brief = text if len(text) <= 60 else f"{text[:57]}..."
                    return f"line {line} has {cells} and those before it {wanted}: {brief!r}"
                line = found.skip + rows.line_num + 1
        except csv.Error:
            return None
    return None


def refuse_open(path: Path, found: Layout, last: int | None = None) -> None:
    """Refuse a cell in quotes that has no end, so that it would hold the rest of the file.

    Args:
        path: of the file.
        found: its layout.
        last: number of the last line in which such a cell would begin; None for that of the file.

    Raises:
        ValueError: always with the line, where there is one.
    """
    with lines_of(path, found) as file:
        line = ends_open(file, found.delimiter, last)
    if line is not None:
        raise ValueError(
            f"cannot read {str(path)!r} as a table: line {found.skip + line} opens a cell with a quotation mark that "
            "nothing closes; close it, or take it out"
        )


def ends_open(lines: Iterable[str], delimiter: str, last: int | None = None) -> int | None:
    """Return the number, from 1, of the line in which a cell in quotes begins that has no end; None where all have."""
    limit = csv.field_size_limit((1 << 31) - 1)  # such a cell is long
    try:
        rows, line = csv.reader(chain(lines, [_END]), delimiter=delimiter), 1
        for row in rows:
            if row and row[-1].endswith(_END):
                return line if row != [_END] else None
            line = rows.line_num + 1
            if last is not None and line > last:
                return None
    finally:
        csv.field_size_limit(limit)
    return None


@contextmanager
def lines_of(path: Path, found: Layout) -> Iterator[IO[str]]:
    """Open a text file, packed or not, at its first line of values.

    Raises:
        ValueError: bytes that are no text, or a file that is damaged.
    """
    encoding = "utf-8-sig" if found.encoding == "utf-8" else found.encoding
    with (
        told(path, found.encoding),
        gzip.open(path, "rt", encoding=encoding) if path.suffix == ".gz" else path.open(encoding=encoding) as file,
    ):
        for _ in range(found.skip):
            file.readline()
        yield file


def is_number(field: str, decimal: str = ".") -> bool:
    """Tell whether a field reads as a number."""
    try:
        float(field.replace(decimal, ".") if decimal != "." else field)
    except ValueError:
        return False
    return "_" not in field  # which Python takes for a sign between digits


@contextmanager
def told(path: Path, encoding: str = "utf-8") -> Iterator[None]:
    """Name a file that is damaged or cannot be read, whatever its reader says.

    Raises:
        ValueError: it cannot.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read {str(path)!r} as {encoding} text: {error}; save it as UTF-8") from None
    except (OSError, EOFError, zlib.error) as error:
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        raise ValueError(f"cannot read {str(path)!r}: {reason}; give a readable table") from error


def _head(path: Path, size: int = 1 << 22) -> tuple[str, str]:
    with told(path), gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        raw = file.read(size)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", raw.decode("utf-16", "ignore")
    whole = raw if len(raw) < size else raw[: raw.rfind(b"\n") + 1]
    try:
        return "utf-8", whole.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "latin-1", raw.decode("latin-1")


def _delimiter(first: str, second: str) -> str:
    for sign in _DELIMITERS:
        count = len(_fields(first, sign))
        if count > 1 and (not second or len(_fields(second, sign)) == count):
            return sign
    return max(",;\t|", key=lambda sign: len(_fields(second, sign)))


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:  # a field longer than any number or name, so this is not what stands between fields
        return [line]
    return [field.strip() for field in rows[0]] if rows else []


def _decimal(lines: Iterable[str], delimiter: str) -> str | None:
    """Return the decimal sign, that of the first number that can be read one way; None where there is no such number.

    ``12.345,67`` has a comma, and ``1.5`` a point; in ``1,234`` the sign may set thousands apart.
    """
    for line in lines:
        for field in _fields(line, delimiter):
            ways = [sign for sign in ",." if _written(field, sign)] if "," in field or "." in field else []
            if len(ways) == 1:
                return ways[0]
    return None


def _written(field: str, sign: str) -> bool:
    """Tell whether a field is a number whose decimal sign would be this one."""
    other = "." if sign == "," else ","
    return (sign in field and other not in field and is_number(field, sign)) or _APART[sign].fullmatch(
        field
    ) is not None


def _names(first: list[str], below: list[list[str]], decimal: str) -> bool:
    counted = [field for field in first if field]
    if len(counted) > 1 and counted == [str(i) for i in range(len(counted))]:
        return True
    numbers = [is_number(field, decimal) or any(_written(field, sign) for sign in ",.") for field in first]
    if not any(numbers):
        return not _repeated(first, below[0] if below else [], decimal)
    under = [_filled(cells) for cells in zip(*(row for row in below if len(row) == len(first)), strict=True)]
    if not under:
        return False
    text = [not number and field.lower() not in _MISSING for number, field in zip(numbers, first, strict=True)]
    if any(t and is_number(field, decimal) for t, field in zip(text, under, strict=True)):
        return True
    runs = [(field, cell) for field, cell, number in zip(first, under, numbers, strict=True) if number]
    return not all(numbers) and _years([field for field, _ in runs]) and not any(_year(cell) for _, cell in runs)


def _filled(cells: Iterable[str]) -> str:
    """Return the first cell that is not missing; nothing where all are."""
    return next((cell for cell in cells if cell.lower() not in _MISSING), "")


def _year(field: str) -> bool:
    return len(field) == 4 and field.isdecimal() and 1800 <= int(field) <= 2100


def _years(fields: list[str]) -> bool:
    """Tell whether fields are two or more years in a row: all, or every fifth or tenth, as in a census."""
    if len(fields) < 2 or not all(map(_year, fields)):
        return False
    steps = {int(later) - int(earlier) for earlier, later in pairwise(fields)}
    return len(steps) == 1 and abs(steps.pop()) in (1, 5, 10)


def _repeated(first: list[str], second: list[str], decimal: str) -> bool:
    """Tell whether a first line of text is one of values: a name is neither its column's value nor that of two."""
    filled = [field for field in first if field and field.lower() not in _MISSING]
    below = any(field and field == under for field, under in zip(first, second, strict=False))
    twice = len(set(filled)) < len(filled) and not any(is_number(field, decimal) for field in second)
    return below or (twice and any(second))
