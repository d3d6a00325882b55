"""MixEval and MixEval-Hard (Ni et al. 2024, arXiv 2406.06565) in English and in translation."""
