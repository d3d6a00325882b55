"""Whether a written answer collapsed: degenerate text, told apart from an answer that is wrong.

signs         the fixed rules, a text at a time
human_text    how often they are wrong on text that people wrote, language by language
rule          which signs hold for a task, and what they say of an item's row
"""
