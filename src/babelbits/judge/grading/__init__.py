"""A judge grades recorded answers against gold answers, where a rule parser reads too little.

    answers    answers of a run folder that have a gold answer
    grader     asks a chat model once for each distinct answer
    graded     cells whose score is the grade, for `compare`
    effects    paired effects, with the answers that have no grade taken either way
    accord     how far the rule parser and the judge say the same
    book       what is recorded, read again
    session    the way through all of these, and what is kept

After MixEval (Ni et al. 2024, arXiv 2406.06565), whose scores are a judge's reading of free-form
answers (0.0 to 1.0) and of written choices (a letter). Nothing here is a verdict on which of two
answers is better: see `judge.pairwise`.
"""
