"""From a setup and where its parts come from to a tokenizer and a model, as the program loads and changes them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hflint.verify import locate, repositories
from hflint.verify.libraries import MissingError, UnavailableError, attribute, is_absence, library, one_line
from hflint.verify.setup import Model, Setup, Tokenizer
from hflint.verify.twin import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.verify.locate import Sources

# Arguments that say how a checkpoint is fetched, and which one it is: these mean nothing for a twin.
_FETCHING = {"token", "cache_dir", "force_download", "proxies"}
WHENCE = _FETCHING | {"revision", "local_files_only", "subfolder", "variant"}
_ACCELERATORS = ("cuda", "mps", "xpu", "npu", "hpu", "mlu")
DEVICES = {"cpu": "CPU", "cuda": "GPU"}
_FLASH = {"flash_attention_2", "flash_attention_3", "kernels-community/flash-attn2"}


def resolve(value: Any, objects: Mapping[str, Any]) -> Any:
    """A JSON value of a setup as the program means it: dtypes, and `$ref`s to attributes of loaded objects."""
    if isinstance(value, str) and value.startswith("torch."):
        found = getattr(library("torch"), value.removeprefix("torch."), None)
        return value if found is None else found
    if isinstance(value, Mapping):
        if set(value) == {"$ref"}:
            root, *path = value["$ref"].split(".")
            found = objects[root]
            for part in path:
                found = getattr(found, part)
            return found
        return {_key(key): resolve(item, objects) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(item, objects) for item in value]
    return value


def _key(key: str) -> Any:
    return int(key) if key.isdigit() else key  # `max_memory={0: "10GiB"}` went through JSON


def load_tokenizer(setup: Setup, sources: Sources, notes: list[str]) -> Any:
    """The tokenizer as the program loads and changes it."""
    wanted = setup.tokenizer or Tokenizer()
    kwargs = _where_it_is(resolve(wanted.kwargs, {}), sources)
    trust(kwargs, sources, "tokenizer")
    try:
        found = attribute("transformers", wanted.loader).from_pretrained(sources.tokenizer, **kwargs)
    except (TypeError, ValueError, OSError):  # a class that reads files of its own, which a tokenizer made here has not
        if sources.real or wanted.loader == "AutoTokenizer":
            raise
        found = attribute("transformers", "PreTrainedTokenizerFast").from_pretrained(sources.tokenizer, **kwargs)
        notes.append(f"{wanted.loader} was stood in for by PreTrainedTokenizerFast")
    objects = {"tokenizer": found}
    for name, value in wanted.attributes.items():
        setattr(found, name, resolve(value, objects))
    if wanted.added_special_tokens:
        found.add_special_tokens(resolve(wanted.added_special_tokens, objects))
    if wanted.added_tokens:
        found.add_tokens(list(wanted.added_tokens))
    return found


def load_model(
    setup: Setup, sources: Sources, tokenizer: Any, device: str, notes: list[str], *, calls: bool = True
) -> Any:
    """The model as the program loads it: arguments as written, quantized, resized, then its method calls."""
    model = setup.model or Model()
    kwargs = model_kwargs(setup, sources, device, notes) | _quantization(setup, sources, tokenizer, notes)
    name = model.loader or locate.pipeline_loader(setup)
    loader = attribute("peft" if name.startswith("AutoPeft") else "transformers", name)
    if model.constructor == "from_pretrained":
        with (
            _watched() as pickles,
            _in_that_form(setup.quantization.kind if setup.quantization else "", sources.stored),
        ):
            found = loader.from_pretrained(sources.model, **kwargs)
        found.hflint_pickles = tuple(pickles)  # for `measure`, which sees the model alone
        if sources.marked:
            with contextlib.suppress(Exception):  # a refusal is what it should meet
                loader.from_pretrained(sources.marked, **kwargs)
            found.hflint_ran_pickle = Path(repositories.MARK).exists()
    else:
        config = attribute("transformers", "AutoConfig").from_pretrained(sources.model)
        found = getattr(loader, model.constructor)(config, **kwargs) if model.constructor else loader(config, **kwargs)
    keep_gradients(found)
    if setup.tokenizer and setup.tokenizer.resize:
        found.resize_token_embeddings(len(tokenizer))
    objects = {"tokenizer": tokenizer, "model": found}
    for path, value in model.attributes.items() if calls else ():
        _set(found, path, resolve(value, objects))
    for call in model.calls if calls else ():
        arguments = [resolve(a, {"tokenizer": tokenizer, "model": found}) for a in call.args]
        if _moves_away(call.method, [*arguments, *call.kwargs.values()], device):
            notes.append(f"model.{call.method}(...) to an accelerator was left out: it is not there")
            continue
        result = getattr(found, call.method)(*arguments, **resolve(call.kwargs, {}))
        found = result if call.method in ("to", "half", "float", "bfloat16", "cuda", "cpu") else found
    return found


def _set(owner: Any, path: str, value: Any) -> None:
    """Set an attribute by its path; one of a part that this model has not is left out."""
    *parts, last = path.split(".")
    for part in parts:
        owner = getattr(owner, part, None)
    if owner is not None:
        setattr(owner, last, value)


def model_kwargs(setup: Setup, sources: Sources, device: str, notes: list[str]) -> dict[str, Any]:
    """The arguments of the load as written, but for what cannot be on this machine; each such change is noted."""
    kwargs = _where_it_is(resolve((setup.model or Model()).kwargs, {}), sources)
    trust(kwargs, sources, "model")
    if kwargs.get("attn_implementation") in _FLASH and device == "cpu":
        notes.append(f"attn_implementation={kwargs['attn_implementation']!r} needs a GPU: run with sdpa")
        kwargs["attn_implementation"] = "sdpa"
    placed = kwargs.get("device_map")
    if any(is_elsewhere(one, device) for one in (placed.values() if isinstance(placed, Mapping) else [placed])):
        notes.append(f"device_map={placed!r} is not there: run on the {DEVICES[device]}")
        kwargs["device_map"] = device
    if device == "cpu" and "max_memory" in kwargs:
        notes.append("max_memory was left out: there is no GPU")
        kwargs.pop("max_memory")
    return kwargs


def _where_it_is(written: Mapping[str, Any], sources: Sources) -> dict[str, Any]:
    """The arguments without those that say where a checkpoint comes from: it is in the local cache, or was made for the run."""
    return {k: v for k, v in written.items() if k not in (_FETCHING if sources.real else WHENCE)}


def trust(kwargs: dict[str, Any], sources: Sources, part: str) -> None:
    """Leave `trust_remote_code` as it is written where the repository has code, and drop it elsewhere."""
    written = kwargs.pop("trust_remote_code", None)
    if not sources.has_code or written is None or sources.coded not in ("", part):
        return
    repositories.keep_code_in(Path("modules").resolve())
    kwargs["trust_remote_code"] = written


def _quantization(setup: Setup, sources: Sources, tokenizer: Any, notes: list[str]) -> dict[str, Any]:
    """The `quantization_config` as written; a data set to calibrate with, which the hub has, is made up, and groups fit a twin."""
    if setup.quantization is None:
        return {}
    kwargs = dict(resolve(setup.quantization.kwargs, {}))
    if isinstance(kwargs.get("dataset"), str):
        notes.append(f"dataset={kwargs['dataset']!r} was stood in for by some sentences")
        kwargs |= {"dataset": list(SENTENCES), "tokenizer": tokenizer}
    group = repositories.GROUP
    if (
        setup.quantization.kind in ("GPTQConfig", "AwqConfig")
        and not sources.real
        and kwargs.get("group_size", 128) > group
    ):
        notes.append(f"group_size was cut to {group}: the rows of a twin are short")
        kwargs["group_size"] = group
    return {"quantization_config": attribute("transformers", setup.quantization.kind)(**kwargs)}


@contextlib.contextmanager
def _in_that_form(asked: str, stored: str) -> Iterator[None]:
    """What a form of quantization raises for want of a library, or of weights that really are in it, says nothing of the program.

    Args:
        asked: the configuration class that the program quantizes with.
        stored: how the twin's config.json says that it is quantized, though nothing quantized it.

    Raises:
        MissingError: a library is not installed.
        UnavailableError: the twin is not what its config.json says.
    """
    try:
        yield
    except Exception as error:
        if "but you are passing" in str(error):  # another form than the program's: that is the program's
            raise
        if is_absence(error):
            raise MissingError(one_line(error)) from None
        wanted = repositories.LIBRARIES.get(stored or asked.removesuffix("Config").lower(), ())
        if absent := [name for name in wanted if find_spec(name) is None]:
            raise MissingError(f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} not installed") from None
        if stored and isinstance(error, ImportError):
            raise MissingError(one_line(error)) from None
        if stored:
            raise UnavailableError(f"no checkpoint quantized by {stored} can be made here: {one_line(error)}") from None
        raise


@contextlib.contextmanager
def _watched() -> Iterator[list[str]]:
    """The names of the files that `torch.load` reads inside."""
    torch = library("torch")
    original, read = torch.load, list[str]()

    def load(file: Any, *args: Any, **kwargs: Any) -> Any:
        read.append(Path(str(file)).name)
        return original(file, *args, **kwargs)

    torch.load = load
    try:
        yield read
    finally:
        torch.load = original


def keep_gradients(model: Any) -> None:
    """Stop bitsandbytes from packing 4-bit weights at the first eval forward, after which no gradient flows (CPU only)."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def is_elsewhere(place: Any, device: str) -> bool:
    """Whether a device as a program names it is an accelerator that is not there: `device` is "cpu" or "cuda"."""
    if isinstance(place, int):
        return not isinstance(place, bool) and place >= 0 and device == "cpu"
    kind = str(place).partition(":")[0]
    return kind in _ACCELERATORS and kind != device


def _moves_away(method: str, values: list[Any], device: str) -> bool:
    return (method == "cuda" and device == "cpu") or (method == "to" and any(is_elsewhere(v, device) for v in values))
