"""Text to tokens with the checkpoint's tokenizer, held against llama.cpp's own.

A GGUF file carries its tokenizer as a name and tables. If the name is wrong (a converter guesses it
from a hash), text in one script may be split as before and text in another not; the model then
reads other tokens, which looks like damage by quantization. So every text with a line that was not
seen yet is tokenized by both, and any difference is an error. The model is given the checkpoint's
tokens in any case, so a study may allow differences: its numbers are those of the model then, and
of what llama.cpp itself would do with the text they say nothing.
"""

from collections.abc import Sequence
from typing import Any

from babelbits.engines.base import LongPrompts
from babelbits.engines.encoding import Encoder
from babelbits.errors import EngineError
from babelbits.llamacpp.vocabulary import Vocabulary, difference


class CheckedEncoder(Encoder):
    """An `Encoder` whose tokenizer must agree with llama.cpp's, unless differences are allowed.

    Raises
    ------
    EngineError
        From every method: if the two give different tokens for a text; it shows the place.
    """

    def __init__(
        self,
        tokenizer: Any,
        vocabulary: Vocabulary,
        *,
        context_length: int,
        long_prompts: LongPrompts,
        allow_differences: bool = False,
    ) -> None:
        super().__init__(tokenizer, context_length=context_length, long_prompts=long_prompts)
        self._vocabulary = vocabulary
        self._compares = tokenizer is not vocabulary and not allow_differences
        self._seen: set[int] = set()

    def _encode(
        self, texts: Sequence[str], *, prefix: str | None = None, special: bool | None = None
    ) -> dict[str, list[int]]:
        if self._compares:
            self._compare(texts)
        return super()._encode(texts, prefix=prefix, special=special)

    def _compare(self, texts: Sequence[str]) -> None:
        fresh = [text for text in dict.fromkeys(texts) if self._has_new_line(text)]
        if not fresh:
            return
        ours = self.tokenizer(fresh, add_special_tokens=False, verbose=False)["input_ids"]
        for text, expected in zip(fresh, ours, strict=True):
            found = self._vocabulary.encode(text, add_special_tokens=False)
            if found != expected:
                raise EngineError(
                    "llama.cpp splits a text into other tokens than the checkpoint's tokenizer: "
                    + difference(text, expected=expected, found=found, tokenizer=self.tokenizer),
                    hint="where the GGUF file holds another tokenizer than the model's, convert it "
                    "again; where llama.cpp has none like it, set allow_token_differences = true "
                    "in [model]: the model is given the checkpoint's tokens",
                )

    def _has_new_line(self, text: str) -> bool:
        before = len(self._seen)
        self._seen.update(hash(line) for line in text.split("\n"))
        return len(self._seen) > before
