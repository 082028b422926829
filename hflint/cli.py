"""The commands, and nothing but their arguments: what they do is imported when it is called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import hflint
from hflint.pages import page_names
from hflint.report import formats

if TYPE_CHECKING:
    from collections.abc import Callable

PATH = click.Path(path_type=Path)


def complete_rule(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """The names and codes of rules that begin so; after a comma, those of the last part."""
    head, comma, last = incomplete.rpartition(",")
    known = [word for code, name in page_names().items() for word in (name, code)]
    return [f"{head}{comma}{word}" for word in known if word.startswith(last)]


def split_commas(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001 - click's
    """The parts of comma lists, in order."""
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def rules_option(name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option that takes comma lists of rules, and may be repeated."""
    return click.option(
        name, multiple=True, metavar="RULES", callback=split_commas, shell_complete=complete_rule, help=text
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(hflint.__version__, prog_name="hflint")
def main() -> None:
    """Find what is wrong in code that uses Hugging Face transformers, and mend it."""
    from hflint.memory import collect_seldom

    collect_seldom()
    try:
        Path.cwd()
    except OSError:
        from hflint.exits import complain

        sys.exit(complain("the current folder is not there any more"))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal's encoding, code is shown


@main.command()
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--fix", is_flag=True, help="Apply the safe fixes.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: apply the unsafe fixes, too.")
@click.option("--diff", is_flag=True, help="Print what --fix would change, and change nothing.")
@rules_option("--select", "Check these rules only: codes, names, groups, prefixes or ALL.")
@rules_option("--ignore", "Leave these rules out.")
@rules_option("--extend-select", "Check these rules as well.")
@click.option(
    "--target", multiple=True, metavar="LIB=VERSIONS", help="Versions to check for: transformers=5.23, 'peft>=0.17,<1'."
)
@click.option("--output-format", type=click.Choice(formats()), default="full", show_default=True)
@click.option("--output-file", type=PATH, help="Write the report there.")
@click.option("--statistics", is_flag=True, help="Print how often each rule was found, not each finding.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even if there are findings.")
@click.option("--pedantic", is_flag=True, help="Report what merely may be a defect, too.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="Processes to use at most.  [default: one a CPU]")
@click.option("--isolated", is_flag=True, help="Read no settings from files.")
@click.option(
    "--config",
    multiple=True,
    metavar="FILE|KEY=VALUE",
    help="A settings file, or one setting as TOML: 'pedantic=true'.",
)
@click.option("--show-settings", is_flag=True, help="Print the settings that hold, and stop.")
@click.option("--show-files", is_flag=True, help="Print the files that would be checked, and stop.")
@click.option("--no-cache", is_flag=True, help="Neither read nor write .hflint_cache.")
@click.option("--force-exclude", is_flag=True, help="Exclude files even if they are named here.")
@click.option("--stdin-filename", type=PATH, help="What the code of `-` is called.")
@click.option("--verbose", "-v", count=True, help="Say which settings and versions were taken, and from where.")
@click.option("--quiet", "-q", is_flag=True, help="Print findings only.")
def check(**options: Any) -> None:
    """Check files and folders (by default, this folder); `-` reads one file from stdin.

    Exits with 0 if nothing is wrong, 1 if something is, 2 if hflint could not do its job.
    """
    from hflint.command import CheckOptions, run_check

    sys.exit(run_check(CheckOptions(**options)))


@main.command()
@click.argument("name", required=False, metavar="[NAME|CODE]", shell_complete=complete_rule)
@click.option("--all", "every", is_flag=True, help="Print the pages of all rules.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def rule(name: str | None, every: bool, output_format: str) -> None:
    """Print the page of a rule; without a name, the list of rules."""
    from hflint.reading import run_rule

    sys.exit(run_rule(name, every=every, output_format=output_format))


@main.command()
@click.argument("place", metavar="FILE[:LINE]")
@click.option("--target", multiple=True, metavar="LIB=VERSIONS", help="Versions to assume.")
@click.option("--config", multiple=True, metavar="FILE|KEY=VALUE", help="A settings file, or one setting as TOML.")
@click.option("--isolated", is_flag=True, help="Read no settings from files.")
def explain(place: str, target: tuple[str, ...], config: tuple[str, ...], isolated: bool) -> None:
    """Print what hflint understands of a program, and why there is a finding, or none."""
    from hflint.reading import run_explain

    sys.exit(run_explain(place, target=target, config=config, isolated=isolated))


@main.command()
def schema() -> None:
    """Print the JSON schema of the settings."""
    import json

    from hflint.settings import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


@main.command()
@click.argument("paths", nargs=-1, type=PATH)
@click.option("--check", is_flag=True, help="Exit with 1 if the lock is stale; asks nobody.")
@click.option(
    "--upgrade",
    multiple=True,
    is_flag=False,
    flag_value="*",
    metavar="[ID]",
    help="Ask again: all, or this id. Paths go before it.",
)
@click.option("--offline", is_flag=True, help="Fill from the local cache only.")
@click.option("--quiet", "-q", is_flag=True, help="Print failures only.")
def lock(**options: Any) -> None:
    """Ask the hub what the used models and datasets are, and write hflint.lock."""
    from hflint.facts.commands import LockOptions, run_lock

    if options["check"] and (options["upgrade"] or options["offline"]):
        raise click.UsageError("--check asks nobody, and goes with neither --upgrade nor --offline")
    sys.exit(run_lock(LockOptions(**options)))


@main.command()
@click.argument("model_id", metavar="ID")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Sequences.")
@click.option("--length", type=click.IntRange(min=1), default=2048, show_default=True, help="Tokens of each.")
@click.option("--rank", type=click.IntRange(min=1), default=16, show_default=True, help="Rank of LoRA.")
@click.option("--output-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def model(**options: Any) -> None:
    """Print what is known of a model, from where, and the memory that it takes."""
    from hflint.facts.model_command import ModelOptions, run_model

    sys.exit(run_model(ModelOptions(**options)))


@main.command()
@click.argument("paths", nargs=-1, type=PATH)
@rules_option("--select", "Verify the findings of these rules only.")
@rules_option("--ignore", "Leave these rules out.")
@click.option("--target", multiple=True, metavar="LIB=VERSIONS", help="Versions to check for.")
@click.option("--device", type=click.Choice(["auto", "cuda", "cpu"]), default="auto", show_default=True)
@click.option(
    "--model",
    type=click.Choice(["auto", "real", "twin"]),
    default="auto",
    show_default=True,
    help="Run the real model, its tiny twin, or the real one if it is cached and fits.",
)
@click.option("--steps", type=click.IntRange(min=1), default=3, show_default=True, help="Training steps of a run.")
@click.option("--timeout", type=click.FloatRange(min=1), default=120, show_default=True, help="Seconds of a run.")
@click.option("--memory", type=click.FloatRange(min=0.1), default=8, show_default=True, help="GiB that a run may take.")
@click.option("--report", type=PATH, metavar="FILE", help="Write a report there: .html, .md or .json.")
@click.option("--spec", type=PATH, metavar="FILE", help="Run the setup in this JSON file, not the findings of files.")
@click.option("--jobs", "-j", type=click.IntRange(min=1), default=1, show_default=True, help="Runs at the same time.")
@click.option("--online/--offline", default=False, show_default=True, help="May the libraries ask the Hub?")
@click.option("--allow-remote-code", is_flag=True, help="Run the code that a model's repository brings.")
@click.option(
    "--python", metavar="PATH", help="The interpreter with the libraries.  [default: the active environment's]"
)
@click.option("--resume", type=PATH, metavar="FILE", help="Take over the verdicts of an earlier JSON report.")
@click.option("--record", is_flag=True, help="Run the rules' examples and keep the evidence for their pages.")
@click.option("--isolated", is_flag=True, help="Read no settings from files.")
@click.option("--config", multiple=True, metavar="FILE|KEY=VALUE", help="A settings file, or one setting as TOML.")
@click.option("--quiet", "-q", is_flag=True, help="Print the verdicts only.")
def verify(**options: Any) -> None:
    """Run what findings claim: load, train and generate as the code says, before and after the fix.

    No code of yours is run. Exits with 0 if every claim and fix holds, 1 if one does not, 2 if something could not be run.
    """
    from hflint.verifying import VerifyOptions, run_verify

    sys.exit(run_verify(VerifyOptions(**options)))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell: eval "$(hflint completion bash)"."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is not None:
        click.echo(found(main, {}, "hflint", "_HFLINT_COMPLETE").source())
