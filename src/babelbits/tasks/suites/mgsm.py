"""MGSM: 250 grade-school sums in 11 languages (Shi et al. 2022, arXiv 2210.03057).

Eight examples by default: the paper's, and all that the data set has.
"""

from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.lm_eval.suites import LmEvalSuites
from babelbits.tasks.suites.info import map_languages

_MGSM = "bn de en es fr ja ru sw te th zh"


def _mgsm(name: str, task: str, summary: str) -> LmEvalSuite:
    upstream = map_languages(_MGSM)
    return LmEvalSuite(
        name=name,
        languages=tuple(upstream),
        summary=summary,
        generates=True,
        licence="CC-BY-4.0",
        parallel=True,
        hub_dataset="juletxara/mgsm",
        revision="b2f13d426afe3be8d69a7e739b36724db8b66bbc",
        upstream=upstream,
        lm_eval_task=task,
        shots=8,
        metric="exact match",
        comparable=(
            f"lm-eval 0.4.13, {task.format('*')}, --num_fewshot 8, exact_match,flexible-extract"
        ),
        source_columns=(),
        limits="scaled",
        native_numbers=True,
    )


SUITES = (
    _mgsm("mgsm", "mgsm_direct_{}", "grade-school maths, the answer at once"),
    _mgsm("mgsm-native-cot", "mgsm_native_cot_{}", "grade-school maths, reasoning first"),
    _mgsm("mgsm-en-cot", "mgsm_en_cot_{}", "grade-school maths, reasoning in English first"),
)

FAMILY = LmEvalSuites(suites=SUITES)
