"""Statistics of paired comparisons: arrays in, frozen dataclasses out.

Nothing in this room knows a file, a model or a terminal. Import from the modules:

    pairs          checked differences of two score vectors over the same items
    binary         right/wrong items: McNemar, Tango, Wilson; how many items changed
    bounded        other scores: sign-flip permutation, bootstrap-t, bound on the share that changed
    corpus         scores of whole corpora: approximate randomisation and BCa bootstrap
    cluster        languages pooled: items that share a source count as one unit
    meta           random-effects models over languages: groups compared, estimates pooled partially
    double         is a language harmed more than a reference language
    student        Student's t with the degrees of freedom of what changed
    equivalence    whether an interval lies inside the margin
    gains          how large a gain looks when nothing is better
    multiplicity   Holm, Benjamini-Hochberg
    detectable     the smallest loss a comparison would show, and the items it needs
    graph          many one-sided tests under one error rate
    relative       relative change with an interval
    draws          calibration languages against the variation between draws of text
    scales         points, relative change, share of above-chance ability lost
    resampling     random signs, bootstrap of whole units, percentile intervals
    preference     votes of people or judges: net preference with its interval
    bradley_terry  strengths of more than two variants from votes between pairs
    length         do longer answers win, and the win rate at equal length
    raters         raters and prompts, both random
    ranks          rank intervals, never a bare rank
    monitoring     releases in a row: a cumulative sum with a stated run length
    agreement      Krippendorff's alpha, kappas, each rater against the others
    tails          small p-values and bounds of means by saddlepoints
    ppi            a mean from few human labels and many of a judge
    stopping       a confidence sequence of the net difference, and when a verdict is known

Sign: ``delta = variant - baseline`` of an oriented score, so harm is negative. Scores are fractions
unless a function says otherwise. p-values are two-sided unless a function says otherwise.
"""
