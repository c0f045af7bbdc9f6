"""The autoencoder as a scikit-learn transformer and density."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted

from isthmus.architecture import Architecture
from isthmus.bottleneck import Bottleneck
from isthmus.corruption import Corruption
from isthmus.data.arrays import Scaling
from isthmus.estimators import beginning, fitting, generation
from isthmus.estimators.assembly import Parts
from isthmus.estimators.evaluation import Evaluation, evaluate
from isthmus.estimators.exporting import ExportedAutoencoder
from isthmus.estimators.forms import Plain
from isthmus.estimators.imputation import deviations, impute, some
from isthmus.estimators.inference import Inference
from isthmus.estimators.inputs import Array, gather, refuse_flat, row_shape, row_weights
from isthmus.estimators.naming import Named
from isthmus.estimators.parameters import PartParameters, seed_of, whole
from isthmus.estimators.past import Past, TrainingRows
from isthmus.estimators.reference import References, of_autoencoder
from isthmus.estimators.streaming import by_blocks
from isthmus.estimators.table_evaluation import TableEvaluation
from isthmus.likelihood import Likelihood
from isthmus.noise import Noise
from isthmus.objective import Objective
from isthmus.penalty import Penalty
from isthmus.records import Source, Spec
from isthmus.training.callbacks import Callback
from isthmus.training.loop import Loop
from isthmus.training.trainer import Trainer
from isthmus.training.workers import Workers

HIDE = 10


class Autoencoder(Named, ExportedAutoencoder, ClassNamePrefixFeaturesOutMixin, TransformerMixin, PartParameters):
    """An autoencoder from six parts, as a transformer, a density and a generator.

    J = E_x E_{x~ ~ C(x~|x)} [-log p(x | g(h))] + sum_i w_i Omega_i,  h ~ q(h | x~) = bottleneck(f(x~)).

    Args:
        n_components: number of units of the code; None is 32, or half the columns where that is less; ``auto``
            measures the dimension of the data.
        architecture: f and g; None is a dense net with a linear path beside it.
        bottleneck: what a code may be; None is Undercomplete().
        corruption: how inputs are damaged while fitting; None is Clean().
        likelihood: the distribution of the data given the code; None picks Bernoulli or Normal from the data.
        penalties: what is asked beside a good reconstruction.
        trainer: how the model is trained; None is Trainer().
        shape: shape of one row for images (channels, height, width) or signals (channels, length) that arrive as flat
            rows; None takes it from X.
        schema: kinds of a table's columns by name, ``{"city": "category"}`` or ``Category()`` of ``isthmus.parts``, for
            those that should not be chosen from the rows; ``auto`` chooses all. None reads frames as tables only where
            they hold more than complete numbers: text, categories, dates, missing cells.
        scaling: ``none``, ``common`` (centre, divide by one number), ``standard`` (divide per column), or ``auto``:
            common for the squared error, none elsewhere. Results are always in the caller's units.
        random_state: seed of initial weights, split, order, noise and samples.
        verbose: show a progress bar.

    Attributes:
        parts_: every part by name, defaults resolved.
        objective_: the trained torch module; ``objective_.model`` holds encoder and decoder.
        history_: every term of every epoch, for training and held-out rows.
        n_components_: number of units; n_iter_: epochs trained; n_features_in_, feature_names_in_: the columns.
        row_shape_: shape of one row as X had it: (columns,), or that of a picture or signal.

    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data
    >>> model = Autoencoder(n_components=8, trainer=Trainer(epochs=2), random_state=0).fit(X)
    >>> model.transform(X).shape, model.reconstruct(X).shape
    ((1797, 8), (1797, 64))
    """

    def __init__(
        self,
        n_components: int | str | None = None,
        *,
        architecture: Architecture | None = None,
        bottleneck: Bottleneck | None = None,
        corruption: Corruption | None = None,
        likelihood: Likelihood | None = None,
        penalties: Sequence[Penalty] = (),
        trainer: Trainer | None = None,
        shape: tuple[int, ...] | None = None,
        schema: Any = None,
        scaling: str = "auto",
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        """Keep the parameters as they are."""
        self.n_components = n_components
        self.architecture = architecture
        self.bottleneck = bottleneck
        self.corruption = corruption
        self.likelihood = likelihood
        self.penalties = penalties
        self.trainer = trainer
        self.shape = shape
        self.schema = schema
        self.scaling = scaling
        self.random_state = random_state
        self.verbose = verbose

    form_: Plain
    scaling_: Scaling
    spec_: Spec
    objective_: Objective
    parts_: Parts
    trainer_: Trainer
    n_components_: int
    row_shape_: tuple[int, ...]
    _noise: Noise
    _seen: TrainingRows
    _n_features_out: int

    # -- fitting ----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        held_out: Any = None,
        checkpoint: str | Path | None = None,
        callbacks: Sequence[Callback] = (),
        devices: int | Workers | None = None,
    ) -> Self:
        """Train on the rows of X.

        Args:
            X: rows; a 2-D array or data frame, images or signals as (rows, *shape), a torch tensor, Dataset or loader;
                or rows larger than memory: ``isthmus.data.stream(path)``, or an array that numpy maps from a file.
            y: ignored.
            sample_weight: a weight per row; rows of weight zero are left out.
            held_out: rows that choose the weights; None holds out ``trainer.validation`` of X.
            checkpoint: a file to write checkpoints to, and to go on from where it exists.
            callbacks: see ``isthmus.training.callbacks``.
            devices: number of processes on this machine that train together (see ``isthmus.training.distributed``), or
                ``isthmus.cluster.Ray(...)`` for those of a cluster; None takes part where processes were started
                together (torchrun), and else is this process, as 1 is.

        Raises:
            ValueError: unusable data, or parts that do not fit together or to the data.
        """
        with whole(self):
            fitting.fit(self, X, sample_weight, held_out, checkpoint, callbacks, devices)
        return self

    def _ended(self, loop: Loop, x: Array, weight: Array | None) -> None:
        """Keep what a finished loop tells, and look at the training rows once more."""
        self.history_, self.n_iter_, self.best_epoch_ = loop.history, loop.epoch, loop.best_epoch
        ran = self.trainer_.runs(self.objective_, loop.rows, shared=loop.group.size > 1)
        self.engine_ = f"{ran}, but for steps that cannot be ({loop.refused})" if loop.refused else ran
        self._answer_anew()
        self._seen.look(x, weight, self.answers)
        self._hide(loop.held_out if loop.held_out is not None else loop.rows)
        self._references = of_autoencoder(self, x, loop.held_out, loop.rows)

    def _hide(self, rows: Source) -> None:
        """Keep how far a table's hidden cells are from what is expected of them."""
        if self.form_.table is not None:
            noise = self._noise.branch(HIDE)
            self.deviations_ = deviations(self.answers, self.form_.table, some(rows, noise), noise)

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Pass once over the rows of X, going on from where the last call or fit ended; nothing is held out.

        The first rows choose what was left open: likelihood, scaling, number of units. After a fit, ``history_`` starts
        anew.
        """
        first = not hasattr(self, "objective_")
        with whole(self):
            x, weight = beginning.begin(self, X, sample_weight) if first else self._continued(X, sample_weight)
            rows = beginning.rows_of_fit(self, x, weight)
            moments = getattr(self, "_moments", None)
            self._moments = self.trainer_.partial(self.objective_, rows, self._noise, moments, start=first)
        self.history_ = self._moments.history
        self.n_iter_ = self.best_epoch_ = len(self.history_)
        self._answer_anew()
        self._seen.let_pass(x, weight)
        self._hide(rows)
        self.__dict__.pop("_references", None)
        return self

    def _continued(self, X: Any, sample_weight: Any) -> tuple[Array, Array | None]:
        x = self._checked(X)
        return x, row_weights(sample_weight, x)

    def _answer_anew(self) -> None:
        """Forget what depends on the weights as they were."""
        self._answers = Inference(self.objective_, self.scaling_, self._refuse_cells)
        self.__dict__.pop("_density", None)

    @property
    def past(self) -> Past:
        """What is known of the training rows: PCA at equal size, and a sample of codes."""
        return self._seen.past(self.answers)

    @property
    def references(self) -> References:
        """What rows are compared with to tell whether they have moved; of a stream its rows so far, without a score."""
        check_is_fitted(self, "objective_")
        if "_references" not in self.__dict__:
            rows = self._seen.sample
            self._references = References() if rows is None else of_autoencoder(self, rows, None)
        return self._references

    # -- use --------------------------------------------------------------------------------------------------------

    def _checked(self, X: Any, *, scored: bool = True) -> Array:
        """Return rows whose columns and cells were looked at."""
        x = self._admitted(X)
        self._refuse_cells(x, scored)
        return x

    def _admitted(self, X: Any) -> Array:
        """Return rows like those of the fit; their cells are looked at while they are answered."""
        check_is_fitted(self, "objective_")
        return self.form_.admit(self, gather(X))

    def _refuse_cells(self, x: Array, scored: bool) -> None:
        """Refuse what cannot be answered."""
        self.form_.refuse_cells(self, x, scored)

    @property
    def answers(self) -> Inference:
        """Return what answers questions to the fitted model, as its weights are now."""
        check_is_fitted(self, "objective_")
        if "_answers" not in self.__dict__ or self._answers.outdated:
            self._answer_anew()
        return self._answers

    @by_blocks
    def transform(self, X: Any) -> Array:
        """Return the code of each row, (rows, n_components); code maps are flattened, units first."""
        return self.answers.codes(self._admitted(X))

    def inverse_transform(self, X: Any) -> Array:
        """Return the expected data of codes, (rows, n_features_in_), in the units of the fit."""
        check_is_fitted(self, "objective_")
        X = gather(X)
        refuse_flat(X)
        codes = check_array(X, dtype=[np.float64, np.float32], input_name="X")
        if codes.shape[1] != self._n_features_out:
            raise ValueError(
                f"X holds codes of {codes.shape[1]} numbers, the model has {self._n_features_out} per code; "
                "pass what transform returned"
            )
        return self.form_.restore(self.answers.decode(codes))

    @by_blocks
    def reconstruct(self, X: Any) -> Any:
        """Return the expected value of every entry given the row's code, as the caller gave X: frame, names, shape."""
        check_is_fitted(self, "objective_")
        rows = gather(X)
        return self.form_.restore(self.answers.reconstructions(self._admitted(rows)), X, row_shape(rows))

    def impute(self, X: Any, *, return_std: bool = False) -> Any:
        """Return the table X with its missing cells filled by what the model expects, given the cells that are there.

        Numbers stay within those that the fit saw.
        With ``return_std`` also how far each filled cell may be off: for numbers and dates (in seconds) the root mean
        squared error at hidden cells of rows held out of the fit (of its own where it held none out), for levels the
        chance of another one; 0 elsewhere.
        """
        check_is_fitted(self, "objective_")
        return impute(self, X, return_std=return_std)

    @by_blocks
    def feature_errors(self, X: Any) -> Array:
        """Return -log p(x_j | code(x)) of every entry, (rows, n_features_in_), in nats of the caller's units."""
        x = self._admitted(X)
        return self.form_.errors(x, self.answers.errors(x))

    @by_blocks
    def score_samples(self, X: Any) -> Array:
        """Return the log-likelihood of each row given its code, less KL(q || prior) where codes have a density.

        In nats of the caller's units; ``-feature_errors(X).sum(1)`` is its first term. No randomness is used.
        """
        x = self._admitted(X)
        return self.form_.scores(x, self.answers.scores(x))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of :meth:`score_samples`: what cross-validation compares."""
        return float(self.score_samples(X).mean())

    def sample(self, n_samples: int = 1, *, random_state: Any = None, mean: bool = True) -> Any:
        """Return new rows, decoded from new codes.

        Codes come from the prior where they have one, else from a Gaussian mixture on the codes of training rows (Ghosh
        et al., 2020, "From Variational to Deterministic Autoencoders"). ``mean`` returns the expected value of each
        entry; without it entries are drawn from the likelihood too. Without ``random_state`` the seed of the fit is
        used, so that every call returns the same rows.
        """
        check_is_fitted(self, "objective_")
        return generation.sample(self, n_samples, random_state, mean)

    def evaluate(
        self, X: Any, *, draws: int = 0, random_state: Any = 0, bytes_per_row: float | None = None
    ) -> Evaluation | TableEvaluation:
        """Measure the model on rows X: errors beside PCA's, likelihood, code, compression, and a verdict in words.

        On a table column by column, in the column's own unit: what comes back from the code, and what is expected of a
        hidden cell from the others, beside the mean or the most frequent level.

        Args:
            X: rows, best ones that the fit has not seen.
            draws: more than 0 adds the importance-weighted estimate of -log p(x), for codes with a density.
            random_state: seed of those draws.
            bytes_per_row: what a row takes at its source; None counts the bytes of X.
        """
        X = gather(X)
        x = self._checked(X)
        return evaluate(self, X, x, draws=draws, seed=seed_of(random_state), bytes_per_row=bytes_per_row)

    def save(self, path: str | Path) -> Path:
        """Write the model to a folder: ``model.json`` and ``weights.safetensors``.

        Raises:
            ValueError: the folder is something else, or cannot be written; an older model there stays whole.
        """
        from isthmus.estimators.saving import save

        check_is_fitted(self, "objective_")
        return save(self, path)

    # -- scikit-learn -----------------------------------------------------------------------------------------------

    def _part(self, name: str) -> Any:
        value = getattr(self, name)
        if value is None and name == "trainer":
            return Trainer()
        return value

    def __sklearn_tags__(self) -> Any:
        """Declare that float32 codes come from float32 rows."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.schema is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def __getstate__(self) -> dict[str, Any]:
        """Leave copies made for inference behind."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("_answers", "_density")}

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        """Show the parameters and, once fitted, the parts in the formalism's words."""
        text: str = super().__repr__(N_CHAR_MAX=N_CHAR_MAX)
        return f"{text}\n# fitted: {self.parts_}" if hasattr(self, "parts_") else text
