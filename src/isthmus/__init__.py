"""isthmus: autoencoders from six parts, for people who use them and want to understand them.

J = E_x E_{x~ ~ C(x~|x)} [-log p(x | g(h))] + sum_i w_i Omega_i,  h ~ q(h | x~) = bottleneck(f(x~)).
"""

from typing import TYPE_CHECKING

from isthmus.importing import first_used

__version__ = "0.1.0"

if TYPE_CHECKING:
    from isthmus import interchange as interchange
    from isthmus import parts as parts
    from isthmus import recipes as recipes
    from isthmus.data.activations import activations as activations
    from isthmus.estimators import AnomalyDetector as AnomalyDetector
    from isthmus.estimators import Autoencoder as Autoencoder
    from isthmus.estimators import FineTunedClassifier as FineTunedClassifier
    from isthmus.estimators import Monitor as Monitor
    from isthmus.estimators import SelfExplainingClassifier as SelfExplainingClassifier
    from isthmus.estimators import SelfExplainingRegressor as SelfExplainingRegressor
    from isthmus.estimators import cross_val_scores as cross_val_scores
    from isthmus.estimators import fit_many as fit_many
    from isthmus.estimators import load as load
    from isthmus.explain import passports as passports
    from isthmus.service.notebook import explore as explore
    from isthmus.sharing.hub import from_hub as from_hub
    from isthmus.sharing.hub import push_to_hub as push_to_hub
    from isthmus.training.trainer import Trainer as Trainer
    from isthmus.tuning import tune as tune

# Looked up when first used, so that the command line answers --help without importing torch.
_HOMES = {
    "AnomalyDetector": "isthmus.estimators",
    "Autoencoder": "isthmus.estimators",
    "FineTunedClassifier": "isthmus.estimators",
    "Monitor": "isthmus.estimators",
    "SelfExplainingClassifier": "isthmus.estimators",
    "SelfExplainingRegressor": "isthmus.estimators",
    "cross_val_scores": "isthmus.estimators",
    "explore": "isthmus.service.notebook",
    "fit_many": "isthmus.estimators",
    "from_hub": "isthmus.sharing.hub",
    "load": "isthmus.estimators",
    "passports": "isthmus.explain",
    "push_to_hub": "isthmus.sharing.hub",
    "Trainer": "isthmus.training.trainer",
    "tune": "isthmus.tuning",
    "activations": "isthmus.data.activations",
    "interchange": "isthmus.interchange",
    "parts": "isthmus.parts",
    "recipes": "isthmus.recipes",
}
__all__ = [
    "AnomalyDetector",
    "Autoencoder",
    "FineTunedClassifier",
    "Monitor",
    "SelfExplainingClassifier",
    "SelfExplainingRegressor",
    "Trainer",
    "activations",
    "cross_val_scores",
    "explore",
    "fit_many",
    "from_hub",
    "interchange",
    "load",
    "parts",
    "passports",
    "push_to_hub",
    "recipes",
    "tune",
]


__getattr__ = first_used(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names."""
    return [*__all__, "__version__"]
