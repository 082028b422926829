"""Quantization and adapters."""
