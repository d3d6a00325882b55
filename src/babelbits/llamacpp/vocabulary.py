"""llama.cpp's own tokenizer, with the few methods of a Hugging Face tokenizer that are used.

It serves a GGUF file that comes without a checkpoint, and it is what a checkpoint's tokenizer is
compared with, when a file is converted and whenever an engine reads new text.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from babelbits.llamacpp import library
from babelbits.llamacpp.forward import open_model

_SHOWN_TOKENS = 8
_SHOWN_LETTERS = 40
"""Of a text, before and after the place where two tokenizers differ."""


class Vocabulary:
    """The tokens of a loaded model."""

    def __init__(self, api: Any, model: Any, *, name: str) -> None:
        self._api = api
        self._vocabulary = api.llama_model_get_vocab(model)
        self.name_or_path = name
        self.bos_token_id = self._special(api.llama_vocab_bos)
        self.eos_token_id = self._special(api.llama_vocab_eos)
        self.bos_token = self._name(self.bos_token_id)
        self.eos_token = self._name(self.eos_token_id)

    def __len__(self) -> int:
        return int(self._api.llama_vocab_n_tokens(self._vocabulary))

    def __call__(
        self,
        text: str | Sequence[str],
        *,
        add_special_tokens: bool = True,
        verbose: bool = False,  # noqa: ARG002  of the Hugging Face signature
    ) -> dict[str, Any]:
        """Token ids of a text or of each of several, under 'input_ids'."""
        if isinstance(text, str):
            return {"input_ids": self.encode(text, add_special_tokens=add_special_tokens)}
        ids = [self.encode(one, add_special_tokens=add_special_tokens) for one in text]
        return {"input_ids": ids}

    def encode(self, text: str, *, add_special_tokens: bool = True) -> list[int]:
        """Token ids of a text; the names of special tokens in it are read as these."""
        data = text.encode()
        parse_special = True
        room = len(data) + 2  # a token is at least a byte, and there may be a BOS and an EOS
        while True:
            buffer = np.empty(room, np.int32)
            pointer = buffer.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
            count = self._api.llama_tokenize(
                self._vocabulary, data, len(data), pointer, room, add_special_tokens, parse_special
            )
            if count >= 0:
                ids: list[int] = buffer[:count].tolist()
                return ids
            room = -count

    def decode(self, tokens: int | Sequence[int], *, skip_special_tokens: bool = False) -> str:
        """The text of token ids; bytes that are no UTF-8 become U+FFFD."""
        ids = np.atleast_1d(np.asarray(tokens, np.int32))
        room = 16 * len(ids) + 16
        while True:
            buffer = ctypes.create_string_buffer(room)
            pointer = ids.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
            count = self._api.llama_detokenize(
                self._vocabulary,
                pointer,
                len(ids),
                buffer,
                room,
                skip_special_tokens,
                not skip_special_tokens,
            )
            if count >= 0:
                return buffer.raw[:count].decode(errors="replace")
            room = -count

    def batch_decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """The texts of rows of token ids."""
        return [self.decode(row) for row in rows]

    def ends(self) -> list[int]:
        """Tokens that end a generation, as the file says."""
        is_end = self._api.llama_vocab_is_eog
        return [token for token in range(len(self)) if is_end(self._vocabulary, token)]

    def _special(self, ask: Callable[[Any], int]) -> int | None:
        token = int(ask(self._vocabulary))
        return token if token >= 0 else None

    def _name(self, token: int | None) -> str | None:
        return None if token is None else self.decode(token)


@contextmanager
def open_vocabulary(file: Path, *, pre_tokenizer: str | None = None) -> Iterator[Vocabulary]:
    """The tokenizer of a GGUF file, without its weights.

    Parameters
    ----------
    file : Path
        A GGUF file.
    pre_tokenizer : str, optional
        Split text as the pre-tokenizer of this name does, and not as the file says.

    Raises
    ------
    ModelError
        If llama.cpp cannot load the file's vocabulary.
    MissingExtraError, EngineError
        If llama.cpp is not installed, or does not run here.
    """
    with open_model(file, vocabulary_only=True, pre_tokenizer=pre_tokenizer) as model:
        yield Vocabulary(library.load(), model, name=file.stem)


def find_first_different(some: Sequence[int], others: Sequence[int]) -> int:
    """How many tokens two readings of a text have in common from the start."""
    same = 0
    while same < min(len(some), len(others)) and some[same] == others[same]:
        same += 1
    return same


def describe_difference(
    text: str, *, expected: Sequence[int], found: Sequence[int], tokenizer: Any
) -> str:
    """Where two tokenizers read a text differently: the place, and what each makes of it.

    Parameters
    ----------
    expected, found : sequences of int
        Token ids by the checkpoint's tokenizer, and by llama.cpp.
    tokenizer : Hugging Face tokenizer
        The checkpoint's.
    """
    same = find_first_different(expected, found)
    place = len(tokenizer.decode(expected[:same])) if same else 0
    shown = text[max(0, place - _SHOWN_LETTERS) : place + _SHOWN_LETTERS]
    part = slice(same, same + _SHOWN_TOKENS)

    def pieces(ids: Sequence[int]) -> str:
        return f"{list(ids[part])} {tokenizer.convert_ids_to_tokens(list(ids[part]))}"

    return (
        f"{shown!r}, from token {same} on\n  tokenizer: {pieces(expected)}"
        f"\n  llama.cpp: {pieces(found)}"
    )
