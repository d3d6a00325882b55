"""What quantization does to a multilingual language model, language by language.

    >>> import babelbits
    >>> study = babelbits.load_study("study.toml")          # doctest: +SKIP
    >>> babelbits.run(study)                                # doctest: +SKIP
    >>> results = babelbits.load_results(study.folder)      # doctest: +SKIP
    >>> print(babelbits.gate(results, "w4-g@en"))           # doctest: +SKIP
    >>> babelbits.write_report(results, "report.html")      # doctest: +SKIP

    Study, load_study       a study file, checked
    Plan, plan              what a study will make and run, and what is done
    run                     make the variants, run the cells; the same call again resumes
    Results, load_results   what the finished cells of a run folder say
    compare_logs            the same of runs that other tools made
    power                   what a study can see before it is paid for
    gate, recommend         whether a variant may be shipped, and which
    write_report            one offline HTML page
    open_engine             a model that scores and writes text
    make_variant            one quantized model
    BabelbitsError          the root of every error raised on purpose
    __version__             this version

Parts of other packages are registered in `babelbits.registry`. Each name is imported when it is
first used: `import babelbits` loads none of the libraries.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babelbits.api import (
        compare_logs,
        gate,
        load_results,
        load_study,
        make_variant,
        open_engine,
        plan,
        power,
        recommend,
        run,
        write_report,
    )
    from babelbits.errors import BabelbitsError
    from babelbits.results.results import Results
    from babelbits.study.config.spec import Study
    from babelbits.study.planning.plan_types import Plan

    __version__: str

__all__ = [
    "BabelbitsError",
    "Plan",
    "Results",
    "Study",
    "__version__",
    "compare_logs",
    "gate",
    "load_results",
    "load_study",
    "make_variant",
    "open_engine",
    "plan",
    "power",
    "recommend",
    "run",
    "write_report",
]

_ELSEWHERE = {
    "BabelbitsError": "babelbits.errors",
    "Plan": "babelbits.study.planning.plan_types",
    "Results": "babelbits.results.results",
    "Study": "babelbits.study.config.spec",
}
"""Names that are not in `babelbits.api`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'babelbits' has no attribute '{name}'")
    if name == "__version__":
        from importlib.metadata import version

        value: object = version("babelbits")
    else:
        value = getattr(import_module(_ELSEWHERE.get(name, "babelbits.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
