"""Controlled training: models trained alike but for one thing, then quantized and compared.

    training     a causal language model by steps: the same seed gives the same weights
    optimizers   Muon and AdamW, and how the learning rate rises and falls
    held_out     bits per byte of lines that no training saw
    volume       models that differ in the amount of one language

The command is `babelbits lab`. Nothing here is a name of `babelbits`. Models trained here are
small, and what they show is said of them alone.
"""
