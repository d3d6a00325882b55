"""Benchmarks and calibration texts in another language, by a chat model, with every row checked.

    job        what is translated, from what, into what; and what passes
    units      a row or a paragraph, taken apart into the pieces that are translated
    source     files to units
    prompts    pieces to a request; a reply to pieces
    checks     what of a translation can be checked without knowing the language. Pure
    language   whether it is the language that was asked for
    backward   the score of a back-translation
    run        translate, check, translate back, once more where needed
    output     what passed, what did not, and where each row comes from

A machine translation is not a benchmark that speakers made or saw. The checks find broken
structure, wrong languages and refusals; they do not find a question that became easier, or an
idiom that nobody says.
"""
