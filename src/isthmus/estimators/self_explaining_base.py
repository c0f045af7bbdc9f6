"""What self-explaining classifier and regressor share: concepts, relevances, explanations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from isthmus.architecture import Architecture
from isthmus.architecture.conv import Conv
from isthmus.architecture.dense import Dense
from isthmus.atrow import labels_of
from isthmus.estimators.assembly import part_of
from isthmus.estimators.autoencoder import Autoencoder
from isthmus.estimators.concept_explanation import ConceptExplanation, explained
from isthmus.estimators.exporting_on_code import ExportedSelfExplaining
from isthmus.estimators.forms import form_of
from isthmus.estimators.inputs import Array, row_shape
from isthmus.estimators.interventions import Intervention, intervened
from isthmus.estimators.on_code import OnCode, refuse_no_switch, refuse_weight
from isthmus.estimators.reference import of_autoencoder
from isthmus.explain.self_explaining import SelfExplaining
from isthmus.noise import Noise
from isthmus.records import Rows
from isthmus.training.trainer import Trainer

if TYPE_CHECKING:
    from isthmus.estimators.audit import Audit

EXPLAIN, SAMPLE, KNOWN = 12, 13, 20_000
READS = ("inputs", "code")


def named(y: Any) -> str | None:
    """Return what labels or targets are called, where they are a column of a frame."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else None


class SelfExplainingEstimator(ExportedSelfExplaining, OnCode):
    """An estimator whose predictions are sums of relevance times concept."""

    relevances: Architecture | None
    trainer: Trainer | None
    reads: str
    robustness: float
    conciseness: float
    fidelity: float
    frozen: bool
    task: ClassVar[type[SelfExplaining]] = SelfExplaining
    task_: SelfExplaining
    target_name_: str | None

    def _fit_task(
        self, X: Any, x: Array, y: Array, weight: Array | None, outputs: int, *, held_out: Any, callbacks: Any
    ) -> Self:
        """Fit the autoencoder where it is not, and then everything."""
        settings = settings_of(self)
        trainer = part_of(self.trainer, Trainer, Trainer(), "trainer")
        self.autoencoder_ = self._pretrained(X, weight)
        noise = self._noise_of_fit().branch(EXPLAIN)
        self.task_ = self.task(
            self.autoencoder_.objective_,
            self._network(),
            outputs,
            noise,
            classes=hasattr(self, "classes_"),
            unit=self._unit() if settings["reads"] == "inputs" else 1.0,
            linear=self.autoencoder_.n_iter_ > 0 or settings["frozen"],
            **settings,
        )
        kept = np.arange(len(x)) if weight is None else np.flatnonzero(weight)
        if weight is not None and len(kept) < len(x):
            x, y, weight = x[kept], y[kept], weight[kept]
        held = None if held_out is None else self._held_out(held_out)
        loop = trainer.fit(
            self.task_, self._rows(x, y, weight), noise, held_out=held, callbacks=callbacks, phase="explaining"
        )
        self.history_, self.n_iter_, self.best_epoch_ = loop.history, loop.epoch, loop.best_epoch
        self._answer_anew()
        self.autoencoder_._seen.look(x, weight, self.autoencoder_.answers)
        if not self.frozen:
            self._measure_anew(loop)
        # Rows that this fit holds out may have been the autoencoder's own, whose score is then no stranger's.
        self.autoencoder_._references = of_autoencoder(self.autoencoder_, x, None)
        self._remember(x, kept, noise.branch(SAMPLE))
        return self

    def _default(self, X: Any = None) -> Autoencoder:
        return Autoencoder() if X is None else autoencoder_for(X)

    def _network(self) -> Architecture:
        """Return the relevance network: what was given, else one of the autoencoder's family."""
        own = self.autoencoder_.parts_.architecture
        smooth = Dense(hidden=(128, 64), activation="silu")
        default = replace(own, head="vector", activation="silu", tied=False) if isinstance(own, Conv) else smooth
        return part_of(self.relevances, Architecture, default if self.reads == "inputs" else smooth, "relevances")

    def _unit(self) -> float:
        """Return what all inputs were divided by; 1 where each column has a unit of its own."""
        scaling = self.autoencoder_.scaling_
        return float(np.ravel(scaling.factor)[0]) if scaling.mode == "common" else 1.0

    def _held_out(self, pair: Any) -> Rows:
        raise NotImplementedError  # abstract

    def _remember(self, x: Array, numbers: Array, noise: Noise) -> None:
        """Keep the concepts of training rows, for prototypes, ranges and nearest rows; ``numbers`` are the caller's."""
        drawn = np.sort(noise.permutation(len(x))[:KNOWN].numpy())
        self.known_, some = numbers[drawn], x[drawn]
        self.known_concepts_ = self.autoencoder_.answers.codes(some).astype(np.float32)
        spread = np.nanstd(some, axis=0)
        self.spread_ = np.where(np.isfinite(spread), spread, 0.0)

    # -- use --------------------------------------------------------------------------------------------------------

    @property
    def n_concepts_(self) -> int:
        """The number of concepts, without the constant one."""
        return math.prod(self.task_.model.code_shape)

    @torch.no_grad()
    def _taken_apart(self, x: Array) -> tuple[Array, Array]:
        """Return concepts (rows, concepts + 1) and relevances (rows, concepts + 1, outputs) of rows as variables."""
        task = self._in_precision(x)
        found = [task.parts(batch) for batch in self._batches(x)]
        concepts, relevances = (torch.cat(part).cpu().numpy() for part in zip(*found, strict=True))
        return concepts, self._in_units(relevances)

    def _in_units(self, relevances: Array) -> Array:
        """Return relevances in the units of the outputs."""
        return relevances

    def _predicted(self, X: Any) -> Array:
        """Return what contributions should add up to, (rows, outputs)."""
        return self._logits(X)

    @torch.no_grad()
    def _relevances_of(self, concepts: Array) -> Array:
        """Return the relevances of concepts that were set, where relevances read the code."""
        task = self._in_precision(concepts)
        code = torch.from_numpy(np.ascontiguousarray(concepts[:, :-1])).to(next(task.parameters()).device)
        return self._in_units(task.relevances(code).cpu().numpy())

    def explain(self, X: Any, against: Any = None, *, probes: int = 8, eps: float = 0.1) -> ConceptExplanation:
        """Take the predictions for rows apart into what every concept adds.

        Args:
            X: rows.
            against: a class, or one per row: contributions then say what speaks for the predicted class rather than for
                this one. None explains every logit.
            probes: how many neighbours of each row the stability is measured with; 0 leaves it out.
            eps: how far these may be, in standard deviations of each column.
        """
        return replace(explained(self, self._checked(X), against, probes, eps), labels=labels_of(X))

    def intervene(self, X: Any, concepts: Mapping[Any, Any]) -> Intervention:
        """Set concepts to values, and predict and decode what changes.

        Args:
            X: rows.
            concepts: a value, or one per row, by the number or name of the concept.

        Raises:
            ValueError: no such concept, one that is given twice, or values that do not fit.
        """
        return replace(intervened(self, self._checked(X), concepts), labels=labels_of(X))

    def audit(self, X: Any, y: Any, *, train: Any = None, refits: int = 0, eps: float = 0.1) -> Audit:
        """Say what an honest reader needs: baselines, leakage, faithfulness, completeness, stability, and a verdict.

        Args:
            X: rows that the fit has not seen.
            y: their labels.
            train: a pair (X, y) that baselines are fitted to, best that of the fit; None fits them to a half of X, and
                looks at the other half.
            refits: how many times the model is fitted anew with another seed; from 1 on, also for the prediction alone
                (a black box of the same size), and on concepts that were never trained.
            eps: distance of the neighbours that stability is measured with, in standard deviations.
        """
        from isthmus.estimators.audit import audited  # its baselines cost every start a second

        return audited(self, X, y, train, refits, eps)

    def name_concept(self, concept: int, name: str | None) -> Self:
        """Call a concept by a name, which explanations use and which is saved with the model; None takes it away."""
        check_is_fitted(self, "task_")
        self.autoencoder_.name_concept(concept, name)
        return self

    def save(self, path: str | Path) -> Path:
        """Write the model to a folder: ``model.json`` and ``weights.safetensors``; ``isthmus.load`` reads it.

        Raises:
            ValueError: the folder is something else, or cannot be written; an older model there stays whole.
        """
        from isthmus.estimators.saving_self_explaining import save

        check_is_fitted(self, "task_")
        return save(self, path)

    def relevance_norm(self, X: Any) -> Array:
        """Return ``||J_f - theta^T J_h||_F^2`` per row, exactly: what ``robustness`` weighs."""
        x = self._checked(X)
        task = self._in_precision(x)
        return np.concatenate([task.norm(batch).cpu().numpy() for batch in self._batches(x)])


def autoencoder_for(X: Any) -> Autoencoder:
    """Return the default for rows: it sees every column in its own standard deviations, where rows are numbers."""
    chosen = Autoencoder()
    plain = form_of(chosen, X).table is None and len(row_shape(X)) == 1
    return chosen.set_params(scaling="standard") if plain else chosen


def settings_of(model: SelfExplainingEstimator) -> dict[str, Any]:
    """Return the task's settings.

    Raises:
        ValueError: one is out of its range.
    """
    if model.reads not in READS:
        raise ValueError(f"reads={model.reads!r} is unknown; relevances read 'inputs' or 'code'")
    return {
        "reads": model.reads,
        "robustness": refuse_weight(model.robustness, "robustness"),
        "conciseness": refuse_weight(model.conciseness, "conciseness"),
        "fidelity": refuse_weight(model.fidelity, "fidelity"),
        "frozen": refuse_no_switch(model.frozen, "frozen"),
    }
