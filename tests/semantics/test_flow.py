"""What hflint follows through programs, one idiom a case: `fixtures/flow/<theme>/<idiom>.py`, or a folder with a `main.py` for a project.

A program says at the end of a line what is true there by the rules of Python, whether hflint can see it or not. Claims are separated by `;`:

    model = AutoModelForCausalLM.from_pretrained(args.model)  # expect: ModelLoad.id = 'gpt2' | unknown
    trainer = Trainer(model=model, args=targs)  # expect: Trainer.model -> ModelLoad line 8; Trainer.args -> TrainingArguments

    Kind.name = VALUE | VALUE    an argument or property of the object of that kind on this line; `->` means the same and reads better for links
    Kind, no Kind                there is such an object on this line, or none
    sets REF.path = VALUE        this line sets an attribute of an object made elsewhere; `may set` where it may not get there
    calls REF.method             this line calls a method of it; `may call` likewise
    escapes REF, keeps REF       this line hands it to unknown code; nothing in the program does
    untouched REF.path           nothing sets or calls this
    Kind within NAME, Kind outside NAME       a context manager or decorator around it
    Kind guarded GUARD, Kind unguarded        `try`, `feature` or a version such as `transformers>=4.56`

VALUE is a Python literal, a dotted name (`torch.float16`), `function NAME`, `absent`, `nothing` (an empty list), `unknown` or a REF. REF is `Kind`
where the program has one of them, else `Kind line 8`, or `Kind models.py line 8` for another file; `REF.path` is a part of that object. `unknown`
among other values means: or anything else, such as what a user passes; alone: that hflint cannot know, and must not guess.

A claim is *resolved* where hflint says exactly this, *unresolved* where it says less, *wrong* where it says something false. Wrong answers fail.
Unresolved ones are listed in `fixtures/flow/unresolved.txt`: a new one fails, and so does one that is resolved and still listed. `python -m
tests.semantics.test_flow` prints what is wrong and the figures by theme; with `--update` it writes the list.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hflint.files import Source
from hflint.semantics.build import build_program

from .claims import RESOLVED, ROOT, UNRESOLVED, WRONG, Case, Claim, Seen, all_cases, judge, programs_of

if TYPE_CHECKING:
    from collections.abc import Iterable


LIST = ROOT / "unresolved.txt"

# The table


@cache
def verdicts(case: Case) -> dict[Claim, str]:
    """The verdict of each claim of a case. In files that are not followed yet nothing is seen."""
    seen = Seen(programs_of(case))
    return {claim: judge(claim, seen) for claim in case.claims}


def _entries(case: Case, verdict: str) -> list[str]:
    """The claims of a case with a verdict, as the list writes them."""
    where = {claim: f" ({claim.file})" if case.is_project and claim.file != case.main else "" for claim in case.claims}
    return [f"{case.name}{where[claim]}: {claim.text}" for claim, found in verdicts(case).items() if found == verdict]


def _listed() -> list[str]:
    lines = LIST.read_text().splitlines() if LIST.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def _figures(cases: Iterable[Case]) -> str:
    cases = list(cases)
    found = [set(verdicts(case).values()) for case in cases]
    claims = Counter(verdict for case in cases for verdict in verdicts(case).values())
    wrong = sum(WRONG in one for one in found)
    return (
        f"resolved {sum(one == {RESOLVED} for one in found)} of {len(found)} cases, {claims[RESOLVED]} of {claims.total()} claims"
        f"{f'; {wrong} cases wrong' if wrong else ''}"
    )


def summary() -> str:
    """Resolved x of y, by theme and in all."""
    themes = sorted({case.theme for case in all_cases()})
    lines = [f"{theme:<12} {_figures(case for case in all_cases() if case.theme == theme)}" for theme in themes]
    return "\n".join([*lines, f"{'all':<12} {_figures(all_cases())}"])


@pytest.mark.parametrize("case", all_cases(), ids=lambda case: case.name)
def test_case(case: Case) -> None:
    assert case.claims, f"{case.name} expects nothing"
    assert not _entries(case, WRONG), "hflint says something false"
    listed = Counter(line for line in _listed() if re.match(rf"{re.escape(case.name)}( \(.+\))?: ", line))
    assert Counter(_entries(case, UNRESOLVED)) == listed


def test_list_names_only_what_there_is() -> None:
    names = {case.name for case in all_cases()}
    assert [line for line in _listed() if re.split(r" \(|: ", line)[0] not in names] == []


def test_there_are_enough_cases() -> None:
    sys.stdout.write(f"\n{summary()}\n")
    assert len(all_cases()) >= 150


_PROGRAM = """
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained("gpt2", device_map=choose())
tokenizer = AutoTokenizer.from_pretrained("gpt2")
tokenizer.pad_token = "x"
"""


@pytest.mark.parametrize(
    ("line", "text", "verdict"),
    [
        (3, "ModelLoad.id = 'gpt2'", RESOLVED),
        (3, "ModelLoad.id = 'gpt2' | unknown", WRONG),
        (3, "ModelLoad.id = 'bert'", WRONG),
        (3, "ModelLoad.device_map = 'auto'", UNRESOLVED),
        (3, "ModelLoad.dtype = absent", RESOLVED),
        (3, "ModelLoad.dtype = unknown", WRONG),
        (3, "no ModelLoad", WRONG),
        (3, "ModelLoad within torch.no_grad", WRONG),
        (3, "ModelLoad guarded try", WRONG),
        (4, "ModelLoad", UNRESOLVED),
        (4, "Trainer.model = unknown", RESOLVED),
        (5, "sets TokenizerLoad.pad_token = 'x'", RESOLVED),
        (5, "sets TokenizerLoad.pad_token = 'y'", WRONG),
        (5, "may set TokenizerLoad.pad_token = 'x'", WRONG),
        (4, "sets TokenizerLoad.pad_token = 'x'", WRONG),
        (5, "untouched TokenizerLoad.pad_token", WRONG),
        (5, "escapes TokenizerLoad", WRONG),
    ],
)
def test_judge_tells_true_from_false(line: int, text: str, verdict: str) -> None:
    seen = Seen({"main.py": build_program(Source(Path("main.py"), "main.py", _PROGRAM))})
    assert judge(Claim("main.py", line, text), seen) == verdict


def main() -> None:
    """Print what is wrong and the figures; write the list if told so."""
    for case in all_cases():
        for text in _entries(case, WRONG):
            sys.stdout.write(f"wrong: {text}\n")
    if "--update" in sys.argv:
        head = "# What is true of the programs beside this file and hflint does not see yet. Written by tests/semantics/test_flow.py --update\n"
        entries = sorted(line for case in all_cases() for line in _entries(case, UNRESOLVED))
        LIST.write_text(head + "".join(f"{line}\n" for line in entries))
    sys.stdout.write(f"{summary()}\n")


if __name__ == "__main__":
    main()
