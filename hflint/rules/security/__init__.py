"""Secrets, remote code and unsafe weights."""
