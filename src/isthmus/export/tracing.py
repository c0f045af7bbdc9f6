"""A module becomes a graph: traced once, written as ONNX or ``.pt2``, stripped of what tells of the machine."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from isthmus.export.special import Replaced

OPSET = 20
MISSING = "writing ONNX graphs needs onnx and onnxscript; pip install 'isthmus[onnx]'"
LOGGERS = ("torch.onnx", "torch.export", "torch.fx", "onnxscript", "onnx_ir")


class Traced:
    """A module that was traced once, ready to be written in any format; its number of rows is open.

    >>> class Twice(nn.Module):
    ...     def forward(self, x):
    ...         return {"y": 2 * x}
    >>> found = traced("twice", Twice(), x=torch.zeros(2, 3))
    >>> len(found.onnx({})) < 1000
    True
    >>> torch.export.load(io.BytesIO(found.pt2({}))).module()(x=torch.ones(1, 3))["y"].tolist()
    [[2.0, 2.0, 2.0]]
    """

    def __init__(self, name: str, program: Any, inputs: list[str], outputs: list[str]) -> None:
        """Keep the program, and what its inputs and outputs are called."""
        self.name, self.program, self.inputs, self.outputs = name, program, inputs, outputs

    def onnx(self, told: Mapping[str, str]) -> bytes:
        """Return an ONNX file of opset 20 in one piece, with texts by name among its metadata.

        Raises:
            ImportError: ``onnx`` or ``onnxscript`` is not installed.
            ValueError: some layer does what ONNX has no operator for.
        """
        refuse_without_onnx()
        with torch.random.fork_rng([]), quiet():
            return _bytes(self.name, _translated(self.name, self.program, self.inputs, self.outputs), told)

    def pt2(self, told: Mapping[str, str]) -> bytes:
        """Return a ``.pt2`` file, which ``torch.export.load`` reads, with texts by name among its extra files."""
        file = io.BytesIO()
        with quiet():
            torch.export.save(self.program, file, extra_files=dict(told))
        return file.getvalue()


def refuse_without_onnx() -> None:
    """Refuse to write ONNX graphs where the extra is not installed.

    Raises:
        ImportError: always with the extra.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise ImportError(MISSING) from None


def traced(name: str, module: nn.Module, **inputs: Tensor) -> Traced:
    """Trace a module.

    Args:
        name: the graph's.
        module: from tensors to a dictionary of tensors, by the names of the graph's outputs.
        inputs: an example of each input, (rows, ...), by its name: two rows or more.

    Raises:
        ValueError: some layer does what cannot be traced.
    """
    with torch.random.fork_rng([]), quiet():
        program = _program(name, module, inputs)
        for node in program.graph.nodes:
            # Lines of the source, with where it lies on this machine.
            node.meta.pop("stack_trace", None)
        for key, constant in program.constants.items():
            if isinstance(constant, Tensor) and not constant.numel():
                # What has no elements but memory, as numpy's arrays do, cannot be saved by torch.
                program.constants[key] = torch.empty_like(constant)
        return Traced(name, program, list(inputs), list(module(**inputs)))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to oneself what the exporter says of its own workings."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _program(name: str, module: nn.Module, inputs: dict[str, Tensor]) -> Any:
    """Trace a module."""
    batch = torch.export.Dim("batch")
    shapes = {key: {0: batch} for key in inputs}
    try:
        # With gradients on, no part looks at values for a quicker way to the same numbers.
        with torch.enable_grad(), Replaced():
            return torch.export.export(module, (), kwargs=inputs, dynamic_shapes=shapes, strict=False)
    except Exception as error:
        if _said(error).startswith("Constraints violated"):
            culprit, reason = _fixing(module, inputs, shapes), "it fixes the number of rows"
            remedy = "ask for x.shape[0] instead of len(x), and keep it out of int(), max() and the like"
        else:
            culprit, reason = _raising(error.__traceback__), _said(error)
            remedy = "let it compute with tensors alone: no numpy, and no branch that depends on what is in the rows"
        culprit = culprit or type(module).__name__
        raise ValueError(f"{culprit} cannot be part of the graph {name!r}: {reason}; {remedy}") from error


def _translated(name: str, program: Any, inputs: list[str], outputs: list[str]) -> Any:
    """Translate a traced program."""
    from onnxscript.optimizer import optimize_ir

    try:
        done = torch.onnx.export(
            program,
            (),
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
            optimize=False,
        )
        # Once is enough: what torch asks for, twice, finds a hundredth more and takes a third of an export.
        optimize_ir(done.model, num_iterations=1)  # type: ignore[union-attr]
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        remedy = "write that layer with other operations"
        reason = f"the graph {name!r} holds what ONNX has no operator for ({_said(cause)})"
        raise ValueError(f"{reason}; {remedy}") from error
    return done.model_proto  # type: ignore[union-attr]


def _bytes(name: str, proto: Any, told: Mapping[str, str]) -> bytes:
    """Return a graph's bytes, with texts by name and without traces of the source that it was made of."""
    from isthmus import __version__

    proto.graph.name, proto.producer_name, proto.producer_version = name, "isthmus", __version__
    graph, functions = proto.graph, list(proto.functions)
    # Shapes in between follow from those of the inputs.
    del proto.metadata_props[:], graph.value_info[:]
    ends = (*graph.input, *graph.output)
    _rename(ends)
    nodes = [node for part in (graph, *functions) for node in part.node]
    for owner in (graph, *functions, *nodes, *ends, *graph.initializer):
        owner.ClearField("doc_string")
        del owner.metadata_props[:]
    for key, text in told.items():
        proto.metadata_props.add(key=key, value=text)
    return bytes(proto.SerializeToString())


def _rename(ends: tuple[Any, ...]) -> None:
    """Call the number of rows ``batch``, whatever symbol stands for it."""
    symbol = ends[0].type.tensor_type.shape.dim[0].dim_param
    for end in ends:
        for dim in end.type.tensor_type.shape.dim:
            if dim.dim_param == symbol:
                dim.dim_param = "batch"


def _fixing(module: nn.Module, inputs: dict[str, Tensor], shapes: dict[str, Any]) -> str | None:
    """Return the name of the module after which the number of rows is no longer open."""
    found: list[str] = []

    def look(inner: nn.Module, given: Any, y: Any) -> None:
        nodes = [getattr(x.shape[0], "node", None) for x in given if isinstance(x, Tensor) and x.dim()]
        if not found and any(node is not None and node.maybe_as_int() is not None for node in nodes):
            found.append(type(inner).__name__)

    hooks = [inner.register_forward_hook(look) for inner in module.modules()]
    try:
        torch.export.export(module, (), kwargs=inputs, dynamic_shapes=shapes, strict=False)
    except Exception:  # it is why we look
        pass
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _raising(trace: TracebackType | None) -> str | None:
    """Return the name of the innermost module, none of torch's own, in which an error arose."""
    found = None
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and not type(owner).__module__.startswith("torch."):
            found = type(owner).__name__
        trace = trace.tb_next
    return found


def _said(error: BaseException) -> str:
    """Return the first line of what an error says."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
