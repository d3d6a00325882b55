"""Instruction following in many languages: verifiable instructions of IFEval's and Multi-IF's kind.

verifiable          whether a text follows an instruction, and whether that can be checked
instructions_task   a user's own file of prompts with instructions
"""
