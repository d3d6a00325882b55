"""Translation of single sentences, from or into a language."""
