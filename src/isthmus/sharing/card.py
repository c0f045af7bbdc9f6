"""The model card: metadata that the Hub reads, and what the model says of itself, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from isthmus.report.contract import Summary
from isthmus.report.summary import cell, markdown

COLUMNS = 50
USES = {
    "autoencoder": ("codes = model.transform(X)", "back = model.reconstruct(X)", "scores = model.score_samples(X)"),
    "detector": ("p = model.p_values(X)", "print(model.explain(X[:5]))"),
    "classifier": ("y = model.predict(X)", "print(model.explain(X[:5]))"),
    "regressor": ("y = model.predict(X)", "print(model.explain(X[:5]))"),
}
TASKS = {"autoencoder": "feature-extraction", "detector": "tabular-classification"}


def card(
    model: Any, repo_id: str, summary: Summary, *, data: str, license: str | None, tags: Sequence[str], rows: bool
) -> str:
    """Return a README.md: YAML metadata, the summary, the columns, how to load the model, what is in the repository.

    Args:
        model: a fitted estimator.
        repo_id: name of the repository, ``user/name``.
        summary: of the model.
        data: what the rows are called that it was measured on.
        license: of the model, by the Hub's name for it.
        tags: words by which it is found, beside its own.
        rows: whether rows of the fit are in the repository.
    """
    from huggingface_hub import ModelCard

    text = "\n\n".join(
        [
            f"---\n{_metadata(repo_id, summary, data, license, tags)}\n---",
            markdown(summary),
            "## Columns\n\n" + "\n".join(_columns(model)),
            "## How to use it\n\n```python\n" + "\n".join(_usage(repo_id, summary.model)) + "\n```",
            "## What is in this repository\n\n" + _inside(rows=rows),
        ]
    )
    return str(ModelCard(text + "\n"))


def _metadata(repo_id: str, summary: Summary, data: str, license: str | None, tags: Sequence[str]) -> str:
    """Return the YAML that the Hub reads: what loads the model, its license, tags and results."""
    from huggingface_hub import EvalResult, ModelCardData

    measured = [measure for measure in summary.measures if measure.value is not None]
    task = TASKS.get(summary.model, f"tabular-{'classification' if summary.model == 'classifier' else 'regression'}")
    results = [
        EvalResult(
            task_type=task,
            dataset_type="tabular",
            dataset_name=data,
            metric_type=measure.name.replace(" ", "_"),
            metric_name=f"{measure.name} ({measure.unit})" if measure.unit else measure.name,
            metric_value=round(float(measure.value or 0.0), 6),
        )
        for measure in measured
    ]
    own = ["autoencoder", *([summary.model] if summary.model != "autoencoder" else [])]
    found = ModelCardData(
        library_name="isthmus",
        license=license,
        tags=list(dict.fromkeys([*own, *tags])),
        pipeline_tag=task if summary.model == "autoencoder" else None,
        metrics=[result.metric_type for result in results] or None,
        model_name=repo_id.split("/")[-1] if results else None,
        eval_results=results or None,
    )
    return str(found.to_yaml()).strip()


def _columns(model: Any) -> Iterator[str]:
    """Name the columns of a table with their kinds, or say how wide rows are."""
    inner = getattr(model, "autoencoder_", model)
    if hasattr(inner, "members_"):
        shape, told = inner.reading_.given, inner.reading_.described()
    else:
        shape, told = inner.row_shape_, inner.describe_columns()
    if len(shape) > 1:
        yield f"Every row is a picture or signal of the shape {tuple(shape)}."
        return
    if not hasattr(model, "feature_names_in_") and {column["kind"] for column in told} <= {"number", "constant"}:
        yield f"Every row is {len(told):,} numbers; columns had no names."
        return
    yield from ("| column | kind |", "|---|---|")
    yield from (f"| {cell(column['name'])} | {column['kind']} |" for column in told[:COLUMNS])
    if len(told) > COLUMNS:
        yield f"\n... and {len(told) - COLUMNS:,} more."


def _usage(repo_id: str, kind: str) -> Iterator[str]:
    yield from ("# pip install 'isthmus[hub]'", "import isthmus", "", f'model = isthmus.from_hub("{repo_id}")')
    yield from (f"{line}  # X: rows with the columns above" if i == 0 else line for i, line in enumerate(USES[kind]))


def _inside(*, rows: bool) -> str:
    inside = (
        "`model.json` describes the model, and its columns with their names and levels; `weights.safetensors` holds "
        "its numbers. Neither is a pickle, and no code is run when they are read. "
    )
    if rows:
        return f"{inside}The weights file also holds rows of the fit, or codes from which they can be decoded."
    return f"{inside}There are no rows of the data that the model was fitted to, and no codes of such rows."
