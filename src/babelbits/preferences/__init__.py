"""Pairs and votes, by whomever they were given: summaries, agreement, imports."""
