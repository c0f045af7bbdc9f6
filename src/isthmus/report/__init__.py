"""The page: what a model and its rows have to show, in one self-contained HTML file."""

from isthmus.report.alone import alone
from isthmus.report.page import Report, report
from isthmus.report.rows import Given, given
from isthmus.report.summary import markdown, summarise, to_dict

__all__ = ["Given", "Report", "alone", "given", "markdown", "report", "summarise", "to_dict"]
