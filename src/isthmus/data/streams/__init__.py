"""Rows that stay where they lie and are read in blocks: Parquet, npy and other arrays, zarr; here or in a store."""

from isthmus.data.streams.base import SHARE as SHARE
from isthmus.data.streams.base import Stream as Stream
from isthmus.data.streams.base import drawn as drawn
from isthmus.data.streams.opening import size as size
from isthmus.data.streams.opening import stream as stream
