"""The README's settings load and satisfy the schema, and its commands exist."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from hflint.cli import main
from hflint.settings import json_schema, load_settings

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_settings_satisfy_the_schema(block: str) -> None:
    table = tomllib.loads(block)
    jsonschema.validate(table.get("tool", {}).get("hflint", table), json_schema())


def test_settings_load(tmp_path: Path) -> None:
    (tmp_path / "hflint.toml").write_text("", encoding="utf-8")
    folder = tmp_path / "inner"
    folder.mkdir()
    for name, block in zip(("pyproject.toml", "hflint.toml"), BLOCKS, strict=True):
        (folder / name).write_text(block, encoding="utf-8")
        load_settings(folder)


def test_commands_exist() -> None:
    for command in set(re.findall(r"`hflint ([a-z]+)", README)):
        assert CliRunner().invoke(main, [command, "--help"]).exit_code == 0, command


def test_schema_command_prints_the_schema() -> None:
    assert json.loads(CliRunner().invoke(main, ["schema"]).stdout) == json_schema()
