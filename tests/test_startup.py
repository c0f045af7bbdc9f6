"""What is imported when: a name brings what it is made of, and a first fit what it uses."""

import json
import subprocess
import sys

import pytest

FLOOR = "import torch; from sklearn.base import BaseEstimator"
PROBE = """
import json, sys
{before}
known = set(sys.modules)
{code}
print(json.dumps(sorted(set(sys.modules) - known)))
"""


def added(code: str, before: str = "") -> set[str]:
    """Return the modules that ``code`` imports in a new process where ``before`` has run, those of Python left out."""
    probe = PROBE.format(before=before, code=code)
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = set(json.loads(done.stdout))
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names}


def strange(modules: set[str]) -> set[str]:
    """Leave out the package's own modules, its file format, and the checks that every estimator makes."""
    known = ("isthmus", "safetensors", "sklearn.utils")
    return {name for name in modules if not any(f"{name}.".startswith(f"{package}.") for package in known)}


def test_the_package_alone_imports_nothing():
    assert added("import isthmus") == {"isthmus", "isthmus.importing"}


def test_parts_and_training_know_nothing_of_scikit_learn():
    found = added("import isthmus; isthmus.Trainer, isthmus.parts", "import torch")
    assert strange(found) == set()
    assert "sklearn.utils" not in found


def test_estimators_cost_no_more_than_what_they_derive_from():
    found = added("import isthmus; isthmus.Autoencoder, isthmus.load, isthmus.recipes", FLOOR)
    assert "isthmus.estimators.autoencoder" in found and "isthmus.estimators.anomaly" not in found
    assert strange(found) == set()
    others = "isthmus.FineTunedClassifier, isthmus.AnomalyDetector, isthmus.Monitor, isthmus.SelfExplainingRegressor"
    assert strange(added(f"import isthmus; {others}", FLOOR)) == set()


def test_a_first_fit_imports_what_it_uses_and_no_compiler():
    # torch's optimisers import torch._dynamo, which takes longer than the fit.
    found = added(
        "X = numpy.random.default_rng(0).normal(size=(60, 8));"
        "isthmus.Autoencoder(2, trainer=isthmus.Trainer(epochs=1), random_state=0).fit(X)",
        f"{FLOOR}; import isthmus, numpy; isthmus.Autoencoder",
    )
    assert strange(found) == set()


@pytest.mark.parametrize(
    ("before", "after"), [("", "True False"), ("gc.disable()", "False False"), ("gc.freeze()", "True True")]
)
def test_imports_leave_the_collector_of_garbage_as_it_was(before, after):
    code = f"import gc; {before}\nimport isthmus; isthmus.Autoencoder\nprint(gc.isenabled(), gc.get_freeze_count() > 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == after


def test_imports_are_not_walked_through_by_the_collector():
    """What is imported lies in the oldest generation at once, and garbage made afterwards is found as ever."""
    code = (
        "import gc, isthmus; isthmus.Autoencoder; before = gc.get_stats()[2]['collections']\n"
        "class Loop: pass\n"
        "loop = Loop(); loop.me = loop; del loop\n"
        "print(before, any(isinstance(o, Loop) for o in gc.get_objects()), gc.collect() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "True", "True"]
