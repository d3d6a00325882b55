"""Results of other tools to item rows: readers, the join of two runs, their questions."""
