"""llama.cpp's own tokenizer, with the few methods of a Hugging Face tokenizer that engines use.

It serves a GGUF file that comes without a tokenizer of its own, and it is what the checkpoint's
tokenizer is compared with (`encoding`).
"""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


class Vocabulary:
    """The tokens of a loaded model.

    Parameters
    ----------
    api : module
        `llamacpp.library.load()`.
    model : pointer
        Of the loaded model.
    name : str
        For people.
    """

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
        texts: Sequence[str],
        *,
        add_special_tokens: bool = True,
        verbose: bool = False,  # noqa: ARG002  of the Hugging Face signature
    ) -> dict[str, list[list[int]]]:
        """Token ids of texts."""
        ids = [self.encode(text, add_special_tokens=add_special_tokens) for text in texts]
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
