"""Which benchmark and language a task's name stands for: a table, no code.

Names are those of lm-eval and lighteval. Two columns say how to read a name: a pattern that must
match all of it, with the groups `lang` (a code), `name` (a language's English name), `source` and
`target` (of a translation) and `part` (a subject or another share of one benchmark), and the
benchmark it belongs to, where `{group}` stands for what a group matched. The third column names
the columns of a document that are the same in all languages; () is the row's number in the data;
None says that the languages have questions of their own. The first row that fits counts.
"""

CODE = r"(?P<lang>[a-z]{2,3}(?:[_-][A-Z][a-z]{3})?)"
_FORM = r"(?P<form>_(?:mcf|cf|hybrid))?"
"""How lighteval asks a multiple-choice question; another form is another benchmark."""
_BENCH = r"(?:_(?:spanish|catalan|galician|basque|portuguese)_bench)?"
_PAIR = r"(?P<source>[a-z]{2,3}(?:_[A-Z][a-z]{3})?)[-_](?P<target>[a-z]{2,3}(?:_[A-Z][a-z]{3})?)"

Row = tuple[str, str, tuple[str, ...] | None]

FAMILIES: tuple[Row, ...] = (
    (rf"belebele_{CODE}{_FORM}", "belebele{form}", ("link", "question_number")),
    (rf"mgsm_direct_{CODE}{_BENCH}", "mgsm", ()),
    (rf"mgsm_native_cot_{CODE}{_BENCH}", "mgsm-native-cot", ()),
    (rf"mgsm_en_cot_{CODE}", "mgsm-en-cot", ()),
    (rf"mgsm_cot_native_{CODE}", "mgsm-native-cot", ()),
    (rf"mgsm_{CODE}", "mgsm", ()),
    (rf"xcopa_{CODE}{_FORM}", "xcopa{form}", ("idx",)),
    (rf"xwinograd_{CODE}{_FORM}", "xwinograd{form}", None),
    (rf"xstory_?cloze_{CODE}{_FORM}", "xstorycloze{form}", ("story_id",)),
    (
        rf"global_mmlu_(?P<set>all|cs|ca|unk)_{CODE}{_FORM}(?::(?P<part>\w+))?",
        "global_mmlu_{set}{form}",
        ("sample_id",),
    ),
    (rf"global_mmlu_full_{CODE}(?:_(?P<part>\w+))?", "global-mmlu", ("sample_id",)),
    (rf"global_mmlu_{CODE}(?:_(?P<part>\w+))?", "global-mmlu-lite", ("sample_id",)),
    (rf"m_?mmlu_{CODE}", "m_mmlu", ("id",)),
    (rf"sib200_{CODE}", "sib200", ("index_id",)),
    (r"mmmlu_(?P<lang>[A-Z]{2})_[A-Z]{2}", "mmmlu", None),
    (
        r"openai_mmmlu(?:_default)?_(?P<lang>[a-z]{2})_[a-z]{2}(?:_(?P<part>\w+))?",
        "openai_mmmlu",
        None,
    ),
    (rf"(?P<okapi>mmlu|arc|hellaswag)_{CODE}", "okapi_{okapi}", ("id",)),
    (rf"truthfulqa_{CODE}_(?P<kind>mc1|mc2)", "okapi_truthfulqa_{kind}", ()),
    (rf"okapi_(?P<okapi>\w+?)_{CODE}", "okapi_{okapi}", ("id",)),
    (
        rf"mlmm_(?P<okapi>mmlu|arc|hellaswag|truthfulqa)_{CODE}{_FORM}(?::(?P<part>[\w-]+))?",
        "mlmm_{okapi}{form}",
        ("id",),
    ),
    (
        rf"(?P<whose>meta|openai)_mmlu_{CODE}{_FORM}(?::(?P<part>\w+))?",
        "{whose}_mmlu{form}",
        ("id",),
    ),
    (rf"mmlu_prox(?P<size>_lite)?_{CODE}(?:_(?P<part>\w+))?", "mmlu_prox{size}", ("question_id",)),
    (rf"xnli(?P<edition>_2\.0)?_{CODE}{_BENCH}{_FORM}", "xnli{edition}{form}", ()),
    (r"xnli_(?P<lang>eu)_(?P<kind>mt|native)", "xnli_{kind}", ()),
    (rf"(?:paws|pawsx|paws_x)_{CODE}{_BENCH}{_FORM}", "paws{form}", ("id",)),
    (rf"xquad_{CODE}{_BENCH}", "xquad", ("id",)),
    (rf"tydiqa_(?:goldp_)?{CODE}", "tydiqa", None),
    (r"mlqa_(?P<lang>[a-z]{2})_(?P<question>[a-z]{2})", "mlqa (asked in {question})", ("id",)),
    (rf"mlqa_{CODE}", "mlqa", ("id",)),
    (rf"lambada_openai_mt_(?P<edition>stablelm_)?{CODE}", "lambada_{edition}mt", ()),
    (rf"arc_challenge_mt_{CODE}", "arc_challenge_mt", ("id",)),
    (rf"truthfulqa-multi_(?P<kind>gen|mc1|mc2)_{CODE}", "truthfulqa-multi_{kind}", ()),
    (
        (
            r"afri(?P<kind>mgsm|mmlu|xnli)(?P<how>(?:_[a-z]{4,}|_cot|_en|_tt)*)_(?P<lang>[a-z]{3})"
            r"(?P<prompt>_prompt_\d+)?"
        ),
        "afri{kind}{how}{prompt}",
        (),
    ),
    (rf"afri(?P<kind>mgsm|mmlu|xnli)_{CODE}{_FORM}(?::(?P<part>\w+))?", "afri{kind}{form}", ()),
    (
        (
            r"(?P<corpus>flores|mafand|ntrex|salt)_(?P<source>[a-z]{2,3}(?:_[A-Za-z]{4})?)-"
            r"(?P<target>[a-z]{2,3}(?:_[A-Za-z]{4})?)(?P<prompt>_prompt_\d+)?"
        ),
        "{corpus}{prompt}",
        (),
    ),
    (rf"(?:\w+_bench_)?(?P<corpus>flores)(?:200)?[_:]{_PAIR}", "{corpus}", ()),
    (rf"multiblimp_{CODE}", "multiblimp", None),
    (rf"mela_{CODE}", "mela", None),
    (
        (
            r"global_piqa_(?P<set>(?:non)?parallel)_(?P<how>[a-z]+)"
            r"_(?P<lang>[a-z]{3}_[a-z]{4})(?:_(?P<part>\w+))?"
        ),
        "global_piqa_{set}_{how}",
        None,
    ),
    (
        (
            r"include_base_44_(?P<name>north_macedonian|dutch[-_]flemish|[a-z]+)"
            r"(?P<shots>_few_shot_(?:en|og))?_(?P<part>[a-z_()]+)"
        ),
        "include{shots}",
        None,
    ),
    (r"(?P<which>indicparam)_(?P<name>[a-z]+)", "{which}", None),
    (r"(?P<which>xlsum)_(?P<name>[a-z]+)(?P<prompt>_prompt_\d+)", "{which}{prompt}", None),
    (rf"(?P<corpus>tatoeba)_{_PAIR}(?P<prompt>_p\d+)", "{corpus}{prompt}", ()),
    (rf"(?P<which>[\w-]+?)_{CODE}(?P<prompt>_prompt_\d+)", "{which}{prompt}", None),
    (r"(?P<which>\w+?)_(?P<lang>nob|nno)(?P<prompt>_p\d+)?", "{which}{prompt}", None),
    (
        (
            r"(?P<which>ifeval|copa|piqa|siqa|wnli|xlsum|openbookqa|veritasqa|cocoteros|parafrases|"
            rf"summarization|bertaqa|phrases|coqcat|teca)_{CODE}"
        ),
        "{which}",
        None,
    ),
    (rf"arc_{CODE}_(?P<which>easy|challenge)", "arc_{which}_native", None),
    (rf"truthfulqa_{CODE}_gen", "okapi_truthfulqa_gen", ()),
    (rf"(?P<corpus>wmt\d+|iwslt2017)-{_PAIR}", "{corpus}", ()),
    (rf"babelmini_(?P<which>\w+?)_{CODE}", "babelmini_{which}", ("source_id",)),
)

ONE_LANGUAGE: tuple[tuple[str, str], ...] = (
    (r"kobest_\w+|k_?mmlu\w*|haerae_\w+|click_\w+|kormedmcqa_\w+|kbl_\w+", "ko"),
    (r"ceval(?:-valid)?\w*|cmmlu\w*|zhoblimp_\w+", "zh"),
    (r"tmmluplus\w*", "zh-Hant"),
    (r"arabic(?:_?mmlu|_leaderboard)\w*", "ar"),
    (r"turkishmmlu\w*|turblimp_\w+", "tr"),
    (r"greekmmlu\w*", "el"),
    (r"ja_leaderboard_\w+|jfinqa\w*", "ja"),
    (r"french_bench_\w+", "fr"),
    (r"eus_\w+", "eu"),
    (r"blimp_nl_\w+", "nl"),
    (r"polemo2_\w+", "pl"),
    (r"icelandic_winogrande", "is"),
    (r"nor[a-z]\w*|ask_gec_p\d|ncb", "nb"),
    (r"darija\w+", "ary"),
    (r"egyhellaswag|egymmlu\w*", "arz"),
)
"""Benchmarks in one language: pattern of the name, code."""

ENGLISH = (
    r"mmlu|mmlu_(?!prox)\w+|leaderboard_\w+|bbh\w*|bigbench_\w+|agieval_\w+|arc_(?:easy|challenge)|"
    r"arc:(?:easy|challenge)|hellaswag|winogrande|piqa|boolq|openbookqa|commonsense_qa|social_iqa|"
    r"siqa|sciq|copa|cb|rte|wic|wsc|race|swag|logiqa2?|gsm8k\w*|gsm_plus\w*|minerva_math\w*|"
    r"hendrycks_math\w*|aime\d*|math_500|asdiv\w*|ifeval|drop|triviaqa|nq_open|webqs|squadv2|coqa|"
    r"truthfulqa_(?:gen|mc1|mc2)|truthfulqa:mc|lambada_(?:openai|standard)|wikitext|humaneval\w*|"
    r"mbpp\w*|gpqa\w*|anli_r\d|mathqa|pubmedqa|medmcqa|medqa\w*|blimp_(?!nl)\w+|storycloze_\d+|"
    r"toxigen|crows_pairs_english\w*|glue\w*|cola|mnli\w*|mrpc|qnli|qqp|sst2|wnli|wsc273|"
    r"babilong_\w+|musr\w*|simpleqa"
)
"""Benchmarks in English that have no translation of the same name."""

SUBJECTS = (
    r"(?P<which>mmlu(?:_flan_cot_fewshot|_flan_cot_zeroshot|_flan_n_shot_\w+?likelihood|"
    r"_flan_n_shot_generative|_generative|_continuation|_pro_plus|_pro|_redux|_llama|_cot_llama)?|"
    r"bbh(?:_cot_fewshot|_cot_zeroshot|_fewshot|_zeroshot)?|"
    r"kmmlu(?:_cot_hard|_direct_hard|_direct|_hard)?|"
    r"cmmlu|ceval-valid|greekmmlu|turkishmmlu)[_:](?P<part>\w+)"
)
"""One-language benchmarks that are logged subject by subject and are one benchmark."""
