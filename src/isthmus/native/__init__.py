"""Optional kernels in C: one takes many steps of a dense net per call, one works on codes of few active units.

They are one library. It is compiled when the package is installed where a compiler is (``python -m
isthmus.native.build`` later on), and is never required: without it, the same steps are made of torch's calls.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

# Where ``build`` puts it; that module is not imported, so that it can be run.
LIBRARY = Path(__file__).with_name("_dense.so")
ACTIVATIONS = ("identity", "relu", "leaky_relu", "sigmoid", "tanh", "silu")
# Those that never fall, which may stand behind the largest of neighbours.
RISING = ACTIVATIONS[:-1]
LOSSES = ("squared error", "cross-entropy")
# What may be asked of codes.
OF_CODES = ("absolute values", "contraction")
FEW = ("sums", "dots", "project", "largest", "count", "above")
DEEPEST = MOST_THREADS = 64
# Floats of the registers that most processors have.
LANES = 8
# Rows that are answered at once: whole blocks of the product, in the cache.
AT_ONCE = 48
# Numbers that are read by one thread sooner than a second one starts.
ALONE = 2**18
_LONG, _DOUBLE, _POINTER = ctypes.c_int64, ctypes.c_double, ctypes.c_void_p
Array = np.ndarray[Any, Any]
# Centre in float64 and in float32, and what rows less the centre are multiplied by, in float32; padded.
Units = tuple[Array, Array, Array]
# Code, output, sum of the loss; and what was seen of rows.
Answer = tuple[Tensor | None, Tensor | None, Tensor | None]
Read = tuple[Tensor | None, Tensor | None, Tensor | None, Tensor]


@dataclass(frozen=True)
class Loss:
    """A likelihood as the kernel knows it: nll = factor * (sum of its loss over entries) + constant per entry.

    ``slope`` times (mean - x) is the derivative by the output; ``name`` is one of ``LOSSES``.
    """

    name: str
    slope: float = 1.0
    factor: float = 1.0
    constant: float = 0.0


class Layer(ctypes.Structure):
    """A layer as the kernel reads it: sizes, activation of its output, offsets of weight and bias (-1 for none).

    ``reads`` is the layer whose output it reads, -1 for rows: the one before, or that of a straight path. Its outputs
    stand behind the ``dropped`` ones of other layers among the units that may be dropped, -1 where they may not. Its
    weights may be those of the layer to which it is ``tied``, transposed; -1 where they are its own.
    """

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("inputs", "outputs", "activation", "reads", "dropped", "tied")),
        ("weight", _LONG),
        ("bias", _LONG),
    )


class Place(ctypes.Structure):
    """A stage of a convolutional net; the fields are explained in ``steps.h``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in ("inputs", "in_height", "in_width", "tall", "wide", "apart", "over")),
        *((name, ctypes.c_int32) for name in ("beside", "kh", "kw", "down", "along", "units", "height", "width")),
        *((name, ctypes.c_int32) for name in ("pool_tall", "pool_wide", "out_height", "out_width", "activation")),
        *((name, ctypes.c_int32) for name in ("by_unit", "by_input", "by_place", "reserved")),
        ("weight", _LONG),
        ("bias", _LONG),
    )


class Job(ctypes.Structure):
    """What a call of the kernel is asked to do; the fields are explained in ``steps.h``."""

    _fields_ = (
        *((name, _POINTER) for name in ("layers", "places")),
        *((name, _LONG) for name in ("depth", "loss")),
        ("precision", _DOUBLE),
        ("data", _POINTER),
        *((name, _LONG) for name in ("width", "begin", "steps")),
        *((name, _POINTER) for name in ("order", "ends", "inputs", "targets", "counts", "p", "m", "v")),
        ("size", _LONG),
        ("rates", _POINTER),
        *((name, _DOUBLE) for name in ("beta1", "beta2", "eps", "decay")),
        *((name, _LONG) for name in ("taken", "most", "threads")),
        ("values", _POINTER),
        ("kept", _POINTER),
        ("drawn", _LONG),
        ("noise", _POINTER),
        *((name, _LONG) for name in ("ruled", "asks")),
        *((name, _POINTER) for name in ("betas", "apart", "shrinks", "squares")),
        ("pairs", _LONG),
    )


class Question(ctypes.Structure):
    """What is asked of rows of a net; the fields are explained in ``answers.h``."""

    _fields_ = (
        *((name, _POINTER) for name in ("layers", "places")),
        *((name, _LONG) for name in ("depth", "coded", "loss")),
        *((name, _POINTER) for name in ("data", "fine", "centre", "near", "factor")),
        *((name, _LONG) for name in ("rows", "width", "most")),
        *((name, _POINTER) for name in ("packs", "room", "code", "out", "sums", "seen")),
    )


class Few(ctypes.Structure):
    """What the kernel for codes of few active units is asked to do; the fields are explained in ``few.c``."""

    _fields_ = (
        *((name, _LONG) for name in ("what", "threads", "rows", "width", "k")),
        *((name, _POINTER) for name in ("starts", "units", "values", "dense", "left", "out")),
        ("add", _LONG),
        ("limit", _DOUBLE),
    )


@cache
def library() -> Any:
    """Return the loaded kernel; None where it was not built, cannot be loaded, or is older than this file."""
    try:
        found = ctypes.CDLL(str(LIBRARY))
        found.isthmus_sizes.argtypes, found.isthmus_sizes.restype = (), _LONG
        found.isthmus_room.argtypes, found.isthmus_room.restype = (_POINTER,), _LONG
        found.isthmus_packs.argtypes, found.isthmus_packs.restype = (_POINTER, _LONG), _LONG
        found.isthmus_steps.argtypes, found.isthmus_steps.restype = (_POINTER,), ctypes.c_int32
        found.isthmus_answer.argtypes, found.isthmus_answer.restype = (_POINTER,), None
        found.isthmus_pack.argtypes, found.isthmus_pack.restype = (_POINTER, _LONG, _POINTER, _POINTER), None
        found.isthmus_pairs.argtypes, found.isthmus_pairs.restype = (), _LONG
        found.isthmus_few.argtypes, found.isthmus_few.restype = (_POINTER,), ctypes.c_int32
        found.isthmus_turn.argtypes, found.isthmus_turn.restype = (_POINTER,) * 4, None
    except (OSError, AttributeError):
        return None
    job, question, place = (ctypes.sizeof(kind) for kind in (Job, Question, Place))
    return found if found.isthmus_sizes() == job << 32 | question << 16 | place else None


def halves() -> bool:
    """Say whether the kernel is there and this processor multiplies pairs of bfloat16."""
    return library() is not None and bool(library().isthmus_pairs())


def array(items: Sequence[Any]) -> Any:
    """Return structures of one kind one after another in memory."""
    return (type(items[0]) * len(items))(*items)


def steps(job: Job) -> bool:
    """Take the steps of a job; False, with nothing done, where its threads or its memory are not to be had."""
    return bool(library().isthmus_steps(ctypes.byref(job)) == 0)


def base_of(tensors: Sequence[Tensor | None]) -> tuple[int, Callable[[Tensor | None], int]]:
    """Return the first address of some parameters, and what says how many numbers behind it one lies; -1 for none."""
    base = min(t.data_ptr() for t in tensors if t is not None)
    return base, lambda t: -1 if t is None else (t.data_ptr() - base) // t.element_size()


@dataclass
class Product:
    """A product with a matrix as the kernel takes it: of what the one that it ``reads`` gives, -1 for rows.

    That is the product before, or, on a straight path, another one; then what the product before gives is added to its
    own. The activation comes next, and what outputs are multiplied by where some are dropped (a rule that draws it).
    The weight may be that of the product to which it is ``tied``, and is then transposed.
    """

    weight: Tensor
    bias: Tensor | None
    reads: int
    activation: str = "identity"
    kept: Callable[[Tensor, Any], Tensor] | None = None
    tied: int = -1

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of inputs and of outputs."""
        units, inputs = self.weight.shape
        return (inputs, units) if self.tied < 0 else (units, inputs)


def layers(products: Sequence[Product], offset: Callable[[Tensor | None], int]) -> list[Layer]:
    """Return products as the kernel reads them, given where parameters start."""
    found, dropped = [], 0
    for product in products:
        kind, at = ACTIVATIONS.index(product.activation), (offset(product.weight), offset(product.bias))
        place = -1 if product.kept is None else dropped
        found.append(Layer(*product.sizes, kind, product.reads, place, product.tied, *at))
        dropped += 0 if product.kept is None else product.sizes[1]
    return found


def units(centre: Array, factor: Array) -> Units:
    """Return a centre and a factor, in float64, as the kernel reads them."""
    whole = (-(-centre.size // 16) | 1) * 16
    shift, over = (np.pad(a.ravel(), (0, whole - a.size), constant_values=c) for a, c in ((centre, 0), (factor, 1)))
    return shift.astype(np.float64), shift.astype(np.float32), (1 / over).astype(np.float32)


@dataclass(frozen=True)
class Net:
    """A net as the kernel answers for it: its layers, or stages of a convolutional one, and where its weights are.

    ``kept`` is memory that has to last as long: panels of a dense net, whose weights may change, or parameters.
    """

    layers: Any
    coded: int
    units: int
    weights: int
    kept: Any

    @classmethod
    def dense(cls, products: Sequence[Product], coded: int) -> Net:
        """Pack the panels of all products; the code is behind the first ``coded``."""
        base, offset = base_of([t for product in products for t in (product.weight, product.bias)])
        found = array(layers(products, offset))
        whole = ctypes.cast(found, _POINTER), len(found)
        packs = torch.empty(library().isthmus_packs(*whole), dtype=torch.float32, device="cpu")
        library().isthmus_pack(*whole, base, packs.data_ptr())
        return cls(found, coded, found[coded - 1].outputs, packs.data_ptr(), packs)

    def ask(self, x: Tensor, *, code: bool, out: bool, loss: str | None = None) -> Answer:
        """Return code, output and sum of the loss of rows, (rows, width); None for what is not asked for."""
        return self._answer(Question(data=x.data_ptr()), x.shape, code, out, loss)

    def read(self, X: Array, units: Units | None, *, code: bool, out: bool, loss: str | None = None) -> Read:
        """Return the same about rows of a dense net as a user has them, float32 or float64, and what was seen of them.

        That is 0 and the least number in the net's units, 0 and the largest, and 1 where some are not finite.
        """
        seen = torch.zeros(3, dtype=torch.float32, device="cpu")
        at: dict[str, Any] = {"fine" if X.dtype == np.float64 else "data": X.ctypes.data, "seen": seen.data_ptr()}
        if units is not None:
            at |= {name: a.ctypes.data for name, a in zip(("centre", "near", "factor"), units, strict=True)}
        return *self._answer(Question(**at), X.shape, code, out, loss), seen

    def _answer(self, asked: Question, shape: tuple[int, ...], code: bool, out: bool, loss: str | None) -> Answer:
        rows, width = shape
        last = self.layers[-1].outputs if isinstance(self.layers[0], Layer) else width
        sizes = ((rows, self.units) if code else None, (rows, last) if out else None)
        found = [None if size is None else torch.empty(size, dtype=torch.float32, device="cpu") for size in sizes]
        sums = torch.empty(rows, dtype=torch.float64, device="cpu") if loss is not None else None
        whole = ctypes.cast(self.layers, _POINTER)
        asked.layers, asked.places = (None, whole) if isinstance(self.layers[0], Place) else (whole, None)
        asked.depth, asked.coded, asked.loss = len(self.layers), self.coded, 0 if loss is None else LOSSES.index(loss)
        asked.rows, asked.width, asked.most, asked.packs = rows, width, AT_ONCE, self.weights
        asked.code, asked.out, asked.sums = (None if t is None else t.data_ptr() for t in (*found, sums))
        room = torch.empty(library().isthmus_room(ctypes.byref(asked)), dtype=torch.float32, device="cpu")
        asked.room = room.data_ptr()
        library().isthmus_answer(ctypes.byref(asked))
        return found[0], found[1], sums


def knows(*tensors: Tensor) -> bool:
    """Say whether the kernel for few active units reads these: it is there, and they are plain float32 matrices."""
    return library() is not None and all(
        t.dtype == torch.float32 and t.device.type == "cpu" and t.is_contiguous() for t in tensors
    )


def few(
    what: str,
    shape: Sequence[int],
    at: dict[str, Tensor],
    *,
    work: int,
    k: int = 0,
    add: bool = False,
    limit: float = 0.0,
) -> None:
    """Do one of ``FEW`` to (rows, width) numbers; ``work``, how many are read, says whether threads are worth it.

    Raises:
        MemoryError: the kernel found no memory.
    """
    threads = min(torch.get_num_threads(), MOST_THREADS) if work > ALONE else 1
    pointers = {name: t.data_ptr() for name, t in at.items()}
    job = Few(
        what=FEW.index(what), threads=threads, rows=shape[0], width=shape[1], k=k, add=add, limit=limit, **pointers
    )
    if library().isthmus_few(ctypes.byref(job)):
        raise MemoryError("no memory for the largest numbers of a row; use smaller batches")


def turn(starts: Tensor, units: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return, for each unit, where it starts among the rows in which it is active; these rows; and their places."""
    found, rows, places = units.new_empty(width + 1), torch.empty_like(units), torch.empty_like(units)
    job = Few(rows=len(starts) - 1, width=width, starts=starts.data_ptr(), units=units.data_ptr())
    library().isthmus_turn(ctypes.byref(job), *(t.data_ptr() for t in (found, rows, places)))
    return found, rows, places
