"""The families of recipes that ship here, one a module; `registry.RECIPES` has their names."""
