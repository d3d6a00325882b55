"""Benchmarks of few choices, scored by log-likelihood: XCOPA, XWinograd, XStoryCloze, Belebele."""

from babelbits.tasks.lm_eval.suite import LmEvalSuite
from babelbits.tasks.lm_eval.suites import LmEvalSuites
from babelbits.tasks.suites.info import map_languages

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


def _choice(
    name: str,
    summary: str,
    codes: str,
    *,
    hub: str,
    revision: str | None = None,
    licence: str,
    choices: int,
    source_columns: tuple[str, ...] | None,
    comparable: str,
    cluster_columns: tuple[str, ...] = (),
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
        lm_eval_task=name + "_{}",
        chance=1 / choices,
        choices=choices,
        metric="accuracy",
        comparable=comparable,
        source_columns=source_columns,
        cluster_columns=cluster_columns,
    )


SUITES = (
    _choice(
        "xcopa",
        "cause or effect of an event, two choices",
        _XCOPA,
        hub="cambridgeltl/xcopa",
        licence="CC-BY-4.0",
        choices=2,
        source_columns=("idx",),
        comparable="lm-eval 0.4.13, xcopa_*, 0-shot, acc; XGLM and Aya report the same",
    ),
    _choice(
        "xwinograd",
        "which noun a pronoun stands for, two choices",
        _XWINOGRAD,
        hub="Muennighoff/xwinograd",
        licence="Apache-2.0",
        choices=2,
        source_columns=None,
        comparable="lm-eval 0.4.13, xwinograd_*, 0-shot, acc (zh: the hub's 504 items)",
    ),
    _choice(
        "xstorycloze",
        "which of two endings a story has",
        _XSTORYCLOZE,
        hub="juletxara/xstory_cloze",
        # The hub's own copy in Parquet: the branch main is a script, which nothing runs any more.
        revision="refs/convert/parquet",
        licence="CC-BY-SA-4.0",
        choices=2,
        source_columns=("story_id",),
        comparable="lm-eval 0.4.13, xstorycloze_*, 0-shot, acc; XGLM and Aya report the same",
    ),
    _choice(
        "belebele",
        "reading comprehension, four choices",
        _BELEBELE,
        hub="facebook/belebele",
        revision="7899cdfa4e1e0d733fd77c848e2c273cb1d32be2",
        licence="CC-BY-SA-4.0",
        choices=4,
        source_columns=("link", "question_number"),
        cluster_columns=("link",),
        comparable="lm-eval 0.4.13, belebele_*, 0-shot, acc",
    ),
)

FAMILY = LmEvalSuites(suites=SUITES)
