"""The scikit-learn surface: estimators that contain a model and translate between the two vocabularies."""

from isthmus.estimators.assembly import SizeWarning as SizeWarning
from isthmus.estimators.autoencoder import Autoencoder as Autoencoder
from isthmus.estimators.fine_tuned import FineTunedClassifier as FineTunedClassifier
from isthmus.estimators.saving import load as load
