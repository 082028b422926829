"""Calls repeated without a keyword, and with other values of it: where nothing that comes of them differs, it does nothing.

A signature that takes any keyword cannot tell whether one means something. A run can, for what it makes itself: models and
tokenizers of a twin, configurations, saved files, rows of a data set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from hflint.verify import bind, load
from hflint.verify.libraries import MissingError, UnavailableError, is_absence, library, one_line
from hflint.verify.setup import DTYPES, Tokenizer, made_up
from hflint.verify.twin import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hflint.verify.run import Run
    from hflint.verify.setup import Binding

Make = Callable[["Mapping[str, Any]"], Any]  # what a call with these keywords makes, as something that can be compared
# About the Hub, what is downloaded from it, or code that is there: no difference shows where nothing is.
_OF_THE_HUB = load.WHENCE | {"use_auth_token", "resume_download", "mirror", "trust_remote_code", "code_revision"}
_OF_DATASETS = {"trust_remote_code", "use_auth_token", "task", "ignore_verifications"}
_BERTS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def settle(run: Run) -> None:
    """Add to the records of calls whose signatures take anything what repeating them tells of the keywords in question."""
    calls = {bind.name_of(binding): binding for binding in run.setup.bindings}
    run.outcome.bindings = tuple(_settled(run, record, calls.get(record["what"])) for record in run.outcome.bindings)


def is_open(record: Mapping[str, Any]) -> bool:
    """Whether the signature does not say if a keyword means something."""
    return record["ok"] is None


def _settled(run: Run, record: Mapping[str, Any], binding: Binding | None) -> Mapping[str, Any]:
    names = [name for name in binding.kwargs if name in str(record["text"])] if binding else []
    make = _maker(run, binding, names) if binding and is_open(record) else None
    if binding is None or make is None:
        return record
    hub = binding.method == "from_pretrained" and not _OF_THE_HUB.isdisjoint(names)
    written = {name: made_up(name) if binding.kwargs[name] is None else binding.kwargs[name] for name in names}
    if None in written.values():
        return record
    try:
        without = make({})
        given = make(load.resolve(written, {}))
    except (MissingError, UnavailableError):
        return record
    except Exception as error:  # noqa: BLE001 - what the call raises is the evidence, if it names the keyword
        if is_absence(error):
            raise MissingError(one_line(error)) from None
        named = any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in names)
        return {**record, "ok": False, "text": f"{type(error).__name__}: {one_line(error)}"} if named else record
    if made := _distinct(make, names, given, without):
        record = {**record, "made": made}
    if (
        record.get("unread")
        or hub
        or given != without
        or any(_differs(make, names, value, without) for value in (object(), False))
    ):
        return record
    said = " and ".join(f"`{name}={written[name]!r}`" for name in names)
    return {**record, "unread": f"with {said}, with other values and without, {record['what']} makes the same"}


def _differs(make: Make, names: list[str], value: Any, without: Any) -> bool:
    try:
        return bool(make(dict.fromkeys(names, value)) != without)
    except Exception:  # noqa: BLE001 - something makes use of it
        return True


def _distinct(make: Make, names: list[str], given: Any, without: Any) -> str:
    """A digest of what the call makes with the keyword, for it to be compared with what another makes; empty where it is as without.

    The type of the weights may be written as it is anyway: then others are tried.
    """
    tries = [given]
    if given == without and len(names) == 1 and names[0] in DTYPES:
        torch = library("torch")
        tries += [make({names[0]: dtype}) for dtype in (torch.float16, torch.bfloat16)]
    other = next((one for one in tries if one != without), None)
    return hashlib.sha256(repr(other).encode()).hexdigest()[:16] if other is not None else ""


def _maker(run: Run, binding: Binding, names: list[str]) -> Make | None:
    """How to make the call with what this run has; None for one that cannot be made here."""
    name = binding.target.rpartition(".")[2]
    if binding.target in bind.LOADED and binding.method == "save_pretrained":
        return _saving(run, run.tokenizer if binding.target == "tokenizer" else run.model)
    if binding.target == "datasets.load_dataset" and _OF_DATASETS.issuperset(names):
        return _rows(run)  # of others it takes what the builder has, and which one that is is not known
    if binding.method == "from_pretrained" and run.sources is not None:
        if "Tokenizer" in name and run.setup.tokenizer:
            return _tokenizer(run)
        if "Config" not in name and run.setup.model and run.model is not None:
            return _model(run)
    if binding.target == "transformers.AutoConfig" and _OF_THE_HUB.issuperset(names):
        return _config(run)  # of others it takes what an architecture has, and which one that is is not known
    if binding.made is not None:
        return lambda kwargs: _fields(bind.find(binding.target)(**{**_others(binding), **kwargs}))
    return None


# --- what can be made -------------------------------------------------------------------------------------------------


def _tokenizer(run: Run) -> Make:
    """A tokenizer that transformers 4 has two classes for, unless it is a real one or the program names the class."""
    assert run.sources is not None  # noqa: S101 - there is one where this was chosen
    wanted = run.setup.tokenizer or Tokenizer()
    sources = run.sources
    if not sources.real and wanted.loader == "AutoTokenizer":
        folder = run.folder / "words"
        folder.mkdir(exist_ok=True)
        words = sorted({word for text in SENTENCES for word in text.split()})
        (folder / "vocab.txt").write_text("\n".join([*_BERTS, *words]), encoding="utf-8")
        (folder / "config.json").write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
        sources = replace(sources, tokenizer=str(folder))

    def make(kwargs: Mapping[str, Any]) -> Any:
        made = load.load_tokenizer(_with(run, "tokenizer", kwargs), sources, [])
        settings = [made.padding_side, made.truncation_side, made.model_max_length, str(made.special_tokens_map)]
        return type(made).__name__, len(made), settings, [made(text)["input_ids"] for text in SENTENCES]

    return make


def _model(run: Run) -> Make:
    def make(kwargs: Mapping[str, Any]) -> Any:
        assert run.sources is not None  # noqa: S101 - there is one where this was chosen
        library("torch").manual_seed(0)
        made = load.load_model(_with(run, "model", kwargs), run.sources, run.tokenizer, run.device, [], calls=False)
        attention = getattr(made.config, "_attn_implementation", None)
        weights = [(name, str(p.dtype), str(p.device), _digest(p)) for name, p in made.state_dict().items()]
        return type(made).__name__, made.training, attention, _fields(made.config), weights

    return make


def _config(run: Run) -> Make:
    folder = run.folder / "config"
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}), encoding="utf-8")
    return lambda kwargs: _fields(library("transformers").AutoConfig.from_pretrained(str(folder), **kwargs))


def _rows(run: Run) -> Make:
    file = run.folder / "rows.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in SENTENCES), encoding="utf-8")
    numbers = count()

    def make(kwargs: Mapping[str, Any]) -> Any:
        cache = str(run.folder / f"rows-{next(numbers)}")
        found = library("datasets").load_dataset("json", data_files=str(file), cache_dir=cache, **kwargs)
        return {name: (part.column_names, list(part)) for name, part in found.items()}

    return make


def _saving(run: Run, thing: Any) -> Make:
    numbers = count()

    def make(kwargs: Mapping[str, Any]) -> Any:
        folder = run.folder / f"saved-{next(numbers)}"
        thing.save_pretrained(str(folder), **kwargs)
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}

    return make


# --- what is compared -------------------------------------------------------------------------------------------------


def _with(run: Run, part: str, kwargs: Mapping[str, Any]) -> Any:
    """The setup with these keywords in place of those in question."""
    asked = {name for binding in run.setup.bindings for name in binding.kwargs}
    loaded = getattr(run.setup, part)
    left = {name: value for name, value in loaded.kwargs.items() if name not in asked}
    return replace(run.setup, **{part: replace(loaded, kwargs={**left, **kwargs})})


def _others(binding: Binding) -> dict[str, Any]:
    made = load.resolve(dict(binding.made or {}), {})
    return {name: value for name, value in made.items() if name not in binding.kwargs}


def _fields(thing: Any) -> Any:
    """What an object holds, as text that is the same for the same."""
    held = thing.to_dict() if hasattr(thing, "to_dict") else vars(thing)
    return type(thing).__name__, _ADDRESS.sub("", repr(sorted(held.items(), key=str)))


def _digest(tensor: Any) -> str:
    held = tensor.detach().cpu().reshape(-1).view(library("torch").uint8)
    return hashlib.sha256(held.numpy().tobytes()).hexdigest()
