"""Reads pages as a browser does."""

import base64
import gzip
import html
import json
import re
from dataclasses import fields, is_dataclass

import numpy as np

from isthmus.report.contract import Packed


def blobs_in(text):
    """Return the bytes of every blob of a page, by name."""
    found = re.findall(r'<script type="text/plain" data-blob="([^"]*)">([^<]*)</script>', text)
    return {html.unescape(name): gzip.decompress(base64.b85decode(body.replace("'", "<"))) for name, body in found}


def tree(report):
    """Return the page's tree, refusing numbers that JSON has not."""
    return json.loads(gzip.decompress(report.blobs.packed["page"]), parse_constant=lambda word: 1 / 0)


def read(blobs, packed):
    """Return an array that lies beside the page, as web/src/lib/arrays.ts does."""
    content = gzip.decompress(blobs.packed[packed.blob])
    stored = np.frombuffer(content, np.dtype(packed.type).newbyteorder("<")).reshape(packed.shape)
    if not packed.step:
        return stored
    most = np.iinfo(packed.type).max
    found = np.array(packed.low) + np.array(packed.step) * stored
    return np.where(stored == most, np.nan, found)


def packed_in(value):
    """Give every array of a tree of dataclasses."""
    if isinstance(value, Packed):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from packed_in(getattr(value, field.name))
    elif isinstance(value, list):
        for item in value:
            yield from packed_in(item)
