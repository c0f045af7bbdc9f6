"""Rows in and rows out: tables, arrays, images and the built-in sets, each as one :class:`Data`."""

from isthmus.data.arrays import Scaling as Scaling
from isthmus.data.blockwise import blocks as blocks
from isthmus.data.datasets import BUILT_IN as BUILT_IN
from isthmus.data.npfiles import read_arrays as read_arrays
from isthmus.data.reading import read as read
from isthmus.data.record import Data as Data
from isthmus.data.streams import stream as stream
from isthmus.data.windows import Windows as Windows
from isthmus.data.writing import atomic as atomic
from isthmus.data.writing import table_writer as table_writer
from isthmus.data.writing import write as write
from isthmus.data.writing import write_arrays as write_arrays

__all__ = [
    "BUILT_IN",
    "Data",
    "Scaling",
    "Windows",
    "atomic",
    "blocks",
    "read",
    "read_arrays",
    "stream",
    "table_writer",
    "write",
    "write_arrays",
]
