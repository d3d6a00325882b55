"""`Study` to `Plan`: what there is to make and to run, what it is, and what it costs."""
