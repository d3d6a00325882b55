"""The Language Confusion Benchmark: is the answer in the language that it should be in.

After Marchisio et al. 2024 (arXiv 2406.20052); studies of what quantization does to languages use
its scores too (arXiv 2407.03211).

    rules         a response to its verdict: every line in the language? no English word?
    words         tokens of a line; the list of English words
    data          the benchmark's prompts, from its repository's zip or folder
    task          the suites `language-confusion` and `language-confusion-cross`
    completions   ready-made responses to pass rates with intervals
"""
