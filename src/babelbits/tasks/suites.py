"""Which suites there are, in which languages: tables, no code that reads data or loads a library.

A suite is a benchmark over languages. The tables map upstream's name of a language (a dataset
config, a file name) to ours; ours is always the canonical code of `babelbits.languages`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from babelbits.languages import resolve

BABELMINI_LANGUAGES = (
    *("en", "nb", "de", "fr", "es", "ru", "ar", "hi", "ml", "ja", "zh", "ko", "sw"),
)
"""Languages that every BabelMini suite has; the data folder may hold more."""

_MGSM = "bn de en es fr ja ru sw te th zh"
_XCOPA = "et ht id it qu sw ta th tr vi zh"
_XSTORYCLOZE = "ar en es eu hi id my ru sw te zh"
_XWINOGRAD = "en fr jp pt ru zh"
_BELEBELE = """
    acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab
    asm_Beng azj_Latn bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn
    ckb_Arab dan_Latn deu_Latn ell_Grek eng_Latn est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn
    gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva hin_Latn hrv_Latn hun_Latn
    hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn jpn_Jpan kac_Latn kan_Knda
    kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn
    lit_Latn lug_Latn luo_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr
    nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn nya_Latn ory_Orya pan_Guru pbt_Arab pes_Arab
    plt_Latn pol_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn slv_Latn
    sna_Latn snd_Arab som_Latn sot_Latn spa_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn
    tam_Taml tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl
    urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn yor_Latn zho_Hans zho_Hant
    zsm_Latn zul_Latn
"""
# The plain variant of a language comes before its regional ones: the first takes a shared code.
_NTREX = """
    eng afr amh arb aze-Latn bak bel bem ben bod bos bul cat ces ckb-Arab cym dan deu div dzo ell
    est eus ewe fao fas fij fil fin fra fuc gle glg gsw-ZH guj hau heb hin hmn hrv hun hye ibo ind
    isl ita jpn kan kat kaz khm kin kir kmr kor lao lav lit ltz mal mar mey mkd mlg mlt mon mri msa
    mya nde nep nld nno nob nso nya orm pan pol por prs pus ron rus shi sin slk slv smo sna-Latn
    snd-Arab som spa sqi srp-Cyrl srp-Latn ssw swa swe tah tam tat tel tgk-Cyrl tha tir ton tsn tuk
    tur uig ukr urd uzb ven vie wol xho yor yue zho-CN zho-TW zul eng-GB eng-IN eng-US fra-CA gsw-BE
    por-BR spa-MX
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteInfo:
    """A benchmark over languages."""

    name: str
    languages: tuple[str, ...]
    """Canonical codes, in the suite's own order."""
    summary: str
    generates: bool
    """True when the model must write text; False when it only scores text."""
    licence: str
    parallel: bool
    """Whether items of different languages are translations of each other."""
    hub_dataset: str | None = None
    """Where the data comes from when the study names no local folder; None: no download."""
    upstream: Mapping[str, str] = field(default_factory=dict)
    """Canonical code to upstream's name of the language: dataset config or file code."""
    lm_eval_task: str | None = None
    """Name of the lm-eval task with `{}` for upstream's language; None for our own tasks."""
    chance: float | None = None
    """Expected score of guessing; None where there is none."""
    shots: int | None = 0
    """Few-shot examples unless the study says otherwise; None: the lm-eval task knows."""
    any_language: bool = False
    """True where `languages` is only a guess from the name: the study may say another."""
    source_columns: tuple[str, ...] | None = None
    """Columns that name a question in every language; () is the row; None: not parallel."""


def canonical(code: str) -> str:
    """Canonical code of a language in any usual form.

    Raises
    ------
    UnknownNameError
        If no language is called that.
    """
    return resolve(code).code


def _by_language(codes: str) -> Mapping[str, str]:
    """Canonical code to upstream code; the first upstream code of a language wins."""
    table: dict[str, str] = {}
    for code in codes.split():
        table.setdefault(canonical({"jp": "ja"}.get(code, code)), code)
    return MappingProxyType(table)


def _own(name: str, summary: str, *, chance: float | None = None, generates: bool) -> SuiteInfo:
    return SuiteInfo(
        name=name,
        languages=BABELMINI_LANGUAGES,
        summary=summary,
        generates=generates,
        licence="CC0-1.0",
        parallel=True,
        chance=chance,
    )


def _ntrex(name: str, unit: str) -> SuiteInfo:
    upstream = _by_language(_NTREX)
    return SuiteInfo(
        name=name,
        languages=tuple(upstream),
        summary=f"bits per byte of NTREX-128, parallel news; the items are {unit}",
        generates=False,
        licence="CC-BY-SA-4.0",
        parallel=True,
        upstream=upstream,
    )


def _mgsm(name: str, task: str, summary: str) -> SuiteInfo:
    upstream = _by_language(_MGSM)
    return SuiteInfo(
        name=name,
        languages=tuple(upstream),
        summary=summary,
        generates=True,
        licence="CC-BY-4.0",
        parallel=True,
        hub_dataset="juletxara/mgsm",
        upstream=upstream,
        lm_eval_task=task,
        source_columns=(),
    )


def _choice(
    name: str,
    summary: str,
    codes: str,
    *,
    hub: str,
    licence: str,
    chance: float,
    source_columns: tuple[str, ...] | None,
) -> SuiteInfo:
    upstream = _by_language(codes)
    return SuiteInfo(
        name=name,
        languages=tuple(upstream),
        summary=summary,
        generates=False,
        licence=licence,
        parallel=source_columns is not None,
        hub_dataset=hub,
        upstream=upstream,
        lm_eval_task=name + "_{}",
        chance=chance,
        source_columns=source_columns,
    )


@cache
def all_suites() -> Mapping[str, SuiteInfo]:
    """Every suite by name: BabelMini's first, then the public ones."""
    found = (
        _own("text", "bits per byte of parallel text: bundled, or a local folder", generates=False),
        _own("pairs", "which of two versions of a sentence is intact", chance=0.5, generates=False),
        _own("math", "one- and two-step sums in words", generates=True),
        _own("confusion", "does the model go on in the prompt's language", generates=True),
        _own("extended", "long answers: language and repetition by position", generates=True),
        _ntrex("ntrex", "documents"),
        _ntrex("ntrex-segments", "single segments"),
        _mgsm("mgsm", "mgsm_direct_{}", "grade-school maths, the answer at once"),
        _mgsm("mgsm-native-cot", "mgsm_native_cot_{}", "grade-school maths, reasoning first"),
        _choice(
            "xcopa",
            "cause or effect of an event, two choices",
            _XCOPA,
            hub="cambridgeltl/xcopa",
            licence="CC-BY-4.0",
            chance=0.5,
            source_columns=("idx",),
        ),
        _choice(
            "xwinograd",
            "which noun a pronoun stands for, two choices",
            _XWINOGRAD,
            hub="Muennighoff/xwinograd",
            licence="Apache-2.0",
            chance=0.5,
            source_columns=None,
        ),
        _choice(
            "xstorycloze",
            "which of two endings a story has",
            _XSTORYCLOZE,
            hub="juletxara/xstory_cloze",
            licence="CC-BY-SA-4.0",
            chance=0.5,
            source_columns=("story_id",),
        ),
        _choice(
            "belebele",
            "reading comprehension, four choices",
            _BELEBELE,
            hub="facebook/belebele",
            licence="CC-BY-SA-4.0",
            chance=0.25,
            source_columns=("link", "question_number"),
        ),
    )
    return MappingProxyType({suite.name: suite for suite in found})
