"""Public functions of the package are verbs, questions or conversions; what is not has a reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "src" / "babelbits"

_VERBS = """
add adjust agree allocate analyse answer append apply approximate ask assume attend average
bootstrap bound branch build cap cast check choose classify clip close collect combine compare
compute conclude confirm connect contrast convert copy correlate count cumulate cut decide
declare decode dequantize derive describe digest divide draft draw drop dump embed encode end
escape estimate examine execute exit explain export fetch fill find fit fix flatten fold follow
forget format gather generate get grade group grow hash identify import index infer install
invite iterate join judge keep leave linearise list load locate lock log look main make map mark
match measure meet mix name narrow normalise normalize note number open order orthogonalize pair
parse pick place plan pool predict prepare print probe pull push quantize rank read recommend
record refer refuse register rehearse remove rename render renew report require resolve restore
retry revoke reward rotate round run sample save say scale scan score seal select serve set settle
share ship show shrink signal simplify size sort split spread start stop strip suggest summarise
sync synthesise tell test time tokenize track train unblind unfuse unpack unseal update verify
warn widen work wrap write
"""
VERBS = frozenset(_VERBS.split())
"""First words of names. A new one is added here once it is a verb in that name."""

_QUESTIONS = """
asks brings can chooses contains couples has have is looks matches need needs quantizes resumes
selects
"""
QUESTIONS = frozenset(_QUESTIONS.split())
CONVERSIONS = frozenset({"as", "from", "to", "with", "without"})
"""`to_json` and `from_json`; `with_x` gives a copy with x, as `Path.with_suffix` does."""

QUANTITIES = ("stats.", "probes.measures", "report.paper_b")
"""Modules of statistics, which are called what the field calls them: `mcnemar_midp`, `kurtosis`."""
PHRASES = ("words", "suggest", "records.quantities", "analysis.format", "report.commands")
"""Modules whose functions stand in sentences as the words that they make: `plural(3, "item")`."""

NOUNS = {
    "the front door's names": ("api:power", "api:gate"),
    "decorators that add options, as `click.option` does": (
        "cli.chat_judge:chat_options",
        "cli.decision_options:scope_options",
        "cli.early_stopping:early_stopping_option",
        "cli.pairs:choice_options",
    ),
    "a changed copy, as of `sorted`": (
        "analysis.corpora:linearised",
        "analysis.families:implied",
        "annotate.events:checked",
        "annotate.gold:shuffled",
        "annotate.texts:normalised",
        "cli.crash:redacted",
        "engines.endpoint.faults:quoted",
        "judge.grading.graded:graded",
        "report.charts:styled",
        "study.planning.served:divided",
    ),
    "stands after `with`": ("engines.hf.shared_prefix_attention:cascading",),
    "the name of a form that others defined": (
        "records.hashing:canonical_json",
        "store.codec:dumps",  # as of `json`
        "store.sealed:dumps_sealed",
    ),
    "a quantity by its name": ("formats.weight_records:bits_per_weight",),
    "a question whose subject comes first": (
        "formats.own_code:model_brings_code",
        "formats.own_code:tokenizer_brings_code",
    ),
    "documented for packages of other people": (
        "tasks.base:own_options",
        "tasks.reading:text_field",
    ),
    "part of a sentence about a type": ("study.config.toml_reading:either",),
}
"""Reason to functions, `module:function`."""


def public_functions() -> Iterator[tuple[str, str]]:
    """Module and name of every public function that is no command, route or context manager."""
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.parse(file.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[0] != "_":
                decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
                if not any(one in decorators for one in ("click", "contextmanager", "router")):
                    yield module.removesuffix(".__init__"), node.name


def is_verb(module: str, name: str) -> bool:
    first, *rest = name.split("_")
    if first in VERBS | QUESTIONS | CONVERSIONS or "to" in rest:  # also `rows_to_table`
        return True
    return module.startswith((*QUANTITIES, *PHRASES))


def test_functions_are_verbs_or_there_is_a_reason() -> None:
    allowed = {one for several in NOUNS.values() for one in several}
    nouns = {f"{module}:{name}" for module, name in public_functions() if not is_verb(module, name)}
    assert nouns - allowed == set(), "make a verb of it, or add it to NOUNS with the reason"
    assert allowed - nouns == set(), "no longer there"


def test_the_test_sees_nouns() -> None:
    assert not is_verb("study.planning.plan", "cell_folder")
    assert is_verb("study.planning.plan", "find_cell_folder")
    assert is_verb("stats.binary", "mcnemar_midp")
