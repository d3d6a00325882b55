"""Which language a token belongs to: a posterior from the bundled texts, and its script.

p(token | language) is a smoothed unigram: counts in the bundled calibration text of a language,
drawn towards the counts of all languages together by `PRIOR` tokens, so that a token that was never
seen tells nothing. Scripts are told exactly, by the letters of the token's text. No torch here.

A switch is found by Page's cumulative sums: of each other language the log-likelihood ratio to the
right one is summed from where it was last below 0; where it passes `THRESHOLD` nats the text has
switched at the beginning of that stretch.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from babelbits.bundled import find_mini_folder
from babelbits.languages import resolve
from babelbits.languages.scripts import count_letters, measure_share
from babelbits.tasks.suites.babelmini import BABELMINI_LANGUAGES

PRIOR = 2000.0
"""Tokens of all languages together that every language is drawn towards: the texts have 4,200 to
6,800 tokens of the bundled model's."""
CERTAIN = 0.5
"""Posterior of one other language from which on a token is clearly another's."""
THRESHOLD = 9.0
"""Nats. With it and `PRIOR`, chosen on the bundled passages, at most 4 % of passages (of 45 tokens)
switch in any language, and spliced ones nearly always do, one token off in the median."""
_LOOK_ON = 15
"""Tokens from a switch on that say which language it is to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Where a text leaves its language."""

    position: int
    """Token at which the stretch in the other language begins, from 0."""
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLanguages:
    """Unigrams of some languages over one tokenizer."""

    languages: tuple[str, ...]
    log_likelihood: NDArray[np.float64]
    """Of each token in each language, nats; shape (languages, tokens)."""

    def posterior(self) -> NDArray[np.float64]:
        """Of each language given a token, all languages alike before; shape as the likelihood."""
        weights = np.exp(self.log_likelihood - self.log_likelihood.max(axis=0))
        found: NDArray[np.float64] = weights / weights.sum(axis=0)
        return found

    def clearly_other(self, language: str) -> NDArray[np.bool_]:
        """Tokens that are another language's with a posterior of `CERTAIN`; shape (tokens,)."""
        posterior = self.posterior()
        own = self.languages.index(language)
        others = np.delete(posterior, own, axis=0)
        found: NDArray[np.bool_] = others.max(axis=0) >= CERTAIN
        return found

    def first_switch(self, tokens: Sequence[int], language: str) -> Switch | None:
        """The first stretch in another language; None where there is none.

        References
        ----------
        Page (1954), Biometrika 41:100: cumulative sums, restarted at 0.
        """
        own = self.languages.index(language)
        ratios = self.log_likelihood[:, list(tokens)] - self.log_likelihood[own, list(tokens)]
        sums = np.zeros(len(self.languages))
        begun = np.zeros(len(self.languages), int)
        for place in range(ratios.shape[1]):
            begun[sums <= 0] = place
            sums = np.maximum(sums + ratios[:, place], 0.0)
            if sums.max() >= THRESHOLD:
                start = int(begun[sums.argmax()])
                after = self.log_likelihood[:, list(tokens)[start : start + _LOOK_ON]].sum(axis=1)
                after[own] = -np.inf
                return Switch(position=start, language=self.languages[int(after.argmax())])
        return None


def fit_token_languages(
    texts: Mapping[str, Sequence[Sequence[int]]], *, n_tokens: int
) -> TokenLanguages:
    """Unigrams of tokenized texts.

    Parameters
    ----------
    texts : mapping
        Language to texts, each token ids.
    n_tokens : int
        Size of the vocabulary.
    """
    counts = np.array(
        [
            np.bincount([token for text in of_one for token in text], minlength=n_tokens)
            for of_one in texts.values()
        ],
        float,
    )
    together = (counts.sum(axis=0) + 1) / (counts.sum() + n_tokens)
    sizes = counts.sum(axis=1, keepdims=True)
    return TokenLanguages(
        languages=tuple(texts),
        log_likelihood=np.log((counts + PRIOR * together) / (sizes + PRIOR)),
    )


def read_token_languages(tokenizer: Any, *, n_tokens: int) -> TokenLanguages:
    """Unigrams of the bundled calibration texts; of other texts, held out, see the tests."""
    return fit_token_languages(
        {
            language: [
                tokenize(text, tokenizer) for text in read_bundled_texts("calibration", language)
            ]
            for language in BABELMINI_LANGUAGES
        },
        n_tokens=n_tokens,
    )


def read_bundled_texts(kind: str, language: str) -> list[str]:
    """Texts of a bundled file: 'calibration' or 'passages'."""
    lines = (find_mini_folder() / kind / f"{language}.jsonl").read_text("utf-8").splitlines()
    return [" ".join(json.loads(line)["sentences"]) for line in lines]


def tokenize(text: str, tokenizer: Any) -> list[int]:
    """Tokens of a text as it stands in a longer one, without special tokens."""
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


def find_other_script(language: str, *, tokenizer: Any, n_tokens: int) -> NDArray[np.bool_]:
    """Tokens with letters, none of which is of the language's script; shape (n_tokens,).

    Bytes of a letter that is not whole have no letter.
    """
    script = resolve(language).script
    texts = tokenizer.batch_decode([[number] for number in range(min(n_tokens, len(tokenizer)))])
    found = np.zeros(n_tokens, bool)
    special = set(tokenizer.all_special_ids)
    for number, text in enumerate(texts):
        if number not in special and count_letters(text):
            found[number] = measure_share(text, script) == 0
    return found
