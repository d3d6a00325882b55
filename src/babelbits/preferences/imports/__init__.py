"""Preferences that people gave in another tool: Label Studio, Argilla, or a table (CSV).

A preference says "left" or "right"; which side was the variant is known from the texts that were
shown, or from a column. A row that fits no pair, or a rater who is not expected, is an error: a
silent mismatch would leave a result over the wrong items. Each tool's module has an `IMPORTER`, a
row of `babelbits.registry.VOTES`; other packages add theirs there.
"""

from babelbits.preferences.imports.read_votes import Imported, read_foreign

__all__ = ["Imported", "read_foreign"]
