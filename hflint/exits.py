"""How a command ends: its exit codes, and the line that says why hflint could not do its job."""

from __future__ import annotations

import click

OK, FOUND, FAILED, INTERRUPTED = 0, 1, 2, 130


def complain(message: str) -> int:
    """Say in one line on stderr why hflint could not do its job."""
    click.echo(f"error: {message}", err=True)
    return FAILED
