"""A table without rows, which keeps types and levels, as text in a saved model and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from isthmus.data.frames import one_array


def packed(template: Any) -> dict[str, str]:
    """Return a table without rows as text: its library, and its types as an Arrow stream."""
    if isinstance(template, np.ndarray):
        return {"library": "numpy", "types": template.dtype.str if template.dtype != object else "object"}
    import base64

    import narwhals.stable.v2 as nw
    import pyarrow as pa

    frame = nw.from_native(template, eager_only=True)
    try:
        table = frame.to_arrow()
    except (pa.ArrowException, TypeError):  # integers of 128 bits, categories of several types; sparse columns
        table = frame.with_columns(*_simple(frame)).to_arrow()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        # A table without rows would be written without batches, and so without the levels of its categories.
        writer.write_batch(
            pa.RecordBatch.from_arrays([one_array(column) for column in table.columns], schema=table.schema)
        )
    return {"library": str(frame.implementation), "types": base64.b64encode(sink.getvalue().to_pybytes()).decode()}


def _simple(frame: Any) -> Iterator[Any]:
    """Give the columns that Arrow does not know in types that it does."""
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    for column in frame.iter_columns():
        native = column.to_native()
        if hasattr(native, "sparse"):  # an accessor of pandas, which other columns lack
            yield nw.from_native(native.sparse.to_dense(), series_only=True)
            continue
        try:
            column.to_arrow().validate()
        except pa.ArrowException:
            yield column.cast(nw.Float64 if column.dtype.is_numeric() else nw.String)


def unpacked(saved: Mapping[str, str]) -> Any:
    """Return a table without rows from its text, in its library where that is installed, else as an Arrow table."""
    if saved["library"] == "numpy":
        return np.empty((0, 0), dtype=saved["types"])
    import base64
    import importlib

    import pyarrow as pa

    table = pa.ipc.open_stream(base64.b64decode(saved["types"])).read_all()
    if saved["library"] not in ("pandas", "polars"):
        return table
    try:
        library = importlib.import_module(saved["library"])
    except ImportError:
        return table
    return table.to_pandas() if saved["library"] == "pandas" else library.from_arrow(table)
