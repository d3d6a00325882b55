"""The run folder is the database: journals while cells grow, Parquet when they are complete."""

from babelbits.store.cells import CellStatus, CellWriter, Done
from babelbits.store.store import Store, StoreProblem, has_same_weights

__all__ = ["CellStatus", "CellWriter", "Done", "Store", "StoreProblem", "has_same_weights"]
