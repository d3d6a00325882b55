"""Which language a token is of, on bundled text that the posterior has not seen."""

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from babelbits.bundled import find_bundled_model, find_mini_folder
from babelbits.probes.token_language import (
    PRIOR,
    TokenLanguages,
    find_other_script,
    fit_token_languages,
    read_bundled_texts,
    read_token_languages,
    tokenize,
)

SIZE = 6144


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(find_bundled_model(), local_files_only=True)


@pytest.fixture(scope="module")
def found(tokenizer: Any) -> TokenLanguages:
    return read_token_languages(tokenizer, n_tokens=SIZE)


def held_out(language: str, tokenizer: Any) -> list[list[int]]:
    return [tokenize(text, tokenizer) for text in read_bundled_texts("passages", language)]


def test_the_posterior_is_bayes_rule_on_counts() -> None:
    """Two languages, three tokens; 9 of 10 against 1 of 10, drawn towards the pooled shares."""
    fitted = fit_token_languages(
        {"a": [[0] * 900 + [1] * 100], "b": [[0] * 100 + [1] * 900]}, n_tokens=3
    )
    pooled = np.array([1001, 1001, 1]) / 2003
    a, b = ((count + PRIOR * pooled[0]) / (1000 + PRIOR) for count in (900, 100))
    posterior = fitted.posterior()
    assert posterior[0, 0] == pytest.approx(a / (a + b))
    assert posterior[:, 2] == pytest.approx(0.5)  # never seen: it tells nothing
    assert np.exp(fitted.log_likelihood).sum(axis=1) == pytest.approx(1.0)


def test_held_out_texts_are_given_to_their_language(found: TokenLanguages, tokenizer: Any) -> None:
    for language in found.languages:
        texts = held_out(language, tokenizer)
        own = found.languages.index(language)
        right = [found.log_likelihood[:, text].sum(axis=1).argmax() == own for text in texts]
        assert np.mean(right) >= 0.95, language


def test_text_in_one_language_seldom_switches(found: TokenLanguages, tokenizer: Any) -> None:
    """On the passages, on which the threshold was chosen, and on prompts, on which it was not."""
    for language in found.languages:
        passages = held_out(language, tokenizer)
        lines = (find_mini_folder() / f"confusion/{language}.jsonl").read_text("utf-8").splitlines()
        prompts = [tokenize(json.loads(line)["prompt"], tokenizer) for line in lines]
        for texts in (passages, prompts):
            switched = [found.first_switch(text, language) is not None for text in texts]
            assert np.mean(switched) <= 0.05, language


@pytest.mark.parametrize(
    ("first", "then"), [("en", "de"), ("hi", "en"), ("zh", "ja"), ("sw", "fr")]
)
def test_a_splice_is_found_where_it_is(
    found: TokenLanguages, tokenizer: Any, first: str, then: str
) -> None:
    languages, misses = [], []
    for start, end in zip(held_out(first, tokenizer), held_out(then, tokenizer), strict=True):
        switch = found.first_switch([*start[:15], *end[:15]], first)
        languages.append(None if switch is None else switch.language)
        if switch is not None:
            misses.append(abs(switch.position - 15))
    assert languages.count(then) >= 0.9 * len(languages)
    assert np.median(misses) <= 3


def test_scripts_are_exact(tokenizer: Any) -> None:
    foreign = find_other_script("ru", tokenizer=tokenizer, n_tokens=SIZE)
    words = {text: tokenize(text, tokenizer) for text in ("дом", "house", "12", "。")}
    assert not foreign[words["дом"]].any()
    assert foreign[words["house"]].all()
    assert not foreign[words["12"]].any()
    assert not foreign[words["。"]].any()
    assert not foreign[tokenizer.all_special_ids].any()
