"""The scikit-learn surface: estimators that contain a model and translate between the two vocabularies."""

from isthmus.estimators.anomaly import AnomalyDetector as AnomalyDetector
from isthmus.estimators.assembly import SizeWarning as SizeWarning
from isthmus.estimators.autoencoder import Autoencoder as Autoencoder
from isthmus.estimators.blocks import score_batches as score_batches
from isthmus.estimators.blocks import scored_schema as scored_schema
from isthmus.estimators.fine_tuned import FineTunedClassifier as FineTunedClassifier
from isthmus.estimators.many import cross_val_scores as cross_val_scores
from isthmus.estimators.many import fit_many as fit_many
from isthmus.estimators.monitor import Monitor as Monitor
from isthmus.estimators.predicting import predict_batches as predict_batches
from isthmus.estimators.saving import load as load
from isthmus.estimators.self_explaining import SelfExplainingClassifier as SelfExplainingClassifier
from isthmus.estimators.self_explaining_regressor import SelfExplainingRegressor as SelfExplainingRegressor
