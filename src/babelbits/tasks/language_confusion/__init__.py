"""Language confusion as in Marchisio et al. 2024 (arXiv 2406.20052), the benchmark of Paper A's
language-confusion scores: does the model answer in the language it should?

    rules         a response to its verdict: every line in the language? no English word?
    words         tokens of a line; the list of English words
    data          the benchmark's prompts, from its repository's zip or folder
    task          the suites `language-confusion` and `language-confusion-cross`
    completions   ready-made responses to pass rates with intervals
"""
