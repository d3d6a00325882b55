"""The parts of the transformers engine. Everything here imports torch: load it late."""
