"""The blinded rating app: people compare two answers and never learn which is a variant's.

    models        tables; a vote is an event, and events are only ever added
    database      SQLite (WAL) or PostgreSQL by URL; transactions; migrations
    settings      what a campaign is, fixed when it is created
    secrets       HMAC, opaque ids, passwords at rest
    texts         what a rater may see of a text, and its direction
    gold          checks by rule: shuffled words, the wrong language
    create        pairs to units, with the key apart
    folder        a campaign's folder: opened, checked, frozen
    order         which answer comes first: exact, fixed, recorded
    assignment    who rates what next: least covered first, leases, screens, checks
    events        what raters do, idempotent; the answer is the last one
    auth          invitations, sessions, the owner; a rater's data, deleted
    judgments     events to one judgment a rater and unit, and how long it took
    progress      coverage, agreement, and what looks odd
    export        events, judgments, codebook; votes once unblinded
    unblinding    the logged act that freezes a campaign
    web           the pages

The database that the app reads holds no variant, no path and no hash of a model: blindness is
structural. What was what stands in the campaign's key file, which the app never opens.
"""
