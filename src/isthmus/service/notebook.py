"""The page in a notebook."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isthmus.service.explorer import Explorer

# The page stands in a frame of its own, so that neither changes the other; names come out of it as messages.
MODULE = """
export default {
  render({ model, el }) {
    const frame = document.createElement("iframe");
    frame.title = "isthmus report";
    frame.style.cssText = `width: 100%; height: ${model.get("height")}px; border: 0`;
    frame.sandbox = "allow-scripts allow-forms allow-downloads";
    frame.srcdoc = model.get("html");
    const heard = (event) => {
      if (event.source === frame.contentWindow && event.data?.isthmus === "name") model.send(event.data);
    };
    const answered = (answer) => frame.contentWindow.postMessage(answer, "*");
    window.addEventListener("message", heard);
    model.on("msg:custom", answered);
    el.append(frame);
    return () => {
      window.removeEventListener("message", heard);
      model.off("msg:custom", answered);
    };
  },
};
"""


def explore(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    path: str | Path | None = None,
    height: int = 800,
    name: str = "data",
    label: str = "",
    shape: tuple[int, ...] | None = None,
    titles: Any = None,
) -> Any:
    """Return the page of a fitted model and rows as a widget of a notebook; names given there go to the model.

    Args:
        model: a fitted autoencoder, anomaly detector or self-explaining model.
        X: rows like those of its fit.
        y: a label per row; numbers only colour rows.
        path: a folder that the model is saved to whenever a concept is named; None keeps names in ``model``.
        height: of the page in the notebook, in pixels.
        name: what the rows are called.
        label: what y is called.
        shape: draw flat rows as pictures, (channels, height, width).
        titles: what each row is called beside its number; the labels of a pandas frame if None.

    Raises:
        ImportError: the extra ``isthmus[notebook]`` is not installed.
        ValueError: a model that is not fitted, or rows unlike those of the fit.

    >>> from isthmus import Autoencoder, Trainer, data
    >>> X = data.read("digits", limit=100).X
    >>> model = Autoencoder(4, trainer=Trainer(epochs=1), random_state=0).fit(X)
    >>> widget = explore(model, X)
    >>> widget.height
    800
    """
    try:
        import anywidget
        import traitlets
    except ImportError as error:
        raise ImportError(f"the page in a notebook needs {error.name}; pip install 'isthmus[notebook]'") from None

    saved = None if path is None else Path(path)
    explorer = Explorer(model, X, y, saved, name=name, label=label, shape=shape, titles=titles)

    class Page(anywidget.AnyWidget):
        """The page in a frame."""

        _esm = MODULE
        html = traitlets.Unicode().tag(sync=True)
        height = traitlets.Int().tag(sync=True)

    widget = Page(html=explorer.report.html(host=True), height=height)
    widget.on_msg(lambda page, message, _: page.send(named(explorer, message)))
    return widget


def named(explorer: Explorer, message: dict[str, Any]) -> dict[str, Any]:
    """Give a concept the name that a message from the page asks for, and return what the page is told."""
    try:
        explorer.rename(message["unit"], message["name"])
    except ValueError as error:
        return {"isthmus": "refused", "unit": message["unit"], "why": str(error)}
    return {"isthmus": "named", "unit": message["unit"]}
