"""Tiny random checkpoints of the architectures that people bring, each as its hub shows it."""
