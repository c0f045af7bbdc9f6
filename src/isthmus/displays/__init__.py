"""Figures as scikit-learn has them: ``XDisplay.from_estimator(model, X)`` draws, ``figure_`` and ``axes_`` are kept.

Every display has ``plot(ax=None)`` to draw again, on a new figure or in the place of an axes. They read in grey: what
colour tells apart, lightness, dashes or signs tell apart too.
"""

from isthmus.displays.anomaly import ContributionsDisplay, ScoresDisplay, anomaly_figures
from isthmus.displays.audit import AuditDisplay
from isthmus.displays.comparison import PCAComparisonDisplay
from isthmus.displays.concept_contributions import ConceptContributionsDisplay
from isthmus.displays.curves import LossCurvesDisplay
from isthmus.displays.folder import figures
from isthmus.displays.gallery import ConceptsDisplay, concept_figures
from isthmus.displays.generation import SamplesDisplay, TraversalDisplay
from isthmus.displays.intervention import InterventionDisplay
from isthmus.displays.passport import PassportDisplay
from isthmus.displays.plane import CodePlaneDisplay
from isthmus.displays.reconstruction import DenoisingDisplay, ReconstructionDisplay
from isthmus.displays.self_explaining import self_explaining_figures
from isthmus.displays.units import DecoderAtomsDisplay, EncoderFiltersDisplay

__all__ = [
    "AuditDisplay",
    "CodePlaneDisplay",
    "ConceptContributionsDisplay",
    "ConceptsDisplay",
    "ContributionsDisplay",
    "DecoderAtomsDisplay",
    "DenoisingDisplay",
    "EncoderFiltersDisplay",
    "InterventionDisplay",
    "LossCurvesDisplay",
    "PCAComparisonDisplay",
    "PassportDisplay",
    "ReconstructionDisplay",
    "SamplesDisplay",
    "ScoresDisplay",
    "TraversalDisplay",
    "anomaly_figures",
    "concept_figures",
    "figures",
    "self_explaining_figures",
]
