from pathlib import Path

import pytest

from hflint.files import Source
from hflint.semantics.build import build_program
from hflint.semantics.objects import ModelLoad
from hflint.semantics.project import Modules

CODE = """\
import yaml
from transformers import AutoModelForCausalLM

with open("settings.yaml") as file:
    settings = yaml.safe_load(file)
model = AutoModelForCausalLM.from_pretrained(settings["model"])
"""


def described(folder: Path, document: str | bytes, code: str = CODE) -> str:
    """What is known of the id of the model."""
    (folder / "settings.yaml").write_bytes(document if isinstance(document, bytes) else document.encode())
    program = build_program(Source(folder / "main.py", "main.py", code), Modules(folder))
    (load,) = (one for one in program.objects if isinstance(one, ModelLoad))
    return load.id.describe()


def test_a_document_says_what_it_is_by_default(tmp_path):
    assert described(tmp_path, "model: gpt2\n") == "one of 'gpt2' | unknown (settings.yaml may be changed)"


BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} {{{', '.join(f'k{number}: *{old}' for number in range(9))}}}\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "model\n",
        "- model: gpt2\n",
        "model: [gpt2",
        "model: !!python/object:os.system gpt2\n",
        "model: 2024-01-01\n",
        "model: ${oc.env:MODEL}\n",
        b"model: \xff\n",
        b"\x00model: gpt2\n",
        "[" * 5000,
        f"model: {'x' * 300_000}\n",
        f"model: gpt2\n{BOMB}",
        "model: gpt2\nrest:\n" + "  - x\n" * 5000,
    ],
)
def test_what_cannot_be_told_is_unknown(tmp_path, document):
    assert described(tmp_path, document).startswith("unknown")


@pytest.mark.parametrize(
    "code",
    [
        CODE.replace('"settings.yaml"', '"settings.yaml", "w"'),
        CODE.replace('"settings.yaml"', '"../settings.yaml"'),
        CODE.replace('"settings.yaml"', "name"),
        CODE.replace("safe_load(file)", "safe_load(file.readlines())"),
        CODE.replace("model = ", 'settings["model"] = input()\nmodel = '),
    ],
)
def test_a_program_that_does_something_else_says_nothing(tmp_path, code):
    assert described(tmp_path, "model: gpt2\n", code).startswith("unknown")
