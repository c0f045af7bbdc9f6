"""Concepts that are what they are by construction: dead, dense, repeated, and the detector of one label."""

import json
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from quick import convolutional, linear, quick, rows, unit_rows

from isthmus import Autoencoder, Trainer, passports, recipes
from isthmus.explain import BANDS, activity, issuing
from isthmus.explain.absorption import absorbed
from isthmus.explain.activity import Activity, bands, contrasting
from isthmus.explain.labels import checked, lifts
from isthmus.parts import Categorical, Conv, Dense, Normal, Poisson, Rectified, TopK

DETECTOR, COPY, ALWAYS, DEAD, OTHER = range(5)
READS = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [-1, -1, -1, -1], [0, 1, 0, 0]], dtype=float)
WRITES = np.array([[0.5, 0.5, 0, 0, 0], [0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [0, 0, 1, 0, 0]], dtype=float)


@pytest.fixture(scope="module")
def known():
    """Return rows of three labels, which column each is in, and the code that reads these columns."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    X = np.zeros((300, 4))
    X[np.arange(300), y] = rng.uniform(1, 2, 300)
    X[:, 3] = rng.uniform(1, 2, 300)
    return linear(READS, WRITES, bottleneck=Rectified(), likelihood=Normal()).fit(X), X, y


@pytest.fixture(scope="module")
def book(known):
    return passports(*known)


def test_rates_and_flags_are_those_that_were_built_in(book, known):
    _, _, y = known
    assert book.activity.sparse
    assert_allclose(book.rate, [(y == 0).mean(), (y == 0).mean(), 1.0, 0.0, (y == 1).mean()])
    assert [passport.flags for passport in book] == [(), ("duplicate of 0",), ("dense",), ("dead",), ()]


def test_the_detector_of_a_label_lifts_it_exactly(book, known):
    _, _, y = known
    lift = book[DETECTOR].lifted[0]
    assert (lift.label, lift.precision, lift.recall) == (0, 1.0, 1.0)
    assert lift.lift == pytest.approx(1 / (y == 0).mean()) and lift.low < lift.lift < lift.high + 1e-9
    assert book.best(OTHER).label == 1
    assert book.best(ALWAYS) is None and book[ALWAYS].lifts, "as often as anywhere is no lift"
    assert book[DEAD].lifts == ()


def test_atoms_are_what_a_linear_decoder_writes(book, known):
    _, X, _ = known
    assert_array_equal(book.atoms[DETECTOR] > 0, [True, False, False, False])
    plain = np.median(X[X[:, 1] > 0, 1]) * WRITES[:, OTHER]
    spread = book.model.inverse_transform(book.model.transform(X)).std(axis=0)
    assert_allclose(book.atoms[OTHER], plain / np.where(spread > 0, spread, 1), atol=1e-6)
    assert book.cosine[DETECTOR, COPY] == pytest.approx(1)
    assert book[OTHER].movers(1)[0][0] == "1"


def test_traversals_run_along_the_range_that_a_unit_has(book):
    passport = book[OTHER]
    assert passport.steps[0] == 0 and 1.9 < passport.steps[-1] < 2
    assert_allclose(passport.traversal[:, 1], passport.steps, atol=1e-5)
    assert_allclose(np.ptp(np.delete(passport.traversal, 1, axis=1), axis=0), 0, atol=1e-6)


def test_bands_cover_the_range_from_weak_to_strong(book):
    passport = book[DETECTOR]
    values = book.activity.values[:, DETECTOR]
    assert len(passport.bands) == len(BANDS)
    ends = [(values[rows].min(), values[rows].max()) for rows in passport.bands]
    assert all(a[1] <= b[0] for a, b in pairwise(ends))
    assert values[passport.strongest[0]] == values.max()
    assert all((values[rows] > 0).all() for rows in passport.bands)


def test_few_rows_fill_the_upper_bands():
    values = np.array([[3.0], [0.0], [2.0], [0.0]])
    found = Activity(values, np.zeros(1), values != 0, True)
    assert [band.tolist() for band in bands(found, 0, 4)] == [[], [], [2], [0]]
    assert contrasting(found, 3).tolist() == [[0, 2, -1]]


def test_rows_in_which_a_unit_speaks_alone_come_first():
    values = np.array([[2.0, 2.0], [1.8, 0.0], [0.0, 2.0]])
    found = Activity(values, np.zeros(2), values != 0, True)
    assert contrasting(found, 2).tolist() == [[1, 0], [2, 0]]


def test_codes_that_are_never_zero_speak_when_they_are_far_from_their_median():
    rng = np.random.default_rng(0)
    codes = np.stack([rng.normal(size=20_000), np.where(rng.random(20_000) < 0.05, 0.95, 0.01)], axis=1)
    found = activity.activity(codes)
    assert not found.sparse
    assert found.rate == pytest.approx([0.16, 0.05], abs=0.01)
    assert not activity.dense(found, None).any()


def test_noise_lifts_nothing():
    rng = np.random.default_rng(1)
    values = np.where(rng.random((500, 40)) < 0.1, 1.0, 0.0)
    found = Activity(values, np.zeros(40), values != 0, True)
    assert not any(lift.lifted for unit in lifts(found, rng.integers(0, 10, 500)) for lift in unit)


def test_both_sides_of_a_signed_unit_are_asked():
    y = np.repeat([0, 1, 2], 50)
    values = np.array([-1.0, 0.0, 1.0])[y][:, None]
    found = Activity(values, np.zeros(1), values != 0, True)
    sides = {lift.label: lift.side for lift in lifts(found, y)[0] if lift.lifted}
    assert sides == {0: "below", 2: "above"}


def test_a_child_that_speaks_for_its_parent_absorbs_it():
    rng = np.random.default_rng(0)
    parent, child = rng.random(2000) < 0.4, rng.random(2000) < 0.3
    child &= parent
    alone = rng.random(2000) < 0.5
    atoms = np.array([[1.0, 0, 0, 0], [1.0, 1.0, 0, 0], [0, 0, 1.0, 0]])
    silent = np.stack([parent & ~child, child, alone], axis=1).astype(float)
    share, by = absorbed(Activity(silent, np.zeros(3), silent != 0, True), atoms, parent.astype(int))
    assert share[0] == pytest.approx((child & parent).sum() / parent.sum()) and by[0] == 1
    told = np.stack([parent, child, alone], axis=1).astype(float)
    share, by = absorbed(Activity(told, np.zeros(3), told != 0, True), atoms, parent.astype(int))
    assert share[0] == 0 and by[0] == -1


def test_the_same_code_in_another_order_is_stable(known, book):
    _, X, y = known
    order = np.array([4, 2, 0, 3, 1])
    other = linear(READS[order], WRITES[:, order], bottleneck=Rectified(), likelihood=Normal()).fit(X)
    found = passports(known[0], X, y, others=[other]).stability
    assert_allclose(found.cosine, 1, atol=1e-9)
    assert_allclose(found.correlation[[DETECTOR, COPY, OTHER]], 1, atol=1e-6)
    assert found.fits == 1


def test_fits_that_write_something_else_are_refused():
    X = np.random.default_rng(0).integers(0, 3, (60, 4)).astype(float)
    model = quick(2, likelihood=Normal()).fit(X)
    with pytest.raises(ValueError, match="writes 12 numbers, this one 4"):
        passports(model, X, others=[quick(2, likelihood=Categorical()).fit(X)])


KINDS = {
    "dense": lambda: (quick(), rows(80)),
    "sparse": lambda: (quick(6, architecture=Dense((), tied=True), bottleneck=TopK(2)), unit_rows(80)),
    "variational": lambda: (recipes.variational(3, hidden=(6,), trainer=Trainer(epochs=2), random_state=0), rows(80)),
    "signal map": lambda: (convolutional(shape=(1, 16)), unit_rows(80, 16)),
    "pictures": lambda: (convolutional(), unit_rows(80, 64).reshape(80, 1, 8, 8)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_code_has_passports(kind, untouched_generators):
    model, X = KINDS[kind]()
    book = passports(model.fit(X), X, np.arange(80) % 2)
    assert len(book) == model.objective_.model.code_shape[0] == len(list(book)) == len(book[:])
    width = X[0].size
    for passport in book:
        assert passport.atom.shape == passport.where.shape == (width,)
        assert np.isfinite(passport.traversal.astype(float)).all() and (passport.where >= 0).all()
        assert str(passport).startswith("unit ") and "active" in repr(passport)
    assert json.loads(json.dumps(book.to_dict(), allow_nan=False))["units"] == len(book)
    assert {len(column) for column in book.table().values()} == {len(book)}
    assert str(len(book)) in repr(book)
    for by in ("unit", "rate", "name", "lift", "likeness"):
        assert sorted(book.order(by)) == list(range(len(book)))


def test_a_map_moves_at_all_places():
    X = unit_rows(80, 64).reshape(80, 1, 8, 8)
    model = quick(architecture=Conv((4,), head="map")).fit(X)
    book = passports(model, X)
    codes = book.writer.along(0, np.array([1.0, 2.0])).reshape(2, *model.objective_.model.code_shape)
    assert_allclose(codes[1, 0] - codes[0, 0], 1.0)
    assert_allclose(codes[:, 0].mean(axis=(1, 2)), [1, 2])
    assert_array_equal(codes[0, 1:], codes[1, 1:])


def test_tables_come_back_in_their_own_words():
    import pandas as pd

    rng = np.random.default_rng(0)
    place = rng.choice(["north", "south"], 120)
    X = pd.DataFrame({"age": rng.integers(20, 60, 120), "place": place, "seen": pd.Timestamp("2020-01-01")})
    X["seen"] += pd.to_timedelta(rng.integers(0, 90, 120), unit="D")
    X.loc[3, "age"] = np.nan
    book = passports(
        Autoencoder(2, architecture=Dense((6,)), trainer=Trainer(epochs=3), random_state=0).fit(X), X, place
    )
    passport = book[0]
    assert passport.columns == ("age", "place", "seen") and passport.atom.shape == (3,)
    assert set(passport.traversal[:, 1]) <= {"north", "south"}
    assert str(passport.traversal[0, 2]).startswith("2020")
    json.dumps(book.to_dict(), allow_nan=False)


def test_atoms_of_a_table_are_in_the_columns_that_a_linear_decoder_moves():
    """Levels are decoded after all numbers, wherever their columns are, and as logits."""
    import pandas as pd

    rng = np.random.default_rng(0)
    age = rng.normal(40, 10, 200)
    X = pd.DataFrame({"age": age, "smoker": np.where(age > 40, "yes", "no"), "income": rng.normal(1e4, 1e3, 200)})
    model = Autoencoder(2, architecture=Dense(()), trainer=Trainer(epochs=60), random_state=0).fit(X)
    book = passports(model, X)
    assert book.atom_units == "1: another level, else sd"
    writer = book.writer
    on, off = activity.on_and_off(book.activity)
    for unit in range(2):
        codes = np.repeat(writer.mean.reshape(1, -1), 2, axis=0)
        codes[:, unit] = on[unit], off[unit]
        high, low = writer.expected(codes)
        spread = writer.expected(writer.codes).std(axis=0)
        moved = [(high[0] - low[0]) / spread[0], float(high[1] != low[1]), (high[2] - low[2]) / spread[2]]
        assert_allclose(book.atoms[unit], moved, atol=1e-9)


def test_atoms_of_counts_are_changes_of_the_log_rate():
    X = np.random.default_rng(0).poisson(3.0, (80, 4)).astype(float)
    counts = quick(2, architecture=Dense(()), likelihood=Poisson()).fit(X)
    assert passports(counts, X).atom_units == "nats of the log rate"
    assert passports(quick(2, architecture=Dense(())).fit(X > 2), X > 2).atom_units == "nats of the logit"


def test_a_dead_unit_makes_no_code_sparse():
    codes = np.random.default_rng(0).normal(size=(500, 3))
    codes[:, 1] = 0
    found = activity.activity(codes)
    assert not found.sparse and found.rate[0] < 0.5 and activity.dead(found, False).tolist() == [False, True, False]
    assert activity.activity(np.zeros((50, 2))).sparse
    codes[:10, 0] = 0
    assert activity.activity(codes).sparse


@pytest.mark.parametrize("bottleneck", [TopK(2), TopK(2, rectified=True), Rectified()], ids=repr)
def test_a_code_is_as_sparse_in_one_row_as_in_many(bottleneck):
    X = unit_rows(80)
    model = quick(6, architecture=Dense((), tied=True), bottleneck=bottleneck).fit(X)
    one, many = passports(model, X[:1]), passports(model, X)
    assert one.activity.sparse and many.activity.sparse
    speaks = model.transform(X[:1])[0] != 0
    assert speaks.any() and not speaks.all()
    assert_array_equal(one.rate, speaks)
    assert_array_equal(one.dead, ~speaks)


def test_on_is_the_side_of_more_rows_not_of_larger_values():
    found = activity.activity(np.array([[-1.0, 0.5], [-1.0, 0.0], [-1.0, 0.0], [10.0, -0.2], [0.0, 0.0]]))
    on, off = activity.on_and_off(found)
    assert on.tolist() == [-1.0, 0.5] and off.tolist() == [0.0, 0.0]


def test_what_is_no_model_and_what_are_no_labels_are_refused(known):
    model, X, y = known
    with pytest.raises(ValueError, match="call fit first"):
        passports(quick(), X)

    class Holder:
        autoencoder_ = model

    with pytest.raises(ValueError, match="Holder; pass its autoencoder_"):
        passports(Holder(), X)
    with pytest.raises(ValueError, match="one label per row"):
        passports(model, X, y[:5])
    with pytest.raises(ValueError, match="no labels"):
        passports(model, X, X[:, 3])
    with pytest.raises(ValueError, match="missing labels"):
        passports(model, X, np.where(y == 0, np.nan, y))
    with pytest.raises(ValueError, match="missing labels"):
        passports(model, X, np.array([None, *y[1:].tolist()], object))
    with pytest.raises(ValueError, match="infinite; leave"):
        passports(model, X, np.where(y == 0, np.inf, y))


@pytest.mark.parametrize(
    "label", [np.datetime64("NaT", "ns"), np.datetime64("NaT", "D"), np.timedelta64("NaT"), pd.NaT, pd.NA, None, np.nan]
)
def test_missing_labels_of_every_type_are_refused(label):
    kind = label.dtype if isinstance(label, (np.datetime64, np.timedelta64)) else object
    with pytest.raises(ValueError, match="missing labels; leave those rows of X and y out"):
        checked(np.array([label, label], dtype=kind), 2)


def test_labels_that_read_alike_are_one_only_where_they_are_the_same():
    assert checked(np.array(["1", "1", "b"], dtype=object), 3).tolist() == ["1", "1", "b"]
    with pytest.raises(ValueError, match="y holds 1 and '1', which read alike; give labels of one type"):
        checked(np.array([1, "1", 1], dtype=object), 3)


def test_rows_that_cannot_be_pointed_to_are_refused(known):
    with pytest.raises(ValueError, match="rows by number"):
        passports(known[0], iter(known[1]))


def test_one_unit_and_few_rows_are_enough():
    X = rows(40)
    book = passports(quick(1).fit(X), X[:3], ["a", "b", "a"])
    assert book[0].nearest == () and "unit 0" in str(book[0]) and book.table()["nearest"] == [None]
    json.dumps(book.to_dict(), allow_nan=False)


def test_places_and_orders_that_are_not_there_are_named(book, known):
    with pytest.raises(IndexError, match="units are 0 to 4"):
        book[5]
    assert book[-1].unit == OTHER
    with pytest.raises(ValueError, match="rate, name"):
        book.order("size")
    with pytest.raises(ValueError, match="needs other fits"):
        book.order("stability")
    with pytest.raises(ValueError, match="needs labels"):
        passports(*known[:2]).order("lift")


def test_dense_has_a_limit_that_can_be_set(known):
    model, X, _ = known
    assert issuing.passports(model, X, dense_above=0.2).dense.tolist() == [True, True, True, False, True]
