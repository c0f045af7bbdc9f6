"""The benchmark of concepts: its sets are what they say, the truth is perfect, and tables say what rows say."""

import json

import numpy as np
import pytest

from isthmus import Trainer, measures, recipes
from isthmus.bench import dictionaries, planted
from isthmus.bench.concepts import SETS, Options, measured, run
from isthmus.bench.dictionaries import METHODS, Fitted, NotPossible
from isthmus.bench.pictures import LEVELS, drawn, plant, sprites
from isthmus.bench.tables import report

SMALL = {"rows": (400, 100)}
SUMS = {
    "superposition": lambda seed: planted.superposition(seed, **SMALL),
    "equal rates": lambda seed: planted.superposition(seed, zipf=0.0, **SMALL),
    "hierarchy": lambda seed: planted.superposition(seed, children=3, **SMALL),
    "correlated": lambda seed: planted.superposition(seed, correlation=0.3, **SMALL),
    "pairs": lambda seed: planted.pairs(seed, **SMALL),
}


@pytest.mark.parametrize("name", SUMS)
def test_rows_are_the_sums_of_their_features_and_the_seed_decides(name, untouched_generators):
    known, again, other = SUMS[name](0), SUMS[name](0), SUMS[name](1)
    np.testing.assert_allclose(known.held_out, known.present @ known.atoms, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(known.atoms, axis=1), 1)
    assert (known.X == again.X).all() and not (known.X == other.X).all()
    assert (known.present > 0).sum(axis=1).mean() == pytest.approx(known.l0, rel=0.15)
    assert known.X.shape == (400, known.atoms.shape[1]) and len(known.held_out) == 100


def test_rates_meet_the_target_and_fall_as_asked():
    known = planted.superposition(0, features=40, l0=2.0, zipf=1.0, rows=(10, 20_000))
    rates = (known.present > 0).mean(axis=0)
    assert rates.sum() == pytest.approx(2, rel=0.02) and rates[0] / rates[4] == pytest.approx(5, rel=0.1)
    with pytest.raises(ValueError, match=r"l0=9 with zipf=1 asks for a rate of 1.66; lower one of them"):
        planted.superposition(0, l0=9, zipf=1)
    together = planted.superposition(0, correlation=0.5, zipf=0.0, rows=(10, 20_000)).present > 0
    alone = planted.superposition(0, zipf=0.0, rows=(10, 20_000)).present > 0
    assert np.abs(np.corrcoef(together.T)).mean() > 2 * np.abs(np.corrcoef(alone.T)).mean()


@pytest.mark.parametrize("name", ["hierarchy", "pairs"])
def test_children_come_with_their_parents_one_at_a_time(name):
    known = SUMS[name](0)
    there, parents = known.present > 0, len(known.parents)
    children = there[:, parents:].reshape(len(there), -1, parents)
    assert not (children.any(axis=1) & ~there[:, :parents]).any() and children.any()
    assert children.sum(axis=1).max() == 1


def test_chords_add_up_nearly_and_a_note_alone_is_its_atom():
    known = planted.chords(0, rows=(300, 300))
    there = known.present > 0
    assert there.sum(axis=1).max() == 4 and known.held_out.min() >= 0
    alone = np.flatnonzero(there.sum(axis=1) == 1)
    similar = measures.cosines(known.held_out[alone], known.atoms)
    assert (similar.argmax(axis=1) == there[alone].argmax(axis=1)).all() and similar.max(axis=1).min() > 0.98


def test_a_stripe_that_decides_and_one_that_is_correlated():
    rng = np.random.default_rng(0)
    pictures, digits = 0.5 * rng.random((500, 14, 14)), rng.integers(10, size=500)
    decides = plant(pictures, digits, 0, decides=True)
    assert (decides.y == decides.glyph).all() and decides.glyph.mean() == pytest.approx(0.5, abs=0.1)
    assert (decides.X[decides.glyph, 0] == 1).all() and (decides.X[:, 1:] == pictures[:, 1:]).all()
    correlated = plant(pictures, digits, 0, decides=False)
    assert (correlated.y == (digits % 2 == 0)).all()
    assert (correlated.y == correlated.glyph).mean() == pytest.approx(0.8, abs=0.06)


def test_sprites_are_their_factors(tmp_path):
    known = sprites(0, rows=(20, 30))
    assert known.X.shape == (20, 1024) and known.factors.shape == (30, 5) and known.X.min() == 0 and known.X.max() == 1
    levels = np.array([[s, 5, 0, x, 8] for s in range(3) for x in (0, 15)])
    pictures = drawn(levels)
    assert (np.abs(pictures[::2].argmax(axis=2).max(axis=1) - pictures[1::2].argmax(axis=2).max(axis=1)) >= 15).all()
    assert len({picture.tobytes() for picture in pictures}) == 6
    larger = drawn(np.array([[0, size, 0, 8, 8] for size in range(LEVELS[1])])).sum(axis=(1, 2))
    assert (np.diff(larger) > 0).all()
    packed = np.packbits(np.ones((40, 4096), dtype=np.uint8), axis=1)
    np.savez(
        tmp_path / "sprites.npz",
        imgs_packed=packed,
        latents_classes=np.arange(240).reshape(40, 6) // 6 % [1, 3, 6, 5, 4, 4],
    )
    stored = sprites(0, path=tmp_path / "sprites.npz", rows=(20, 20))
    assert stored.X.shape == (20, 1024) and (stored.X == 1).all() and stored.factors.shape[1] == 5
    np.savez(tmp_path / "other.npz", imgs_packed=packed)
    with pytest.raises(ValueError, match="has no latents_classes; give a file of sprites"):
        sprites(0, path=tmp_path / "other.npz")


def truth(X, units, l0, seed):
    """Return the dictionary that made :func:`planted.pairs` of this seed, whose atoms are orthogonal."""
    atoms = planted.pairs(seed, **SMALL).atoms
    return Fitted(atoms, lambda rows: np.where(rows @ atoms.T > 1e-4, rows @ atoms.T, 0.0), lambda h: h @ atoms)


def refuses(X, units, l0, seed):
    raise NotPossible("rows have negative numbers")


def test_the_truth_is_perfect():
    found = measured(SUMS["pairs"](0), truth, 0)
    for name in ("mcc", "f1", "feature_f1", "mmcs", "mmcs_found", "uniqueness", "explained"):
        assert found[name] == pytest.approx(1, abs=1e-6), name
    assert found["absorbed"] == found["dead"] == 0 and found["l0"] == pytest.approx(2.24, abs=0.3)
    assert found["l0_target"] == 2 and found["fit_seconds"] > 0 < found["encode_ms"]


@pytest.mark.parametrize("name", ["MiniBatchDictionaryLearning", "NMF", "FastICA", "PCA"])
def test_scikit_learns_dictionaries_meet_the_target(name):
    known = planted.chords(0, bands=24, rows=(60, 80))
    with dictionaries.unfinished():
        found = METHODS[name](known.X, 8, 3, 0)
        codes = found.encode(known.held_out)
    assert found.atoms.shape == (8, 24) and found.decode(codes).shape == known.held_out.shape
    assert dictionaries.active(codes) == pytest.approx(3, rel=0.3)


def test_our_atoms_are_what_a_unit_adds_to_a_row(monkeypatch):
    asked = []

    def dictionary(units, *, l0, by, random_state):
        asked.append((units, l0, by, random_state))
        return recipes.k_sparse(units, k=l0, trainer=Trainer(epochs=1), random_state=random_state)

    monkeypatch.setattr(recipes, "dictionary", dictionary)
    known = SUMS["pairs"](0)
    found = METHODS["batch top-k"](known.X, 12, 3, 5)
    assert asked == [(12, 3, "batch_top_k", 5)] and found.atoms.shape == (12, 48)
    codes = found.encode(known.held_out)
    alone = found.decode(np.zeros((1, 12), dtype=np.float32))
    np.testing.assert_allclose(found.decode(codes), codes @ found.atoms + alone, atol=1e-4)


def test_non_negative_factors_refuse_negative_rows_and_ica_flat_ones():
    with pytest.raises(NotPossible, match="rows have negative numbers"):
        METHODS["NMF"](-np.ones((5, 3), dtype=np.float32), 2, 1, 0)
    flat = np.random.default_rng(0).normal(size=(200, 3)) @ np.eye(3, 5)
    with dictionaries.unfinished():
        assert METHODS["FastICA"](flat, 5, 2, 0).atoms.shape == (3, 5)


def test_rows_are_written_and_told(tmp_path, capsys):
    sets, methods = {"pairs": SUMS["pairs"]}, {"the truth": truth, "NMF": refuses}
    lines = run(Options(seeds=2, results=tmp_path / "new" / "rows.jsonl"), sets, methods)
    assert [json.loads(text) for text in (tmp_path / "new" / "rows.jsonl").read_text().splitlines()] == lines
    assert [(line["row"], line["seed"]) for line in lines][:2] == [("pairs, the truth", 0), ("pairs, NMF", 0)]
    assert lines[0]["setup"] == {"rows": 400, "entries": 48, "features": 32, "units": 32} and lines[0]["versions"]
    told = report(lines)
    assert "pairs (400 rows, 2 seeds)" in told and "1.000 ± 0.000" in told
    assert "not run: rows have negative numbers" in told and "asked for" in told
    assert "pairs, NMF, seed 1: not run" in capsys.readouterr().out


def test_options():
    with pytest.raises(ValueError, match=r"no row has 'x' in its name; they are SET, METHOD of \['pairs'\]"):
        run(Options(only="x"), {"pairs": SUMS["pairs"]}, {"truth": truth})
    with pytest.raises(ValueError, match="seeds=0 counts nothing; give a whole number from 1 up"):
        Options(seeds=0)
    assert len(Options(rows=7).known(SUMS["pairs"], 0).X) == 7


def test_factors_are_measured_where_they_are_known():
    known = sprites(0, side=8, rows=(200, 300))
    found = measured(known, METHODS["PCA"], 0)
    assert {"mig", "sap", "disentanglement", "completeness"} <= found.keys() and "mcc" not in found


def test_the_glyph_is_asked_for_alone():
    known = SETS["planted glyph"](0)
    found = measured(known, METHODS["PCA"], 0)
    assert {"feature_f1", "mmcs"} <= found.keys() and not {"mcc", "f1", "uniqueness"} & found.keys()
