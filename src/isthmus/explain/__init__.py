"""What a fitted model has learnt, in words, numbers and rows that show it: :func:`passports` of its concepts."""

from isthmus.explain.activity import BANDS as BANDS
from isthmus.explain.activity import Activity as Activity
from isthmus.explain.book import Passports as Passports
from isthmus.explain.issuing import passports as passports
from isthmus.explain.labels import Lift as Lift
from isthmus.explain.likeness import Stability as Stability
from isthmus.explain.passport import Neighbour as Neighbour
from isthmus.explain.passport import Passport as Passport

__all__ = ["BANDS", "Activity", "Lift", "Neighbour", "Passport", "Passports", "Stability", "passports"]
