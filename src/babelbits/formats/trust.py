"""What a model may run on this machine while it is loaded: one value for all that load models.

A checkpoint can bring Python code of its own, and pickled weights can run anything when they are
read. Neither is allowed unless the user says so. This module opens no file and decides nothing:
`formats.own_code` says whether a checkpoint would run code at all.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the user allows a model."""

    remote_code: bool = False
    """To run the code that it brings, where transformers lacks its architecture or tokenizer: a
    study's `trust_remote_code`."""
    pickle: bool = False
    """To have its weights in pickles: a study's `allow_pickle`."""


UNTRUSTED = Trust()
"""Nothing is allowed: what holds where nobody says otherwise."""
