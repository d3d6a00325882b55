"""The llama.cpp engine as an lm-eval model gives what lm-eval's own HF model gives."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from babelbits.engines.lm_eval_model import as_lm_eval


def test_requests_of_lm_eval_are_answered_as_its_own_model_does(
    subject: Callable[..., Any],
    harness: Callable[..., Any],
    instances: Callable[..., list[Any]],
    tiny_model: Callable[[str], Path],
) -> None:
    ours, theirs = as_lm_eval(subject()), harness("llama")
    pairs = [("fox", " lazy dog"), ("", "hello"), ("лиса", " A"), ("der Hund  ", "bellt")]
    made = instances("loglikelihood", pairs)
    expected = theirs.loglikelihood(made, disable_tqdm=True)
    found = ours.loglikelihood(made)
    assert [logprob for logprob, _greedy in found] == pytest.approx(
        [logprob for logprob, _greedy in expected], abs=1e-4
    )
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    whole = instances("loglikelihood_rolling", [("der Hund bellt, лиса " * 40,)])
    assert ours.loglikelihood_rolling(whole) == pytest.approx(
        theirs.loglikelihood_rolling(whole, disable_tqdm=True), abs=1e-2
    )
    options = {"until": ["er", "\n"], "max_gen_toks": 16}
    prompts = instances("generate_until", [(p, options) for p in ("fox", "x", "7" * 300)])
    assert ours.generate_until(prompts) == theirs.generate_until(prompts, True)
