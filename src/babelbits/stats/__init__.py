"""Statistics of paired comparisons: arrays in, frozen dataclasses out.

Nothing in this room knows a file, a model or a terminal. Import from the modules:

    pairs          checked differences of two score vectors over the same items
    binary         right/wrong items: McNemar, Tango, Newcombe, Wilson
    bounded        other scores: sign-flip permutation, bootstrap-t, bound on the share that changed
    bca            bootstrap intervals of any statistic
    corpus         scores of whole corpora: approximate randomisation and bootstrap
    cluster        languages pooled: items that share a source count as one unit
    groups         permutation of group labels, intervals with the language as unit
    meta           random-effects models over languages: groups compared, estimates pooled partially
    double         is a language hit harder than a reference language
    student        Student's t with the degrees of freedom of what changed
    several        several variants at once: Cochran's Q
    equivalence    two one-sided tests: score tests and t tests
    claims         claims about several comparisons: in all of them, in at least one
    gains          how large a gain looks when nothing is better
    multiplicity   Holm, Benjamini-Hochberg
    power          the smallest effect a comparison could have seen, and the items it needs
    relative       relative change with an interval
    resampling     random signs and draws with replacement
    draws          calibration languages against the variation between draws of text
    scales         points, relative change, share of above-chance ability lost
    churn          how many items changed, beside the net difference
    resampling     bootstrap of whole units, percentile intervals
    preference     votes of people or judges: net preference, bounds for dropped pairs
    bradley_terry  strengths of more than two variants from votes between pairs
    length         do longer answers win, and the win rate at equal length
    raters         raters and prompts, both random
    ranks          rank intervals, never a bare rank
    monitoring     releases in a row: a cumulative sum with a stated run length
    agreement      Krippendorff's alpha, kappas, each rater against the others
    ppi            a mean from few human labels and many of a judge
    perplexity     the change of log-perplexity, with a paired error
    reported       tests as a published study reported them, for comparison only
    sequential     e-values and confidence sequences in closed form: looking early
    stopping       a confidence sequence of the net difference, and when a verdict is known

Sign: ``delta = variant - baseline`` of an oriented score, so harm is negative. Scores are fractions
unless a function says otherwise. p-values are two-sided unless a function says otherwise.
"""
