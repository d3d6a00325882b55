"""SIB-200: the topic of a sentence of FLORES-200, one of seven (Adelani et al. 2024).

lm-eval has it in AfroBench's languages alone; the task in this package asks with AfroBench's first
prompt, letter by letter, in all of them.
"""

from babelbits.tasks.flores_codes import FLORES_CODES
from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.lm_eval.suites import LmEvalSuites
from babelbits.tasks.suites.info import map_languages


def _sib200() -> LmEvalSuite:
    upstream = map_languages(FLORES_CODES)
    return LmEvalSuite(
        name="sib200",
        languages=tuple(upstream),
        summary="the topic of a sentence, seven choices",
        generates=False,
        licence="CC-BY-SA-4.0",
        parallel=True,
        hub_dataset="Davlan/sib200",
        revision="38977a667f6fc264d5c26ec57a01e16db040b358",
        upstream=upstream,
        lm_eval_task="sib200_{}",
        packaged="sib200.yaml",
        chance=1 / 7,
        choices=7,
        metric="accuracy",
        comparable="lm-eval 0.4.13, sib_*_prompt_1 of AfroBench, 0-shot, acc",
        source_columns=("index_id",),
    )


SUITES = (_sib200(),)

FAMILY = LmEvalSuites(suites=SUITES)
