"""Our transformers engine against lm-evaluation-harness's HF model on the same real items.

Every request of XCOPA and MGSM items goes to both, in fp32 on the same weights. Two numbers matter:
the largest difference of a log-likelihood (nats), and the share of generations that are identical.

    python bench/parity.py --data FOLDER [--model FOLDER] [--items 50]

FOLDER holds `xcopa/` and `mgsm/` as their authors publish them.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from babelbits.bundled import model_folder
from babelbits.engines.base import EngineSettings
from babelbits.engines.transformers import load
from babelbits.records import GenerateRequest, Generation, Score, ScoreRequest
from babelbits.tasks import catalogue
from babelbits.tasks.base import TaskOptions

CHOSEN = {"xcopa": ("et", "sw", "ta", "th", "zh"), "mgsm": ("en", "ja", "sw")}


def requests(suite: str, data: Path, *, items: int) -> list[ScoreRequest | GenerateRequest]:
    """All requests of the first items of every chosen language."""
    options = TaskOptions(limit=items, data=data / suite, shots=2 if suite == "mgsm" else None)
    return [
        request
        for language in CHOSEN[suite]
        for item in catalogue.load(suite, language, options).items()
        for request in item.requests
        if isinstance(request, ScoreRequest | GenerateRequest)
    ]


def main() -> None:
    """Ask both and print the two numbers."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=model_folder())
    parser.add_argument("--items", type=int, default=50)
    options = parser.parse_args()

    ours = load(options.model, settings=EngineSettings(device="cpu", dtype="float32"))
    theirs = HFLM(pretrained=str(options.model), dtype="float32", device="cpu", batch_size=8)

    scored = [
        r
        for r in requests("xcopa", options.data, items=options.items)
        if isinstance(r, ScoreRequest)
    ]
    reference = theirs.loglikelihood(
        [
            Instance(
                request_type="loglikelihood",
                doc={},
                arguments=(request.context, request.continuation),
                idx=0,
            )
            for request in scored
        ]
    )
    answers = ours.score(scored)
    assert all(isinstance(answer, Score) for answer in answers)
    pairs = [
        (answer, expected)
        for answer, expected in zip(answers, reference, strict=True)
        if isinstance(answer, Score)
    ]
    difference = max(abs(answer.logprob - logprob) for answer, (logprob, _) in pairs)
    same_greedy = sum(answer.is_greedy == greedy for answer, (_, greedy) in pairs)

    asked = [
        r
        for r in requests("mgsm", options.data, items=options.items)
        if isinstance(r, GenerateRequest)
    ]
    written = ours.generate(asked)
    expected = theirs.generate_until(
        [
            Instance(
                request_type="generate_until",
                doc={},
                arguments=(
                    request.prompt,
                    {"until": list(request.stop), "max_gen_toks": request.max_new_tokens},
                ),
                idx=0,
            )
            for request in asked
        ]
    )
    same = sum(
        isinstance(answer, Generation) and answer.texts[0] == text
        for answer, text in zip(written, expected, strict=True)
    )
    print(
        json.dumps(
            {
                "model": options.model.name,
                "xcopa_requests": len(scored),
                "largest_logprob_difference": difference,
                "same_greedy_flag": same_greedy / len(scored),
                "mgsm_generations": len(asked),
                "identical_generations": same / len(asked),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
