"""Canonical JSON and hashes: equal values give equal text, and so equal names."""

import hashlib
import json
from typing import Any

JSON = dict[str, Any]


def canonical_json(value: object) -> str:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal text.

    Raises
    ------
    ValueError
        If the value holds NaN or infinity.
    """
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def digest(value: object, *, length: int = 16) -> str:
    """Hex BLAKE2b of the canonical JSON of `value`, `length` hex digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=length // 2).hexdigest()
