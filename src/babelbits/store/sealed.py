"""JSON records that carry a checksum of themselves, for small files that are written whole.

A sealed record is canonical JSON whose field "checksum" is the CRC-32 of the rest, in eight hex
digits. Its file must hold exactly the bytes that writing it again would give, so that any flipped
bit is found, in white space and in names too. Records of a release that sealed none are read as
they are, unless they hold a field that it did not have: that is a damaged seal.
"""

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from babelbits.records import canonical_json

CHECKSUM = "checksum"


def seal(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The record with its checksum.

    Raises
    ------
    ValueError
        If it holds NaN or infinity.
    """
    return {**fields, CHECKSUM: _checksum(fields)}


def unseal(record: object, *, unsealed_fields: Collection[str]) -> dict[str, Any]:
    """The record without its checksum, which must be right.

    Parameters
    ----------
    record : object
        Parsed JSON.
    unsealed_fields : collection of str
        Fields that a record without a checksum may have.

    Raises
    ------
    ValueError
        If it is no record, or not the one that was written.
    """
    if not isinstance(record, dict):
        raise ValueError("this is no record")
    fields = {name: value for name, value in record.items() if name != CHECKSUM}
    if CHECKSUM not in record:
        if strange := sorted(fields.keys() - set(unsealed_fields)):
            raise ValueError(f"it has no checksum, and a field '{strange[0]}'")
    elif record[CHECKSUM] != _checksum(fields):
        raise ValueError("a record's checksum differs from its content")
    return fields


def read_sealed(content: bytes, *, unsealed_fields: Collection[str]) -> Any:
    """A record, or a list of records, as parsed JSON without the checksums.

    Parameters
    ----------
    unsealed_fields : collection of str
        As of `unseal`.

    Raises
    ------
    ValueError
        If the bytes are not the ones that were written.
    """
    parsed = json.loads(content)
    records = parsed if isinstance(parsed, list) else [parsed]
    fields = [unseal(record, unsealed_fields=unsealed_fields) for record in records]
    sealed = any(CHECKSUM in record for record in records)
    if sealed and canonical_json(parsed).encode() + b"\n" != content:
        raise ValueError("the bytes are not the ones that were written")
    return fields if isinstance(parsed, list) else fields[0]


def dumps_sealed(records: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bytes:
    """A record, or a list of records, sealed: the bytes of its file.

    Raises
    ------
    ValueError
        If one holds NaN or infinity.
    """
    sealed = [*map(seal, records)] if isinstance(records, Sequence) else seal(records)
    return canonical_json(sealed).encode() + b"\n"


def _checksum(fields: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(canonical_json(fields).encode()):08x}"
