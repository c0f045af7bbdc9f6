"""Numbers about codes, reconstructions and scores, on plain arrays: no torch, no model."""

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
from isthmus.measures.density import CodeDensity as CodeDensity
from isthmus.measures.density import fit_code_density as fit_code_density
from isthmus.measures.dimension import intrinsic_dimension as intrinsic_dimension
from isthmus.measures.reconstruction import PrincipalAxes as PrincipalAxes
from isthmus.measures.reconstruction import explained_variance as explained_variance
from isthmus.measures.reconstruction import mean_error as mean_error
from isthmus.measures.reconstruction import pca_error as pca_error
from isthmus.measures.reconstruction import principal_axes as principal_axes
from isthmus.measures.reconstruction import squared_error as squared_error

__all__ = [
    "CodeDensity",
    "PrincipalAxes",
    "Quantised",
    "active_units",
    "benjamini_hochberg",
    "correlation",
    "cross_p_values",
    "dead_units",
    "explained_variance",
    "fit_code_density",
    "intrinsic_dimension",
    "mean_error",
    "mean_l0",
    "p_values",
    "pca_error",
    "principal_axes",
    "q_values",
    "quantise",
    "restore",
    "squared_error",
    "threshold",
    "unit_range",
]
