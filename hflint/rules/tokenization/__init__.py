"""What goes into a model: tokenizers, padding, truncation, templates."""
