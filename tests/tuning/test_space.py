"""What is searched is written as parts are, and refused where it means nothing."""

import pytest
from quick import quick, rows

from isthmus.estimators.assembly import Parts as Resolved
from isthmus.estimators.beginning import begin
from isthmus.parts import L1, SGD, Adam, Bernoulli, Conv, Dense, GaussianNoise, Masking, TopK, Undercomplete
from isthmus.training.trainer import Trainer
from isthmus.tuning.settings import Settings, usual
from isthmus.tuning.space import Choice, Range, parsed, space_of


def settings(space, **changes):
    model = quick(**changes)
    probe = quick(**changes)
    begin(probe, rows(40), None)
    return Settings(model, parsed(space), probe.parts_)


class Fixed:
    """A trial that draws what it is told to."""

    def __init__(self, **values):
        self.values, self.asked = values, {}

    def suggest_int(self, name, low, high, log=False):
        self.asked[name] = (low, high, log)
        return self.values[name]

    suggest_float = suggest_int

    def suggest_categorical(self, name, choices):
        self.asked[name] = choices
        return self.values[name]


def test_ranges_and_choices_are_read():
    found = parsed(["units=2:64:log", "corruption.rate=0.1|0.5", "scaling=none|standard", "learning-rate=1e-4:1e-2"])
    assert found == {
        "units": Range(2, 64, log=True),
        "corruption__rate": Choice((0.1, 0.5)),
        "scaling": Choice(("none", "standard")),
        "learning_rate": Range(1e-4, 1e-2),
    }


def test_parts_stand_between_commas_with_settings_of_their_own():
    found = parsed(["bottleneck=top_k:k=4|8|16,rectified=true,undercomplete,jump-relu:rate=0.1:0.5"])["bottleneck"]
    assert found.options == {
        "top_k": {"k": Choice((4, 8, 16)), "rectified": True},
        "undercomplete": {},
        "jump_relu": {"rate": Range(0.1, 0.5)},
    }
    trial = Fixed(bottleneck="top_k", **{"bottleneck.top_k.k": 8})
    assert found.drawn(trial, "bottleneck", whole=None) == TopK(8, rectified=True)
    assert found.drawn(Fixed(bottleneck="undercomplete"), "bottleneck", whole=None) == Undercomplete()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("units", "is not NAME=VALUES"),
        ("units=64:2", "is no range; give a number and a greater one"),
        ("units=0:9:log", "has no ratio; start above 0"),
        ("units=1:9:sqrt", "is no range; write LOW:HIGH"),
        ("bottleneck=topk:k=3", "unknown bottleneck 'topk'; did you mean 'top_k'"),
        ("bottleneck=top_k:kk=3", "bottleneck 'top_k' has no setting 'kk'; did you mean 'k'"),
        ("units=1:9 units=2:5", "--search has units twice"),
        ("units=1:9 n_components=2:5", "units and n_components are one setting"),
        ("bottleneck=top_k:k=4,top_k:k=8", "bottleneck 'top_k' stands twice"),
        ("unit=1:9", "'unit' is no setting of an autoencoder; did you mean 'units'"),
        ("corruption__rat=0:1", "Invalid parameter 'rat' for corruption"),
        (
            "likelihood=normal,bernoulli",
            "Normal gives densities and Bernoulli gives probabilities",
        ),
        ("bottleneck=variational,top_k", "Variational pays for its code by KL and TopK does not pay"),
    ],
)
def test_what_means_nothing_is_refused_before_any_trial(text, told):
    with pytest.raises(ValueError, match=told):
        settings(text.split(), corruption=Masking(0.2))


def test_a_trial_becomes_an_estimator():
    space = ["units=2:6", "depth=0:3", "width=8:64:log", "learning_rate=1e-4:1e-2:log", "corruption=masking:rate=0:1"]
    found = settings([*space, "penalties__l1__weight=1e-3:1:log"], penalties=(L1(0.1),), corruption=GaussianNoise(0.1))
    trial = Fixed(
        units=5,
        depth=2,
        width=20,
        learning_rate=3e-3,
        penalties__l1__weight=0.5,
        **{"corruption.masking.rate": 0.25},
    )
    model = found.applied(found.drawn(trial))
    assert trial.asked["corruption.masking.rate"] == (0.0, 1.0, False)  # a share, in spite of whole ends
    assert model.n_components == 5 and model.architecture == Dense((20, 10))
    assert model.trainer.optimiser.learning_rate.start == 3e-3 and model.corruption == Masking(0.25)
    assert model.penalties == (L1(0.5),) and found.model.penalties == (L1(0.1),)


def test_a_learning_rate_outlives_an_optimiser_that_is_drawn_too():
    found = settings(["optimiser=adam,sgd", "learning_rate=1e-4:1e-2:log"])
    for name, kind in (("adam", Adam), ("sgd", SGD)):
        model = found.applied(found.drawn(Fixed(trainer__optimiser=name, optimiser=name, learning_rate=3e-3)))
        assert model.trainer.optimiser == kind(learning_rate=3e-3)


def test_depth_of_what_is_drawn_and_has_none_refuses_the_trial_alone():
    found = settings(["architecture=dense,conv", "depth=1:3"])
    assert found.applied({"architecture": Dense((8,)), "depth": 2}).architecture == Dense((8, 4))
    with pytest.raises(ValueError, match="depth and width are of dense nets, and this is conv"):
        found.applied({"architecture": Conv(), "depth": 2})


def test_what_is_searched_by_itself_leaves_units_alone():
    resolved = Resolved(Dense((8,)), Undercomplete(), Masking(0.25), Bernoulli(), (L1(0.1),), Trainer(), 4)
    assert usual(resolved) == {
        "learning_rate": Range(1e-4, 1e-2, log=True),
        "depth": Range(1, 3),
        "width": Range(32, 512, log=True),
        "corruption__rate": Range(0.0625, 1.0, log=True),
        "penalties__l1__weight": Range(0.01, 1.0, log=True),
    }


def test_depth_is_of_dense_nets():
    with pytest.raises(ValueError, match="depth is of a dense net, and this is conv"):
        settings(["depth=1:3"], architecture=Conv((2,)))


def test_sequences_of_parts_are_choices_in_python():
    found = space_of({"bottleneck": [TopK(2), Undercomplete()]})["bottleneck"]
    assert found.drawn(Fixed(bottleneck="TopK(k=2)"), "bottleneck", whole=None) == TopK(2)
