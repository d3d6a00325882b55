"""MixEval and MixEval-Hard: upstream's English releases, and translations of them."""

from babelbits.tasks.folder_suites import FolderSuites
from babelbits.tasks.mixeval.mixeval_task import MixEvalChoice, MixEvalFreeForm, MixEvalOptions
from babelbits.tasks.suites.info import SuiteInfo


def _mixeval(name: str, summary: str, *, generates: bool) -> SuiteInfo:
    return SuiteInfo(
        name=name,
        languages=("en", "nb"),
        summary=f"{summary} (hub: English)",
        generates=generates,
        licence="MIT; the questions come from public benchmarks with licences of their own",
        parallel=True,
        hub_dataset="MixEval/MixEval",
        metric="rule match" if generates else "accuracy",
        most_shots=5,
        own_options=None if generates else MixEvalOptions,
    )


SUITES = (
    _mixeval("mixeval", "a mixture of benchmarks, 2 to 10 choices", generates=False),
    _mixeval("mixeval-free-form", "a mixture of benchmarks, short answers", generates=True),
    _mixeval("mixeval-hard", "MixEval's hardest choices", generates=False),
    _mixeval("mixeval-hard-free-form", "MixEval's hardest short answers", generates=True),
)

FAMILY = FolderSuites(
    suites=SUITES,
    tasks={one.name: MixEvalFreeForm if one.generates else MixEvalChoice for one in SUITES},
)
