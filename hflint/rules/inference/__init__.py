"""Generation, forward passes and pipelines."""
