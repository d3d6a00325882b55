"""NTREX-128: professionally translated news in 128 languages (Federmann et al. 2022)."""

from babelbits.tasks.folder_suites import FolderSuites
from babelbits.tasks.suites.info import SuiteInfo, map_languages
from babelbits.tasks.text import TextTask

# The plain variant of a language comes before its regional ones: the first takes a shared code.
NTREX = """
    eng afr amh arb aze-Latn bak bel bem ben bod bos bul cat ces ckb-Arab cym dan deu div dzo ell
    est eus ewe fao fas fij fil fin fra fuc gle glg gsw-ZH guj hau heb hin hmn hrv hun hye ibo ind
    isl ita jpn kan kat kaz khm kin kir kmr kor lao lav lit ltz mal mar mey mkd mlg mlt mon mri msa
    mya nde nep nld nno nob nso nya orm pan pol por prs pus ron rus shi sin slk slv smo sna-Latn
    snd-Arab som spa sqi srp-Cyrl srp-Latn ssw swa swe tah tam tat tel tgk-Cyrl tha tir ton tsn tuk
    tur uig ukr urd uzb ven vie wol xho yor yue zho-CN zho-TW zul eng-GB eng-IN eng-US fra-CA gsw-BE
    por-BR spa-MX
"""


def _ntrex(name: str, unit: str) -> SuiteInfo:
    upstream = map_languages(NTREX)
    return SuiteInfo(
        name=name,
        languages=tuple(upstream),
        summary=f"bits per byte of NTREX-128, parallel news; the items are {unit}",
        generates=False,
        licence="CC-BY-SA-4.0",
        parallel=True,
        upstream=upstream,
        metric="bits per byte",
    )


SUITES = (_ntrex("ntrex", "documents"), _ntrex("ntrex-segments", "single segments"))

FAMILY = FolderSuites(suites=SUITES, tasks={"ntrex": TextTask, "ntrex-segments": TextTask})
