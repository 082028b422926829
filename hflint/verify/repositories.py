"""What a twin's repository can hold beside a plain checkpoint: code of its own, pickles, weights that are stored quantized.

Everything in it is made here and now, for the run that loads it. Nothing of it comes from a hub, so what runs when it is
loaded is the few lines below, whoever's repository it stands in for.
"""

from __future__ import annotations

import json
import pickle
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hflint.verify.libraries import library
from hflint.verify.twin import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hflint.verify.setup import Setup

# That transformers 5 asks for, by form of quantization.
LIBRARIES = {"gptq": ("optimum", "gptqmodel"), "awq": ("gptqmodel",)}
GROUP = 32  # weights that share a scale: a twin's rows are too short for the usual 128
MARK = "unpickled"  # the folder that code in a pickle makes where it runs: the run's own
_CLASSES = "transformers_modules"  # the package that transformers puts a repository's code into
_CONFIG, _MODEL, _TOKENIZER = "configuration_own", "modeling_own", "tokenization_own"
# As config.json describes a quantization; other methods have no more than their name.
_STORED: dict[str, dict[str, Any]] = {
    "gptq": {"bits": 4, "group_size": 32, "desc_act": False},
    "awq": {"bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"},
    "fp8": {"activation_scheme": "dynamic", "weight_block_size": [128, 128]},
}


# --- code -------------------------------------------------------------------------------------------------------------


def carries_code(setup: Setup) -> str:
    """The part of a setup that the finding is about, "tokenizer" or "model"."""
    targets = [binding.target for binding in setup.bindings]
    if targets:
        return "tokenizer" if any("Tokenizer" in target for target in targets) else "model"
    return "model" if setup.model else "tokenizer"


def add_model_code(folder: Path, loader: str, kind: str, config: Any, model: Any) -> None:
    """Let a saved model be of `kind`, and bring classes of its own that do what the library's do."""
    _write(
        folder / f"{_CONFIG}.py",
        f"from transformers import {type(config).__name__}\n\n\n"
        f"class OwnConfig({type(config).__name__}):\n    model_type = {kind!r}\n",
    )
    _write(
        folder / f"{_MODEL}.py",
        f"from transformers import {type(model).__name__}\n\nfrom .{_CONFIG} import OwnConfig\n\n\n"
        f"class OwnModel({type(model).__name__}):\n    config_class = OwnConfig\n",
    )
    auto_map = {"AutoConfig": f"{_CONFIG}.OwnConfig", "AutoModel": f"{_MODEL}.OwnModel", loader: f"{_MODEL}.OwnModel"}
    _change(folder / "config.json", model_type=kind, auto_map=auto_map)


def add_tokenizer_code(folder: Path, kind: str, *, native: bool) -> None:
    """Let a saved tokenizer bring a class of its own, without which it cannot be loaded unless it is `native`."""
    _write(
        folder / f"{_TOKENIZER}.py",
        "from transformers import PreTrainedTokenizerFast\n\n\nclass OwnTokenizer(PreTrainedTokenizerFast):\n    pass\n",
    )
    named: dict[str, Any] = {} if native else {"tokenizer_class": "OwnTokenizer"}
    _change(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, f"{_TOKENIZER}.OwnTokenizer"]}, **named)
    if not (folder / "config.json").exists():
        _write(folder / "config.json", json.dumps({"model_type": kind}))


def keep_code_in(folder: Path) -> None:
    """Let transformers copy a repository's code to `folder`, and not to the user's own."""
    library("transformers.dynamic_module_utils").HF_MODULES_CACHE = str(folder)


def own_class(thing: Any) -> str:
    """The class of a model or tokenizer that a repository's code defines; empty for one of the library's."""
    return type(thing).__name__ if type(thing).__module__.split(".")[0] == _CLASSES else ""


# --- pickles ----------------------------------------------------------------------------------------------------------


class _Mark:
    """Unpickled, it makes the folder `MARK` in the current one, and is a tensor then."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        code = f"__import__('os').makedirs({MARK!r}, exist_ok=True) or __import__('torch').zeros(1)"
        return eval, (code,)


def add_pickle(folder: Path, model: Any) -> None:
    """The same weights as a pickle beside the safetensors."""
    library("torch").save(model.state_dict(), folder / "pytorch_model.bin")


def add_marked(folder: Path, model: Any) -> None:
    """A second repository, `marked`, whose pickle holds code."""
    marked = folder / "marked"
    marked.mkdir()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in ("dtype", "torch_dtype"):
        config.pop(name, None)  # without one, transformers 5 looks into the file with `weights_only` as written
    _write(marked / "config.json", json.dumps(config))
    weights = {**model.state_dict(), "hflint_mark": _Mark()}
    library("torch").save(weights, marked / "pytorch_model.bin", pickle_module=pickle)


# --- quantized weights ------------------------------------------------------------------------------------------------


def is_made(method: str) -> bool:
    """Whether weights of this form are made here; of others there is no more than what config.json says."""
    return method == "bitsandbytes" or (method == "gptq" and all(map(find_spec, LIBRARIES["gptq"])))


def store_quantized(
    folder: Path, model_class: Any, method: str, described: Mapping[str, Any] | None, tokenizer: Any
) -> None:
    """Let a saved model be one that is stored quantized.

    bitsandbytes' and, where its libraries are, GPTQ's weights are made as they are by those who publish some.

    Raises:
        MissingError: bitsandbytes is not installed.
    """
    said = dict(described or {"quant_method": method, **_STORED.get(method, {})})
    if (said.get("group_size") or 0) > GROUP:
        said["group_size"] = GROUP
    if not is_made(method):
        _change(folder / "config.json", quantization_config={"quant_method": method, **said})
        return
    transformers = library("transformers")
    if method == "gptq":
        known = {name: said[name] for name in ("bits", "group_size", "desc_act", "sym") if name in said}
        config = transformers.GPTQConfig(**known, dataset=list(SENTENCES), tokenizer=tokenizer)
    else:
        library("bitsandbytes")
        config = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
    quantized = model_class.from_pretrained(str(folder), quantization_config=config)
    for file in folder.glob("model*.safetensors"):
        file.unlink()
    quantized.save_pretrained(folder)


def _change(path: Path, **fields: Any) -> None:
    data = json.loads(path.read_text(encoding="utf-8"))
    _write(path, json.dumps({**data, **fields}, indent=2))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
