"""How the tables are made: what a wheel says, read without importing, and when a thing came and went."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

SCRIPTS = Path(__file__).parents[2] / "scripts" / "facts"


@pytest.fixture(autouse=True)
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPTS))


@pytest.fixture
def read(tmp_path: Path):
    def read(files: dict[str, str]):
        """The facts of a library "made" of these files."""
        from extract import extract
        from release import Release

        path = tmp_path / "made-1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(f"made/{name}", text)
            archive.writestr("made-1.0.dist-info/METADATA", "Requires-Python: >=3.10\nRequires-Dist: torch>=2.4\n\n")
        return extract(Release(path, "made", {}))

    return read


LAZY = """
_import_structure = {"tools": ["Listed"]}
_import_structure["tools"].extend(["Extended"])
if TYPE_CHECKING:
    from .tools import Listed
"""
TOOLS = """
class Listed:
    def __init__(self, size=3, old=None, **kwargs):
        if old is not None:
            warnings.warn("`old` is deprecated, use `size` instead")
        if kwargs:
            raise TypeError
class Extended(Listed):
    def __init__(self, *args, **kwargs):
        warnings.warn("`Extended` is deprecated")
        super().__init__(*args, **kwargs)
CACHE = os.environ.get("MADE_CACHE")
"""


def test_a_lazy_package_offers_what_it_lists(read) -> None:
    facts = read({"__init__.py": LAZY, "tools.py": TOOLS})
    assert facts["names"] == {"Listed": "tools", "Extended": "tools"}
    assert facts["aliases"] == {"Extended": "Listed"}
    assert facts["modules"] == ["made", "made.tools"]


def test_a_class_says_what_it_takes_and_what_of_that_is_deprecated(read) -> None:
    made = read({"__init__.py": LAZY, "tools.py": TOOLS})["callables"]["Listed"]
    assert made["names"] == {"size": "3", "old": "None"}
    assert (made["rest"], made["declared"]) == ("raises", {"old": "size"})


NEW = """
class Sequence:
    def __new__(cls, feature=None, length=-1, **kwargs):
        return List(feature=feature, length=length, **kwargs)
class Single:
    def __new__(cls, name):
        return super().__new__(cls)
class Both(Single):
    def __init__(self, size):
        self.size = size
class Text(str):
    def __new__(cls, data):
        return str.__new__(cls, data)
"""


def test_a_class_without_an_init_takes_what_its_new_takes(read) -> None:
    made = read({"__init__.py": "from .tools import *", "tools.py": NEW})["callables"]
    assert {name: (list(one["names"]), one["rest"]) for name, one in made.items()} == {
        "Sequence": (["feature", "length"], "open"),
        "Single": (["name"], "raises"),
        "Both": (["size"], "raises"),
        "Text": ([], "open"),
    }


def test_a_subclass_that_hands_on_something_else_is_no_alias(read) -> None:
    facts = read({"__init__.py": LAZY, "tools.py": TOOLS.replace("(*args, **kwargs)\nC", "(size=1)\nC")})
    assert facts["aliases"] == {}


@pytest.mark.parametrize(
    ("source", "declared"),
    [
        ("@deprecate_kwarg('old', '2.0', 'new')\ndef made(new): pass", {"old": "new"}),
        ("def made(kind):\n  if kind == 'x': warnings.warn('`kind` x is deprecated')", {}),  # a value is
        ("def made(kind=None):\n  if kind is None: warnings.warn('no `kind` is deprecated')", {}),
        (
            "def made(**kw):\n  if 'old' in kw:\n    warnings.warn('`old` is deprecated', FutureWarning)\n    kw.pop('old')",
            {"old": ""},
        ),
        (
            "@dataclass\nclass made:\n  a: int = field(default=1, metadata={'help': 'Deprecated. Use `b_c` instead'})",
            {"a": "b_c"},
        ),
        ("@dataclass\nclass made:\n  a: int = field(default=1, metadata={'help': 'The value 2 is deprecated'})", {}),
    ],
)
def test_deprecations_that_source_declares(source: str, declared: dict[str, str], read) -> None:
    assert read({"__init__.py": source})["callables"]["made"]["declared"] == declared


def test_metadata_and_environment(read) -> None:
    facts = read({"__init__.py": LAZY, "tools.py": TOOLS})
    assert facts["requires"] == {"python": ">=3.10", "torch": ">=2.4"}
    assert facts["environment"] == ["MADE_CACHE"]


MODELING = """
from ...helpers import Helper, helper
__all__ = ["AModel", "AWithHead"]
class APreTrained(Helper):
    pass
class AModel(APreTrained):
    def __init__(self, config, pool=True):
        self.layer = ALayer(config)
class AWithHead(APreTrained):
    pass
class ALayer:
    def __init__(self, config):
        pass
"""


def test_the_classes_of_a_model_are_read_to_the_end_and_nothing_else_of_their_file_is_offered(read) -> None:
    facts = read(
        {
            "__init__.py": "from .models.a import *",
            "helpers.py": "class Helper:\n    def __init__(self, config, *inputs, **kwargs):\n        pass\ndef helper(): pass",
            "models/__init__.py": "",
            "models/a/__init__.py": "from .modeling_a import *",
            "models/a/modeling_a.py": MODELING,
        }
    )
    assert facts["names"] == {"AModel": "models/a/modeling_a", "AWithHead": "models/a/modeling_a"}
    made = {name: (list(one["names"]), one["rest"]) for name, one in facts["callables"].items() if name[0] == "A"}
    assert made["AModel"] == (["config", "pool"], "raises")
    assert made["AWithHead"] == (["config"], "drops")


RENAMING = """
def init_args_decorator(func):
    @functools.wraps(func)
    def wrapper(self, *args, **kwargs):
        for old, new in {"old_size": "size"}.items():
            if old in kwargs:
                kwargs[new] = kwargs.pop(old)
        return func(self, *args, **kwargs)
    return wrapper
class Renamed:
    @init_args_decorator
    def __init__(self, size=3):
        pass
"""


def test_a_decorator_that_takes_old_names(read) -> None:
    made = read({"__init__.py": "from .tools import Renamed", "tools.py": RENAMING})["callables"]["Renamed"]
    assert (set(made["names"]), made["rest"]) == ({"size", "old_size"}, "raises")


def entry(module: str, *bases: str, **more: str) -> dict[str, object]:
    return {
        "takes": "",
        "some": {},
        "rest": "raises",
        "in": "",
        "from": [module],
        "parents": [],
        "bases": [*bases],
        **more,
    }


def test_a_table_says_once_what_several_entries_say() -> None:
    from make_signatures import compact, shorten

    merged = {
        "Top": entry("made.tools"),
        "Middle": entry("made.tools", "Top"),
        "Low": entry("made.tools", "Middle", "Top", "Beside"),
        "Early": entry("made.tools", "Middle"),  # was there while Middle was no Top
        "Low.call": entry("made.tools", takes="size"),
        "Low.moved": entry("made.others"),
        "AConfig": entry("made.models.a.configuration_a", "PretrainedConfig", rest="keeps"),
        "AModel": entry("made.models.a.modeling_a", "Top", takes="config"),
    }
    kept = {name: compact(one, "made") for name, one in merged.items()}
    shorten(kept)
    assert kept == {
        "Top": {"from": "tools"},
        "Middle": {"from": "tools", "bases": "Top"},
        "Low": {"from": "tools", "bases": "Middle Beside"},
        "Early": {"from": "tools", "line": "Middle"},
        "Low.call": {"takes": "size"},
        "Low.moved": {"from": "others"},
        "AConfig": {"from": "a/configuration", "rest": "keeps", "bases": "PreTrainedConfig"},
        "AModel": {"from": "a/modeling", "bases": "Top", "takes": "config"},
    }


READ = ["1.0.0", "1.0.2", "1.1.0", "2.0.1"]


@pytest.mark.parametrize(
    ("held", "among", "change"),
    [
        ([0, 1, 2, 3], None, {}),
        ([2, 3], None, {"since": "1.1"}),
        ([1, 2, 3], None, {"since": "1.0.2"}),
        ([0, 1], None, {"removed": "1.1"}),
        ([0, 3], None, {"removed": "1.0.2", "restored": "2.0"}),  # 2.0.0 was withdrawn
        ([0, 2], None, {"removed": "2.0", "gaps": [">=1.0.2,<1.1"]}),
        ([1], [1, 2], {"removed": "1.1"}),
        ([1, 2], [1, 2], {}),  # its class came and went with it
    ],
)
def test_when_a_thing_came_and_went(held: list[int], among: list[int] | None, change: dict[str, object]) -> None:
    from changes import Releases

    listed = [Version(one) for one in (*READ, "1.0.1")]
    known = Releases([Version(one) for one in READ], sorted(listed))
    assert known.change(held, among) == change


@pytest.mark.parametrize(
    ("line", "bad"),
    [
        ({"source": "tools.py @ 1.0", "replacement": "Listed"}, []),
        ({"source": "tools.py @ 1.0"}, ["made.argument.f.gone: tools.py @ 1.0 does not speak of it"]),
        ({"source": "nowhere.py @ 1.0"}, ["made.argument.f.gone: no nowhere.py in made 1.0"]),
        ({"note": "from memory"}, ["made.argument.f.gone: no source"]),
    ],
)
def test_a_correction_is_looked_up(line: dict[str, str], bad: list[str], tmp_path: Path) -> None:
    from sources import unfounded

    with zipfile.ZipFile(tmp_path / "made-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("made/tools.py", TOOLS)
    found = list(unfounded({"made": {"argument": {"f": {"gone": line}}}}, tmp_path))
    assert found[: len(bad)] == bad
    assert bool(found) == bool(bad)
