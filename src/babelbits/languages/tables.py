"""What CLDR does not say about languages: family, resource tier, a few synonyms, direction.

Data only. Keys are language subtags in their shortest form (`nb`, `zh`, `ckb`): script variants of
a language share its family and tier.

*Families* are the top level of Glottolog 5 (creoles under their lexifier, as there). A language
that is not listed has no family here rather than a guessed one.

*Tiers* follow the taxonomy of Joshi et al. 2020, "The State and Fate of Linguistic Diversity and
Inclusion in the NLP World" (https://aclanthology.org/2020.acl-main.560/), by its published list of
languages: classes 5 and 4 are 'high', 3 is 'mid', 0 to 2 are 'low'. The list is of 2020 and counts
labelled and unlabelled text of then: Norwegian and Telugu are in its class 1, hence 'low'. A
language that is in none of the classes 3 to 5 is 'low'.
"""

FAMILIES: dict[str, str] = {
    "Afro-Asiatic": (
        "aa acm acq aeb ajp am apc ar ars ary arz ha he kab mey mt om shi so syr taq ti tzm zgh"
    ),
    "Atlantic-Congo": (
        "ak bem cjk ee ff fon fuv ig kam kbp kg ki kmb lg ln lua mos nd nr nso ny rn rw sg sn"
        " ss st sw tn ts tum tw umb ve wo xh yo zu"
    ),
    "Austroasiatic": "kha km mnw sat vi",
    "Austronesian": (
        "ace ban bjn bug ceb ch fil fj gil haw hil id ilo jv mad mg mi min ms nia pag pam sm"
        " su tet to ty war"
    ),
    "Aymaran": "ay",
    "Constructed": "eo ia io vo",
    "Dravidian": "kn ml ta tcy te",
    "Eskimo-Aleut": "iu kl",
    "Hmong-Mien": "hmn",
    "Indo-European": (
        "af an as ast awa be bg bho bn br bs ca ckb cs cy da de dsb dv el en es fa fo fr fur"
        " fy ga gd gl gsw gu gv hi hne hr hsb ht hy is it kea kok ks ku kw la lb li lij lmo lt"
        " ltg lv mag mai mk mr nb nds ne nl nn oc or os pa pap pl prs ps pt rm ro ru sa sc scn"
        " sco sd si sk sl sq sr sv szl tg tpi uk ur vec wa yi"
    ),
    "Isolate": "eu",
    "Japonic": "ja",
    "Kartvelian": "ka xmf",
    "Koreanic": "ko",
    "Mande": "bm dyu nqo",
    "Mongolic-Khitan": "bua mn xal",
    "Nilotic": "din luo nus",
    "Quechuan": "qu quy",
    "Saharan": "kr",
    "Sino-Tibetan": "bo cdo dz gan hak hsn kac lus lzh mni my nan new wuu yue zh",
    "Tai-Kadai": "lo shn th za",
    "Tupian": "gn",
    "Turkic": "az azb ba crh cv gag kaa kk ky sah tk tr tt tyv ug uz",
    "Uralic": "chm et fi hu krl kv mdf myv se sma smj smn sms udm vep",
}

HIGH = "ar de en es fr ja zh ca cs eu fa fi hi hr hu it ko nl pl pt ru sr sv tr vi"
"""Joshi et al.'s classes 5 (first seven) and 4 (eighteen)."""

MID = "af arz be bg bn bs ceb da el et fil gl he id ka kk la lt lv ms ro sk sl ta th uk ur uz"
"""Joshi et al.'s class 3 (twenty-eight)."""

SYNONYMS: dict[str, str] = {
    "no": "nb",  # 'no' covers both written standards; unmarked text is Bokmål
    "nor": "nb",
    "jp": "ja",
    "cn": "zh",
    "ua": "uk",
    "gr": "el",
    "cz": "cs",
    "dk": "da",
    "pbt": "ps",  # Southern Pashto, FLORES' standard Pashto
    "gsw-zh": "gsw",  # NTREX-128 writes the canton of Zurich where a country stands
}
"""Usual forms that are no BCP-47 code, or mean less than people mean by them."""

KEPT_APART: dict[str, str] = {"prs": "prs", "tw": "tw", "twi": "tw"}
"""CLDR folds Dari into Persian and Twi into Akan; benchmarks have both, so they stay apart."""

SCRIPTS: dict[str, str] = dict.fromkeys(
    ("acm", "acq", "aeb", "ajp", "apc", "ars", "ary", "arz", "azb", "mey", "prs"), "Arab"
)
"""Usual scripts that CLDR's likely subtags lack or that follow from `KEPT_APART`."""

SCRIPT_ALIASES: dict[tuple[str, str], str] = {
    ("ko", "Hang"): "Kore",
    ("ja", "Hira"): "Jpan",
    ("ja", "Hrkt"): "Jpan",
    ("ja", "Kana"): "Jpan",
    ("ja", "Hani"): "Jpan",
    ("zh", "Hani"): "Hans",
    ("yue", "Hani"): "Hant",
}
"""A part of a language's mixed writing system stands for the whole."""

NAMES: dict[str, str] = {"prs": "Dari", "tw": "Twi", "fil": "Filipino (Tagalog)"}
"""English names where CLDR's would mislead."""

NATIVE_NAMES: dict[str, str] = {"prs": "دری", "tw": "Twi"}

RIGHT_TO_LEFT = frozenset(
    ("Adlm", "Arab", "Aran", "Hebr", "Mand", "Mend", "Nkoo", "Rohg", "Samr", "Syrc", "Thaa", "Yezi")
)
"""ISO 15924 codes of living scripts written from right to left (Unicode bidi class R or AL)."""
