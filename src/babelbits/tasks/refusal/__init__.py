"""Whether a model refuses: by the phrases that refusals begin with, language by language.

phrases        what refusals say, in the languages that have a list
detect         whether an answer says so
refusal_task   a user's own prompts, each answer refused, answered or degenerate
"""
