"""Numbers about codes, reconstructions, dictionaries, explanations and scores, on plain arrays: no torch, no model."""

from isthmus.measures.absorbed import Absorption as Absorption
from isthmus.measures.absorbed import absorption as absorption
from isthmus.measures.code import active_units as active_units
from isthmus.measures.code import correlation as correlation
from isthmus.measures.code import dead_units as dead_units
from isthmus.measures.code import mean_l0 as mean_l0
from isthmus.measures.code import unit_range as unit_range
from isthmus.measures.compression import Quantised as Quantised
from isthmus.measures.compression import quantise as quantise
from isthmus.measures.compression import restore as restore
from isthmus.measures.conformal import benjamini_hochberg as benjamini_hochberg
from isthmus.measures.conformal import cross_p_values as cross_p_values
from isthmus.measures.conformal import p_values as p_values
from isthmus.measures.conformal import q_values as q_values
from isthmus.measures.conformal import threshold as threshold
from isthmus.measures.dci import DCI as DCI
from isthmus.measures.dci import concentrations as concentrations
from isthmus.measures.dci import dci as dci
from isthmus.measures.density import CodeDensity as CodeDensity
from isthmus.measures.density import fit_code_density as fit_code_density
from isthmus.measures.dictionaries import Detection as Detection
from isthmus.measures.dictionaries import cosines as cosines
from isthmus.measures.dictionaries import detection as detection
from isthmus.measures.dictionaries import matched_correlation as matched_correlation
from isthmus.measures.dictionaries import matched_cosine as matched_cosine
from isthmus.measures.dictionaries import mean_max_cosine as mean_max_cosine
from isthmus.measures.dictionaries import shrinkage as shrinkage
from isthmus.measures.dictionaries import uniqueness as uniqueness
from isthmus.measures.dimension import intrinsic_dimension as intrinsic_dimension
from isthmus.measures.disentanglement import mig as mig
from isthmus.measures.disentanglement import modularity as modularity
from isthmus.measures.disentanglement import mutual_information as mutual_information
from isthmus.measures.disentanglement import sap as sap
from isthmus.measures.explanations import additive_score as additive_score
from isthmus.measures.explanations import completeness_error as completeness_error
from isthmus.measures.explanations import deletion_auc as deletion_auc
from isthmus.measures.explanations import deletion_curve as deletion_curve
from isthmus.measures.explanations import faithfulness as faithfulness
from isthmus.measures.explanations import infidelity as infidelity
from isthmus.measures.explanations import insertion_auc as insertion_auc
from isthmus.measures.explanations import insertion_curve as insertion_curve
from isthmus.measures.explanations import removal_drops as removal_drops
from isthmus.measures.firing import dead_fraction as dead_fraction
from isthmus.measures.firing import dense_fraction as dense_fraction
from isthmus.measures.firing import firing_rates as firing_rates
from isthmus.measures.firing import l0_quantiles as l0_quantiles
from isthmus.measures.lipschitz import Lipschitz as Lipschitz
from isthmus.measures.lipschitz import local_lipschitz as local_lipschitz
from isthmus.measures.probing import SparseProbes as SparseProbes
from isthmus.measures.probing import k_sparse_probing as k_sparse_probing
from isthmus.measures.probing import label_entropy as label_entropy
from isthmus.measures.probing import matched_accuracy as matched_accuracy
from isthmus.measures.reconstruction import PrincipalAxes as PrincipalAxes
from isthmus.measures.reconstruction import explained_variance as explained_variance
from isthmus.measures.reconstruction import mean_error as mean_error
from isthmus.measures.reconstruction import pca_error as pca_error
from isthmus.measures.reconstruction import principal_axes as principal_axes
from isthmus.measures.reconstruction import squared_error as squared_error
from isthmus.measures.variance import ExplainedVariance as ExplainedVariance

__all__ = [
    "DCI",
    "Absorption",
    "CodeDensity",
    "Detection",
    "ExplainedVariance",
    "Lipschitz",
    "PrincipalAxes",
    "Quantised",
    "SparseProbes",
    "absorption",
    "active_units",
    "additive_score",
    "benjamini_hochberg",
    "completeness_error",
    "concentrations",
    "correlation",
    "cosines",
    "cross_p_values",
    "dci",
    "dead_fraction",
    "dead_units",
    "deletion_auc",
    "deletion_curve",
    "dense_fraction",
    "detection",
    "explained_variance",
    "faithfulness",
    "firing_rates",
    "fit_code_density",
    "infidelity",
    "insertion_auc",
    "insertion_curve",
    "intrinsic_dimension",
    "k_sparse_probing",
    "l0_quantiles",
    "label_entropy",
    "local_lipschitz",
    "matched_accuracy",
    "matched_correlation",
    "matched_cosine",
    "mean_error",
    "mean_l0",
    "mean_max_cosine",
    "mig",
    "modularity",
    "mutual_information",
    "p_values",
    "pca_error",
    "principal_axes",
    "q_values",
    "quantise",
    "removal_drops",
    "restore",
    "sap",
    "shrinkage",
    "squared_error",
    "threshold",
    "uniqueness",
    "unit_range",
]
