"""What guessing scores on public benchmarks, where a log or table does not say how many choices.

By the benchmark's name; languages, shots and other endings of a name are of no account. Written
answers have a chance of 0: their own floor is declared by the study.
"""

import re
from collections.abc import Mapping

_QUARTER = (
    *(
        "mmlu",
        "global_mmlu",
        "m_mmlu",
        "mmmlu",
        "cmmlu",
        "ceval",
        "ceval_valid",
        "kmmlu",
        "arabicmmlu",
    ),
    *("hellaswag", "m_hellaswag", "xhellaswag", "arc", "arc_easy", "arc_challenge", "m_arc"),
    *("belebele", "openbookqa", "race", "sciq", "logiqa", "gpqa", "exams", "medmcqa", "include"),
)
_HALF = (
    *("xcopa", "copa", "xwinograd", "winogrande", "xstorycloze", "storycloze", "piqa", "boolq"),
    *("pawsx", "paws", "wic", "rte", "global_piqa", "multiblimp", "blimp"),
)
_THIRD = ("xnli", "mnli", "anli", "cb", "siqa", "social_iqa", "afrixnli")
_WRITTEN = (
    *("mgsm", "gsm8k", "gsm_plus", "svamp", "humaneval", "mbpp", "lambada", "triviaqa", "nq_open"),
    *(
        "squad",
        "squadv2",
        "xquad",
        "mlqa",
        "tydiqa",
        "drop",
        "ifeval",
        "bbh",
        "minerva_math",
        "aime",
    ),
)

CHANCES: Mapping[str, float] = {
    **dict.fromkeys(_QUARTER, 0.25),
    **dict.fromkeys(_HALF, 0.5),
    **dict.fromkeys(_THIRD, 1 / 3),
    **dict.fromkeys(_WRITTEN, 0.0),
    "commonsense_qa": 0.2,
    "commonsenseqa": 0.2,
    "mmlu_pro": 0.1,
    "sib200": 1 / 7,
}
"""Benchmark to the expected score of guessing."""


def known_chance(benchmark: str) -> float | None:
    """The chance level of a benchmark of this name; None where it is not known.

    The longest known name that the benchmark's begins with, up to the end of a word.

    Examples
    --------
    >>> known_chance("xcopa_et"), known_chance("MMLU-Pro"), known_chance("arcade")
    (0.5, 0.1, None)
    """
    words = re.sub(r"[^a-z0-9]+", "_", benchmark.lower()).strip("_").split("_")
    for count in range(len(words), 0, -1):
        found = CHANCES.get("_".join(words[:count]))
        if found is not None:
            return found
    return None
