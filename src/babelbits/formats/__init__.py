"""What a checkpoint is: whether it holds a causal language model, and which parts are not text."""
