"""Benchmarks of the newer multilingual papers, as lm-eval 0.4.13 has them.

INCLUDE (Romanou et al. 2024, arXiv 2411.19799): exam questions written in 44 languages. Global PIQA
(Chang et al. 2025, arXiv 2510.24081): everyday physics by native speakers, and translations of one
set. MultiBLiMP (Jumelet et al. 2025, arXiv 2504.02768): which of two sentences agrees. MMLU-ProX
lite (Xuan et al. 2025, arXiv 2503.10497): ten choices, reasoned before they are chosen.

Where a language has several varieties (French of France and of Canada) the first of the table is
asked; the others are asked by lm-eval's own names.
"""

from collections.abc import Mapping
from types import MappingProxyType

from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.lm_eval.suites import LmEvalSuites
from babelbits.tasks.suites.info import map_languages, resolve_code

_DOMAINS: Mapping[str, str] = MappingProxyType(
    {
        "A": "applied_science",
        "H": "arts_humanities",
        "B": "business_commerce",
        "D": "driving_license",
        "G": "general_knowledge",
        "E": "health_oriented_education",
        "N": "marine_license",
        "M": "medical_license",
        "P": "professional_certification",
        "T": "stem",
        "S": "social_science",
    }
)
"""Letter to a domain of INCLUDE, as lm-eval names it."""
_INCLUDE = """
    sq:albanian:HBEST ar:arabic:HBDGST hy:armenian:HDST az:azerbaijani:AHBEST eu:basque:P
    be:belarusian:HST bn:bengali:HGPT bg:bulgarian:HST zh:chinese:AHBDEPST hr:croatian:HST
    nl:dutch:AHEST et:estonian:AHEST fi:finnish:AHEST fr:french:HDEST ka:georgian:H
    de:german:DST el:greek:HBEMPST he:hebrew:HD hi:hindi:AHDGEPST hu:hungarian:AST
    id:indonesian:AHPST it:italian:AHEPST ja:japanese:DMP kk:kazakh:H ko:korean:PS
    lt:lithuanian:HBPST ms:malay:HBS ml:malayalam:HGENST ne:nepali:DP mk:north_macedonian:HBST
    fa:persian:HDPST pl:polish:PST pt:portuguese:AHBEST ru:russian:AHBDENST sr:serbian:HST
    es:spanish:HEST fil:tagalog:HD ta:tamil:GT te:telugu:AHST tr:turkish:HBST uk:ukrainian:HST
    ur:urdu:HET uz:uzbek:HMST vi:vietnamese:HST
"""
"""Code, lm-eval's name of the language, and the domains that it has questions of."""
_PIQA = """
    acm_arab acq_arab aeb_arab afb_arab als_latn amh_ethi apc_arab_jord arb_arab arq_arab
    ars_arab ary_arab arz_arab asm_beng azj_latn bam_latn bcc_arab bel_cyrl ben_beng ben_latn
    bgc_deva bho_deva bos_latn bra_deva bsk_arab btx_latn bul_cyrl cat_latn ces_latn ckb_arab
    ckm_latn cmn_hans cmn_hant dan_latn deu_latn dhd_deva dje_latn ekk_latn ekp_latn ell_grek
    eng_latn eus_latn fao_latn fin_latn fra_latn_fran glg_latn guj_gujr hau_latn haw_latn
    heb_hebr hin_deva hin_latn hrv_latn hun_latn hye_armn ibo_latn idu_latn ind_latn isl_latn
    iso_latn ita_latn jav_latn jpn_jpan kan_knda kan_latn kat_geor kaz_cyrl kin_latn kir_cyrl
    kor_hang lin_latn lit_latn luo_latn mal_mlym mar_deva mkd_cyrl mni_beng mni_mtei nag_latn
    nld_latn nno_latn nob_latn npi_deva ory_orya pan_guru pcm_latn pes_arab plt_latn pol_latn
    por_latn_port ron_latn rus_cyrl rwr_deva sin_latn sin_sinh slk_latn slv_latn snd_arab
    snd_deva spa_latn_spai srp_cyrl srp_latn sun_latn swe_latn swh_latn swv_deva tam_latn
    tam_taml tel_latn tel_telu tgl_latn tha_thai tur_latn uig_arab ukr_cyrl urd_arab urd_latn
    urh_latn uzn_latn vie_latn yor_latn yue_hant zsm_latn zul_latn
"""
_PIQA_PARALLEL = """
    acm_arab acq_arab aeb_arab afb_arab als_latn amh_ethi apc_arab_jord arb_arab arq_arab
    ars_arab ary_arab arz_arab azj_latn bam_latn bcc_arab bel_cyrl ben_beng ben_latn bgc_deva
    bho_deva bra_deva bul_cyrl bxr_cyrl cat_latn ceb_latn ces_latn ckm_latn cmn_hans cmn_hant
    dan_latn deu_latn dhd_deva ekk_latn ekp_latn ell_grek eng_latn eus_latn fao_latn fin_latn
    fra_latn_fran glg_latn guj_gujr hau_latn haw_latn heb_hebr hin_deva hin_latn hrv_latn
    hun_latn hye_armn ibo_latn idu_latn ilo_latn ind_latn isl_latn iso_latn ita_latn jav_latn
    jpn_jpan kan_knda kan_latn kat_geor kin_latn kir_cyrl kor_hang lin_latn lit_latn mag_deva
    mal_mlym mar_deva mkd_cyrl mni_beng nag_latn nld_latn nno_latn nob_latn npi_deva ory_orya
    pan_guru pcm_latn pes_arab plt_latn pol_latn por_latn_port ron_latn rus_cyrl rwr_deva
    sin_latn sin_sinh slk_latn slv_latn snd_arab snd_deva spa_latn_spai srp_cyrl srp_latn
    swe_latn swh_latn swv_deva tam_latn tam_taml tel_latn tel_telu tgl_latn tha_thai tur_latn
    uig_arab ukr_cyrl urd_arab urd_latn urh_latn uzn_latn vie_latn xho_latn yor_latn yue_hant
    zsm_latn zul_latn
"""
_MULTIBLIMP = """
    abk aln amh apu aqz arb azz bel ben bho bor bre bua bul cat ces chu cym dan deu egy ell eng
    est eus fao fas fin fra frm fro gla gle glg got grc guj hbo hbs heb hin hit hsb hun hye hyw
    isl ita kat kaz kir kmr koi kpv krl kxh lat lav lij lit mar mdf mkd myv nds nhi nld olo orv
    ota pcm pol por quc ron rus sah san slk slv sme sms spa sqi swe tam tpn ttc tur uig ukr urb
    urd uzb vep wbp wol xcl xnr xpg yrl
"""
_PROX = "af ar bn cs de en es fr hi hu id it ja ko mr ne pt ru sr sw te th uk ur vi wo yo zh zu"
_PROX_SUBJECTS = (
    *("biology", "business", "chemistry", "computer_science", "economics", "engineering", "health"),
    *("history", "law", "math", "other", "philosophy", "physics", "psychology"),
)


def _include() -> LmEvalSuite:
    rows = [row.split(":") for row in _INCLUDE.split()]
    task = "include_base_44_{}"
    upstream = {resolve_code(code): name for code, name, _ in rows}
    return LmEvalSuite(
        name="include",
        languages=tuple(upstream),
        summary="exam questions of 44 languages' own regions, four choices",
        generates=False,
        licence="unknown",
        parallel=False,
        hub_dataset="CohereForAI/include-base-44",
        upstream=MappingProxyType(upstream),
        lm_eval_task=task,
        parts_by_language=MappingProxyType(
            {
                resolve_code(code): tuple(f"{task}_{_DOMAINS[letter]}" for letter in letters)
                for code, _, letters in rows
            }
        ),
        chance=0.25,
        choices=4,
        comparable=f"lm-eval 0.4.13, {task.format('*')}, 0-shot, acc",
    )


def _piqa(name: str, summary: str, codes: str, *, split: str, choices: int) -> LmEvalSuite:
    # A row is one question in every language of the parallel split.
    upstream = _varieties(codes)
    task = f"global_piqa_{split}_cloze_{{}}"
    return LmEvalSuite(
        name=name,
        languages=tuple(upstream),
        summary=summary,
        generates=False,
        licence="CC-BY-SA-4.0",
        parallel=split == "parallel",
        hub_dataset=f"mrlbenchmarks/global-piqa-{split}",
        upstream=upstream,
        lm_eval_task=task,
        chance=1 / choices,
        choices=choices,
        comparable=f"lm-eval 0.4.13, {task.format('*')}, 0-shot, acc",
        source_columns=() if split == "parallel" else None,
    )


def _varieties(codes: str) -> Mapping[str, str]:
    """Canonical code to the hub's config: 'fra_latn_fran' is French."""
    found = {}
    for config in codes.split():
        language, script, *_ = config.split("_")
        found[resolve_code(f"{language}_{script.title()}")] = config
    return MappingProxyType(found)


def _multiblimp() -> LmEvalSuite:
    upstream = map_languages(_MULTIBLIMP)
    return LmEvalSuite(
        name="multiblimp",
        languages=tuple(upstream),
        summary="which of two sentences agrees in number, person or gender",
        generates=False,
        licence="unknown",
        parallel=False,
        hub_dataset="jumelet/multiblimp",
        upstream=upstream,
        lm_eval_task="multiblimp_{}",
        chance=0.5,
        choices=2,
        comparable="lm-eval 0.4.13, multiblimp_*, 0-shot, acc",
    )


def _prox() -> LmEvalSuite:
    upstream = map_languages(_PROX)
    task = "mmlu_prox_lite_{}"
    return LmEvalSuite(
        name="mmlu-prox-lite",
        languages=tuple(upstream),
        summary="MMLU-Pro translated, ten choices, the answer after reasoning",
        generates=True,
        licence="unknown",
        parallel=True,
        hub_dataset="li-lab/MMLU-ProX-Lite",
        upstream=upstream,
        lm_eval_task=task,
        parts=tuple(f"{task}_{subject}" for subject in _PROX_SUBJECTS),
        shots=5,
        metric="exact match",
        comparable=f"lm-eval 0.4.13, {task.format('*')}, --num_fewshot 5, exact_match",
        source_columns=(),
    )


SUITES = (
    _include(),
    _piqa(
        "global-piqa",
        "which of two ways does it, written by native speakers",
        _PIQA,
        split="nonparallel",
        choices=2,
    ),
    _piqa(
        "global-piqa-parallel",
        "which of four ways does it, the same questions in every language",
        _PIQA_PARALLEL,
        split="parallel",
        choices=4,
    ),
    _multiblimp(),
    _prox(),
)

FAMILY = LmEvalSuites(suites=SUITES)
