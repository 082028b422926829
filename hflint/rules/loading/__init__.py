"""How models are loaded: class, dtype, placement, revision."""
