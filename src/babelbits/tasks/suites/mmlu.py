"""MMLU in English, and its translations: Okapi's by ChatGPT, Global-MMLU's by people and machines.

Five examples by default, as Hendrycks et al. 2021 (arXiv 2009.03300) and all translations after it.
English MMLU and Global-MMLU ask 57 subjects, each with examples of its own subject; one cell of a
study asks them all, and its score is over all questions alike (lm-eval's `weight_by_size`).
"""

from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.lm_eval.suites import LmEvalSuites
from babelbits.tasks.suites.info import map_languages

SUBJECTS = (
    *("abstract_algebra", "anatomy", "astronomy", "business_ethics", "clinical_knowledge"),
    *("college_biology", "college_chemistry", "college_computer_science", "college_mathematics"),
    *("college_medicine", "college_physics", "computer_security", "conceptual_physics"),
    *("econometrics", "electrical_engineering", "elementary_mathematics", "formal_logic"),
    *("global_facts", "high_school_biology", "high_school_chemistry"),
    *("high_school_computer_science", "high_school_european_history", "high_school_geography"),
    *("high_school_government_and_politics", "high_school_macroeconomics"),
    *("high_school_mathematics", "high_school_microeconomics", "high_school_physics"),
    *("high_school_psychology", "high_school_statistics", "high_school_us_history"),
    *("high_school_world_history", "human_aging", "human_sexuality", "international_law"),
    *("jurisprudence", "logical_fallacies", "machine_learning", "management", "marketing"),
    *("medical_genetics", "miscellaneous", "moral_disputes", "moral_scenarios", "nutrition"),
    *("philosophy", "prehistory", "professional_accounting", "professional_law"),
    *("professional_medicine", "professional_psychology", "public_relations"),
    *("security_studies", "sociology", "us_foreign_policy", "virology", "world_religions"),
)
"""The 57 subjects of MMLU."""

LITE_SUBJECTS = ("business", "humanities", "medical", "other", "stem", "social_sciences")

_OKAPI = """
    ar bn ca da de en es eu fr gu hi hr hu hy id is it kn ml mr nb ne nl pt ro ru sk sr sv ta te uk
    vi zh
"""
_FULL = """
    am ar bn cs de el en es fa fil fr ha he hi id ig it ja ko ky lt mg ms ne nl ny pl pt ro ru si sn
    so sr sv sw te tr uk vi yo zh
"""
_LITE = "ar bn de en es fr hi id it ja ko pt sw yo zh"


def _mmlu(
    name: str,
    summary: str,
    codes: str,
    *,
    task: str,
    subjects: tuple[str, ...],
    hub: str,
    revision: str | None = None,
    licence: str,
    source_columns: tuple[str, ...] | None,
) -> LmEvalSuite:
    upstream = map_languages(codes)
    return LmEvalSuite(
        name=name,
        languages=tuple(upstream),
        summary=summary,
        generates=False,
        licence=licence,
        parallel=source_columns is not None,
        hub_dataset=hub,
        revision=revision,
        upstream=upstream,
        lm_eval_task=task,
        parts=tuple(f"{task}_{subject}" for subject in subjects),
        chance=0.25,
        choices=4,
        shots=5,
        metric="accuracy",
        comparable=f"lm-eval 0.4.13, {task.format('*')}, --num_fewshot 5, acc",
        source_columns=source_columns,
    )


SUITES = (
    _mmlu(
        "mmlu",
        "57 subjects of school and profession, four choices",
        "en",
        task="mmlu",
        subjects=SUBJECTS,
        hub="cais/mmlu",
        revision="c30699e8356da336a370243923dbaf21066bb9fe",
        licence="MIT",
        source_columns=None,
    ),
    _mmlu(
        "m_mmlu",
        "MMLU translated by ChatGPT (Okapi), four choices",
        _OKAPI,
        task="m_mmlu_{}",
        subjects=(),
        hub="alexandrainst/m_mmlu",
        licence="CC-BY-NC-4.0",
        source_columns=("id",),
    ),
    _mmlu(
        "global-mmlu",
        "MMLU translated by people and machines, four choices",
        _FULL,
        task="global_mmlu_full_{}",
        subjects=SUBJECTS,
        hub="CohereForAI/Global-MMLU",
        revision="0e619dbeb34206cd48705a1a0ea7fb21cae09993",
        licence="Apache-2.0",
        source_columns=("sample_id",),
    ),
    _mmlu(
        "global-mmlu-lite",
        "400 questions of Global-MMLU, translated by people",
        _LITE,
        task="global_mmlu_{}",
        subjects=LITE_SUBJECTS,
        hub="CohereForAI/Global-MMLU-Lite",
        licence="Apache-2.0",
        source_columns=("sample_id",),
    ),
)

FAMILY = LmEvalSuites(suites=SUITES)
