"""Shares of languages in corpora, as their makers published them, or as the user gives them.

Only numbers that stand in the named source are here; a language that is not listed has none, which
is not 0. A share of pages is no share of text, and a corpus of now is not what a model of then was
trained on: whoever explains damage by a share says which corpus is meant.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from babelbits.errors import StudyError, UnknownNameError
from babelbits.languages.resolve import resolve
from babelbits.suggest import did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """A corpus and what its makers say of its languages."""

    title: str
    of: str
    """What a share is of: 'pages', 'words'."""
    source: str
    date: str
    percent: str
    """'code:percent' with blanks between, codes as `resolve` has them."""

    @property
    def shares(self) -> dict[str, float]:
        """Language to its share, a fraction above 0."""
        pairs = (word.split(":") for word in self.percent.split())
        return {code: float(percent) / 100 for code, percent in pairs}


CORPORA: Mapping[str, Corpus] = {
    "commoncrawl-2026-04": Corpus(
        title="Common Crawl CC-MAIN-2026-04",
        of="pages, by the main language that CLD2 found; 2.9 % are of unknown language",
        source="https://github.com/commoncrawl/cc-crawl-statistics, plots/languages.csv",
        date="2026-01",
        percent=(  # languages of 0.001 % or more: below it the source has one digit
            "af:0.0095 am:0.0044 ar:0.6630 as:0.0035 az:0.0582 ba:0.0020 be:0.0161 bn:0.1104 "
            "bo:0.0019 bs:0.0583 br:0.0026 bg:0.2568 ca:0.2039 ceb:0.0020 cs:1.1411 co:0.0033 "
            "cy:0.0107 da:0.5082 de:5.9575 dv:0.0026 el:0.5367 en:41.6958 eo:0.0081 et:0.1400 "
            "eu:0.0365 fo:0.0054 fa:0.1949 fi:0.3632 fr:4.6724 fy:0.0024 gd:0.0019 ga:0.0062 "
            "gl:0.0359 gu:0.0125 ht:0.0022 ha:0.0039 he:0.2544 hi:0.2238 hr:0.2164 hu:0.5139 "
            "hy:0.0320 ig:0.0019 id:1.1485 is:0.0354 it:2.4109 jv:0.0045 ja:5.7733 kl:0.0010 "
            "kn:0.0195 ka:0.0438 kk:0.0376 km:0.0112 rw:0.0026 ky:0.0106 ko:0.7923 ku:0.0065 "
            "lo:0.0053 la:0.1164 lv:0.0900 lt:0.1749 lb:0.0039 ml:0.0285 mr:0.0326 mk:0.0362 "
            "mg:0.0037 mt:0.0031 mn:0.0167 mi:0.0015 ms:0.0831 my:0.0185 ne:0.0574 nl:1.7923 "
            "nn:0.0143 nb:0.3194 oc:0.0036 or:0.0082 pa:0.0089 pl:2.0273 pt:2.4562 ps:0.0051 "
            "qu:0.0010 rm:0.0015 ro:0.5339 ru:6.2629 sg:0.0011 sa:0.0047 si:0.0103 sk:0.3947 "
            "sl:0.1318 sn:0.0012 sd:0.0022 so:0.0059 es:4.6206 sq:0.0502 sr:0.2505 su:0.0016 "
            "sw:0.0126 sv:0.6889 ta:0.0497 tt:0.0073 te:0.0220 tg:0.0069 fil:0.0098 th:0.3928 "
            "tk:0.0036 tr:1.1990 ug:0.0020 uk:0.6956 ur:0.0319 uz:0.0253 vi:1.0981 vo:0.0014 "
            "war:0.0017 xh:0.0010 yi:0.0024 yo:0.0016 zh:4.9284 zu:0.0019"
        ),
    ),
    "gpt3": Corpus(
        title="training mix of GPT-3",
        of="words, counted between blanks: too few where a script has none",
        source="https://github.com/openai/gpt-3, dataset_statistics/languages_by_word_count.csv",
        date="2020",
        percent=(  # languages of 0.0001 % or more
            "en:92.64708 fr:1.81853 de:1.46937 es:0.77289 it:0.60793 pt:0.52483 nl:0.34244 "
            "ru:0.18843 ro:0.15773 pl:0.15550 fi:0.11344 da:0.11339 sv:0.11307 ja:0.11109 "
            "nb:0.10860 zh:0.09905 cs:0.07161 hu:0.06512 id:0.05985 tr:0.05944 hr:0.05201 "
            "vi:0.04252 el:0.03153 ar:0.03114 sr:0.02706 zh-Hant:0.01975 ca:0.01798 "
            "ko:0.01697 sk:0.01431 th:0.01372 sl:0.01333 et:0.01060 fa:0.00856 he:0.00769 "
            "uk:0.00763 ms:0.00685 lv:0.00680 bs:0.00674 lt:0.00661 is:0.00655 hi:0.00483 "
            "sq:0.00474 fil:0.00443 gl:0.00356 jv:0.00338 bg:0.00303 af:0.00280 ta:0.00264 "
            "mr:0.00187 cy:0.00177 ml:0.00165 bn:0.00154 ga:0.00147 az:0.00128 kn:0.00098 "
            "my:0.00095 te:0.00084 uz:0.00075 rw:0.00073 ceb:0.00068 ne:0.00057 ku:0.00056 "
            "eu:0.00054 km:0.00053 ka:0.00047 gd:0.00043 hy:0.00043 mt:0.00038 si:0.00036 "
            "pa:0.00036 ur:0.00035 kk:0.00034 sw:0.00030 st:0.00028 be:0.00027 mk:0.00027 "
            "mg:0.00026 gu:0.00025 lo:0.00023 ht:0.00022 lg:0.00013 yi:0.00012 tg:0.00011 "
            "su:0.00011"
        ),
    ),
    "mc4": Corpus(
        title="mC4",
        of="tokens of mT5's tokenizer, in thousands of millions",
        source="table of Xue et al. 2021 (arXiv 2010.11934, appendix) as transcribed in "
        "https://github.com/mayhewsw/multilingual-data-stats, mc4/mc4.csv (36e6dc31)",
        date="2021",
        percent=(  # languages of 1 or more there, of 6,268.65 with the others and romanized ones
            "en:43.5979 ru:11.3741 es:6.9074 de:5.5355 fr:5.0729 ja:2.6162 it:2.5843 pt:2.3291 "
            "pl:2.0738 vi:1.8505 nl:1.1645 tr:1.1326 id:1.1007 cs:1.0050 ar:0.9093 fa:0.8295 "
            "ro:0.8295 sv:0.7179 el:0.6860 uk:0.6540 zh:0.6221 hu:0.6221 da:0.4626 nb:0.4307 "
            "ko:0.4148 fi:0.3988 hi:0.3829 bg:0.3510 sk:0.2871 he:0.2712 mr:0.2233 ca:0.2074 "
            "ms:0.2074 th:0.1755 lt:0.1755 sl:0.1404 bn:0.1165 lv:0.1117 et:0.1101 mt:0.0830 "
            "cy:0.0782 az:0.0702 sr:0.0686 sq:0.0638 ta:0.0542 ne:0.0510 kk:0.0495 ml:0.0431 "
            "is:0.0415 ka:0.0399 gl:0.0383 hy:0.0383 ur:0.0383 fil:0.0335 be:0.0319 mk:0.0287 "
            "mn:0.0287 af:0.0271 sd:0.0255 eu:0.0223 tg:0.0223 so:0.0223 la:0.0207 te:0.0207 "
            "kn:0.0175 lb:0.0160 ky:0.0160 sw:0.0160"
        ),
    ),
    "cc100": Corpus(
        title="CC-100",
        of="bytes (GiB), of which other scripts need more for one letter",
        source="table 6 of Conneau et al. 2020 (arXiv 1911.02116, appendix A) as transcribed in "
        "https://github.com/mayhewsw/multilingual-data-stats, cc-100/cc-100.csv (7397902d)",
        date="2020",
        percent=(  # languages of 1 GiB or more, of 2,467.2 with the others and romanized ones
            "en:12.1920 vi:5.5650 ru:11.2678 id:6.0109 fa:4.5233 sv:3.4452 ro:2.4887 de:2.6994 "
            "fr:2.3022 es:2.1603 nb:1.9861 pt:1.9901 da:1.8482 hu:2.3671 uk:3.4290 fi:2.2009 "
            "pl:1.8077 ko:2.1968 bg:2.3306 nl:1.1876 it:1.2241 el:1.9009 sk:0.9403 he:1.2808 "
            "hr:0.8309 ar:1.1349 tr:0.8471 cs:0.6607 lt:0.5553 th:2.9061 ca:0.4094 hi:0.8187 "
            "sl:0.4175 ms:0.3445 lv:0.3567 sq:0.2189 et:0.2472 sr:0.3688 az:0.2635 ur:0.2310 "
            "ta:0.4945 fil:0.1256 ja:2.8089 bn:0.3405 gl:0.1175 kk:0.2594 ka:0.3688 mk:0.1946 "
            "hy:0.2229 la:0.1013 be:0.1743 ml:0.3080 sw:0.0649 eu:0.0811 zh:1.9009 te:0.1905 "
            "mn:0.1216 si:0.1459 af:0.0527 ne:0.1540 mr:0.1135 kn:0.1338 gu:0.0770 ky:0.0486 "
            "my:0.0649 km:0.0608 is:0.1297 zh-Hant:0.6728"
        ),
    ),
}


DEFAULT_CORPUS = "commoncrawl-2026-04"
"""What a study's report takes where its file names none."""


def make_title(name: str) -> str:
    """What a picture calls a corpus: its title, or the file's name."""
    return CORPORA[name].title if name in CORPORA else Path(name).name


def read_shares(name: str) -> dict[str, float]:
    """The shares of a published corpus, or those of a CSV with columns `language` and `share`.

    Parameters
    ----------
    name : str
        A key of `CORPORA`, or a path. A file's shares are fractions in (0, 1]; empty means unknown.

    Raises
    ------
    UnknownNameError
        If it is neither, or a file names an unknown language.
    StudyError
        If a file has no such columns, or a share is no fraction.
    """
    if name in CORPORA:
        return CORPORA[name].shares
    path = Path(name)
    if not path.is_file():
        near = did_you_mean(name, CORPORA) or f"there are {', '.join(CORPORA)}"
        raise UnknownNameError(f"no corpus and no file '{name}'", hint=near)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if not {"language", "share"} <= set(reader.fieldnames or ()):
            raise StudyError(
                "the columns 'language' and 'share' are needed", where=f"{path}:1",
                hint="one row a language; share is a fraction of the corpus",
            )  # fmt: skip
        return dict(
            _share(row, f"{path}:{reader.line_num}")
            for row in reader
            if (row["share"] or "").strip()
        )


def _share(row: Mapping[str, str], where: str) -> tuple[str, float]:
    try:
        share = float(row["share"])
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise StudyError(
            f"the share of '{row['language']}' is '{row['share']}'", where=where,
            hint="a fraction above 0 and at most 1; leave it empty where it is not known",
        )  # fmt: skip
    return resolve(row["language"]).code, share
