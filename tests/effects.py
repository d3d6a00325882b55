"""Effects for tests: one with some fields altered, whichever group they stand in."""

import dataclasses
from typing import Any

from babelbits.records import Effect
from babelbits.records.effects import GROUPS


def altered(effect: Effect, **changes: Any) -> Effect:
    """The effect with other values of fields of its own or of its groups."""
    for name, kind in GROUPS.items():
        fields = {one.name for one in dataclasses.fields(kind)} & changes.keys()
        if fields:
            there = changes.pop(name, getattr(effect, name))
            given = {field: changes.pop(field) for field in fields}
            changes[name] = dataclasses.replace(there, **given)
    return dataclasses.replace(effect, **changes)
