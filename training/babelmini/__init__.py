"""Writes BabelMini's `math` and `pairs`; the data themselves ship in `babelbits.bundled`."""
