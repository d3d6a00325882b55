"""Charts, tables and the one-file HTML report of a finished or unfinished study.

Light to import: Altair, vl-convert and Jinja load when a page is built.
"""

from babelbits.results.results import OpenCell, Results, StudySummary

__all__ = ["OpenCell", "Results", "StudySummary"]
