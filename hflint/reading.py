"""What the commands that explain do: `hflint rule` and `hflint explain`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import click

from hflint.command import CheckOptions, look_of, projects_of
from hflint.exits import OK, complain
from hflint.files import FileError, read_source
from hflint.pages import Page, PageError, all_pages, read_page
from hflint.settings import SettingsError

_PLACE = re.compile(r"(.+?):(\d+)(?::\d+)?")


def run_rule(name: str | None, *, every: bool, output_format: str) -> int:
    """Print a rule's page, all pages, or the list of rules."""
    try:
        pages = [read_page(name)] if name and not every else all_pages()
    except PageError as error:
        return complain(str(error))
    if output_format == "json":
        data = [_page_json(page) for page in pages]
        click.echo(json.dumps(data[0] if name and not every else data, indent=2))
    elif name or every:
        _show("\n\n".join(map(page_markdown, pages)))
    else:
        width = max((len(page.name) for page in pages), default=0)
        for page in pages:
            click.echo(f"{page.code}  {page.name:<{width}}  {page.severity:<7}  {page.summary}")
    return OK


def page_markdown(page: Page) -> str:
    """A page as Markdown, with its front matter as a list below its title."""
    fields = {
        "Severity": page.severity,
        "Versions": page.versions,
        "Fix": page.fix,
        "Probe": page.probe,
        "Page": page.url,
    }
    lines = [f"- {key}: {value}" for key, value in fields.items() if value]
    body = page.body.removeprefix(f"# {page.name}\n")
    return "\n".join([f"# {page.name} ({page.code})", "", page.summary, "", *lines, "", body.strip()])


def _page_json(page: Page) -> dict[str, object]:
    keys = ("code", "name", "summary", "severity", "versions", "fix", "probe", "sources", "url", "sections")
    return {key: getattr(page, key) for key in keys}


def _show(markdown: str) -> None:
    """Print Markdown: rendered on a terminal, as it is elsewhere."""
    look = look_of(sys.stdout)
    if not look.colour:
        click.echo(markdown)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console(width=look.width, force_terminal=True).print(Markdown(markdown, code_theme="ansi_dark"))


def run_explain(place: str, *, target: tuple[str, ...], config: tuple[str, ...], isolated: bool) -> int:
    """Print what is understood of a file, or of what stands on one line of it."""
    path, line = Path(place), None
    if not path.exists() and (match := _PLACE.fullmatch(place)):
        path, line = Path(match[1]), int(match[2])
    try:
        source = read_source(path)
        project = projects_of(CheckOptions(target=target, config=config, isolated=isolated)).of(path)
        from hflint.semantics.build import SyntaxProblem
        from hflint.semantics.explain import explain

        try:
            click.echo(explain(source, line, project).rstrip("\n"))
        except SyntaxProblem as problem:
            return complain(f"{source.name}:{problem.line}:{problem.column}: {problem.message}")
    except (FileError, SettingsError) as error:
        return complain(str(error))
    return OK
