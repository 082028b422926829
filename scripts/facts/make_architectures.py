"""Write hflint/facts/tables/architectures.json: the modules of architectures, and how much of them bitsandbytes reaches.

    python scripts/facts/make_architectures.py build OUT.json            # with torch, transformers and each release to read
    python scripts/facts/make_architectures.py join WHEELS OUT.json ...  # WHEELS: a folder of transformers' wheels

Models are built from their default configuration on torch's meta device: no weights are loaded, and nothing is downloaded.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

from packaging.version import Version

TABLE = Path(__file__).parents[2] / "hflint" / "facts" / "tables" / "architectures.json"
# Architectures of the catalogue, of hflint.facts.shape and of peft's table of default targets.
NAMED = [
    "albert",
    "bart",
    "bert",
    "blip",
    "blip-2",
    "bloom",
    "clip",
    "codegen",
    "cohere",
    "cohere2",
    "deberta",
    "deberta-v2",
    "deepseek_v3",
    "dinov2",
    "distilbert",
    "electra",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gemma3_text",
    "glm",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "gpt_neox",
    "gpt_oss",
    "gptj",
    "granite",
    "layoutlm",
    "llama",
    "llava",
    "llava_next",
    "marian",
    "mbart",
    "mistral",
    "mixtral",
    "mllama",
    "modernbert",
    "mpnet",
    "mpt",
    "mt5",
    "olmo",
    "olmo2",
    "olmoe",
    "opt",
    "paligemma",
    "pegasus",
    "phi",
    "phi3",
    "qwen2",
    "qwen2_5_vl",
    "qwen2_moe",
    "qwen2_vl",
    "qwen3",
    "qwen3_moe",
    "roberta",
    "siglip",
    "smollm3",
    "stablelm",
    "starcoder2",
    "t5",
    "vit",
    "wav2vec2",
    "whisper",
    "xlm-roberta",
]
# Mixtures of experts beyond these: only what bitsandbytes reaches is recorded.
MIXTURES = [
    "deepseek_v2",
    "ernie4_5_moe",
    "flex_olmo",
    "glm4_moe",
    "granitemoe",
    "granitemoeshared",
    "jamba",
    "jetmoe",
    "llama4_text",
    "minimax",
    "minimax_m2",
    "phimoe",
    "qwen3_next",
]
COUNTED = {
    *MIXTURES,
    "deepseek_v3",
    "falcon",
    "mixtral",
    "olmoe",
    "qwen2_moe",
    "qwen3_moe",
}  # their default sizes are real ones, or near
VARIANTS: dict[str, dict[str, Any]] = {  # settings that bring modules of other names; added to those of the default
    "deepseek_v3": {"q_lora_rank": None},
    "dinov2": {"use_swiglu_ffn": True},
    "mt5": {"feed_forward_proj": "relu"},
    "opt": {"word_embed_proj_dim": 64},
    "t5": {"feed_forward_proj": "gated-gelu"},
}
HEADS = {  # tasks: the Auto classes for them
    "CAUSAL_LM": "AutoModelForCausalLM",
    "SEQ_TO_SEQ_CAUSAL_LM": "AutoModelForSeq2SeqLM",
    "MASKED_LM": "AutoModelForMaskedLM",
    "SEQUENCE_CLASSIFICATION": "AutoModelForSequenceClassification",
    "TOKEN_CLASSIFICATION": "AutoModelForTokenClassification",
    "QUESTION_ANSWERING": "AutoModelForQuestionAnswering",
    "IMAGE_TEXT_TO_TEXT": "AutoModelForImageTextToText",
    "VISION_2_SEQ": "AutoModelForVision2Seq",
    "SPEECH_SEQ_2_SEQ": "AutoModelForSpeechSeq2Seq",
    "CTC": "AutoModelForCTC",
    "IMAGE_CLASSIFICATION": "AutoModelForImageClassification",
}
OLDEST = "4.40"  # what the first release that was read has, all before it may have as well


def build(out: Path) -> None:
    """Build each architecture with every head that it has, and write what is in it."""
    import transformers

    found = {kind: _built(kind, kind in NAMED) for kind in (*NAMED, *MIXTURES)}
    out.write_text(json.dumps({"read": transformers.__version__, "types": found}), "utf-8")


def _built(kind: str, named: bool) -> dict[str, Any]:
    import torch
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    linear: set[str] = set()
    modules: set[str] = set()
    top: set[str] = set()
    shares: dict[str, Any] = {}
    forms = [{}, VARIANTS[kind]] if kind in VARIANTS else [{}]
    for made, form in product(_classes(kind)[: None if named else 1], forms):
        small = {"num_hidden_layers": 2} if shares and kind in COUNTED else {}  # the whole was built, and takes minutes
        try:
            with torch.device("meta"):
                model = made(CONFIG_MAPPING[kind](**form, **small))
        except (AttributeError, ImportError, KeyError, NotImplementedError, TypeError, ValueError) as error:
            print(f"{kind}: {made.__name__} is left out, {error}"[:150], file=sys.stderr)
            continue
        shares = shares or _shares(model)
        top |= {name for name, _ in model.named_children()}
        for name, module in model.named_modules():
            last = name.rpartition(".")[2]
            if last and not last.isdigit():
                (linear if _is_linear(module) and module is not model.get_output_embeddings() else modules).add(last)
    if not named or not modules:
        return shares
    return {**shares, "linear": sorted(linear), "modules": sorted(modules - linear), "top": sorted(top)}


def _classes(kind: str) -> list[Any]:
    """The classes of an architecture, the one it is mostly used by first."""
    import transformers
    from transformers.models.auto import modeling_auto

    names: list[str] = []
    for head in (*(f"FOR_{head}_" for head in HEADS), ""):
        name = getattr(modeling_auto, f"MODEL_{head}MAPPING_NAMES", {}).get(kind)
        names += [name] if isinstance(name, str) else name or []
    return [getattr(transformers, name) for name in dict.fromkeys(names) if hasattr(transformers, name)]


def _shares(model: Any) -> dict[str, Any]:
    """The share of the parameters in layers that bitsandbytes replaces: exactly linear ones since 5.5, their subclasses as well before."""
    from torch import nn

    every = sum(parameter.numel() for parameter in model.parameters())
    layers = [one for one in model.modules() if _is_linear(one) and one is not model.get_output_embeddings()]
    exact = [one for one in layers if type(one) is nn.Linear or type(one).__name__ == "Conv1D"]
    counts = [sum(one.weight.numel() for one in some) / every for some in (exact, layers)]
    return {"parameters": every, "exact": round(counts[0], 4), "derived": round(counts[1], 4)}


def _is_linear(module: Any) -> bool:
    from torch import nn

    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def join(wheels: Path, parts: list[Path]) -> None:
    """Join what several releases have, and add since when each architecture is in transformers."""
    opened = _wheels(wheels)
    since, heads = _since(opened), _heads(opened)
    read = [json.loads(part.read_text("utf-8")) for part in parts]
    types = {}
    for kind in sorted({*NAMED, *MIXTURES}):
        found = {part["read"]: part["types"][kind] for part in read if part["types"].get(kind)}
        lists = {
            name: sorted({one for part in found.values() for one in part.get(name, ())})
            for name in ("linear", "modules", "top")
        }
        shares = {
            release: {name: part[name] for name in ("parameters", "exact", "derived") if name in part}
            for release, part in found.items()
            if kind in COUNTED
        }
        types[kind] = {
            "since": since.get(kind),
            "heads": heads.get(kind, []),
            "reached": shares,
            **({} if kind in MIXTURES else lists),
        }
    lines = ",\n".join(
        f"{json.dumps(kind)}:{json.dumps(entry, separators=(',', ':'))}" for kind, entry in types.items()
    )
    source = "transformers' wheels, and models built on torch's meta device from default configurations"
    head = f'{{"source": "{source}", "read": {json.dumps([part["read"] for part in read])}, "types": '
    TABLE.write_text(f"{head}{{\n{lines}\n}}}}\n", "utf-8")


def _wheels(folder: Path) -> list[tuple[Version, zipfile.ZipFile]]:
    """The wheels in the order of their releases."""
    found = {Version(path.name.split("-")[1]): path for path in folder.glob("transformers-*.whl")}
    if min(found) > Version(f"{OLDEST}.99"):
        raise SystemExit(f"the wheels start at {min(found)}, not at {OLDEST}")
    return [(release, zipfile.ZipFile(path)) for release, path in sorted(found.items())]


def _since(wheels: list[tuple[Version, zipfile.ZipFile]]) -> dict[str, str]:
    """The first minor release that has each architecture."""
    first: dict[str, str] = {}
    for release, wheel in wheels:
        kinds = _mapping(wheel, "CONFIG_MAPPING_NAMES", "auto_mappings", "configuration_auto")
        if not kinds:
            raise SystemExit(f"{wheel.filename}: no CONFIG_MAPPING_NAMES")
        for kind in kinds:
            first.setdefault(kind, f"{release.major}.{release.minor}")
    return first


def _heads(wheels: list[tuple[Version, zipfile.ZipFile]]) -> dict[str, list[str]]:
    """The Auto classes that know each architecture in some release."""
    heads: dict[str, set[str]] = {}
    for _, wheel in wheels:
        for head, auto in HEADS.items():
            for kind in _mapping(wheel, f"MODEL_FOR_{head}_MAPPING_NAMES", "modeling_auto"):
                heads.setdefault(kind, set()).add(auto)
    known = set.union(*heads.values())
    if missing := set(HEADS.values()) - known:
        raise SystemExit(f"no architecture is known to {missing}")
    return {kind: sorted(autos) for kind, autos in heads.items()}


def _mapping(wheel: zipfile.ZipFile, name: str, *modules: str) -> list[str]:
    """The model types of a mapping of the Auto classes; none where no module has it."""
    pattern = re.compile(rf"^{name}\b.*?OrderedDict[^(]*\(\s*(\[.*?^ *\])", re.MULTILINE | re.DOTALL)
    for module in modules:
        path = f"transformers/models/auto/{module}.py"
        match = pattern.search(wheel.read(path).decode()) if path in wheel.namelist() else None
        if match:
            return [kind for kind, _ in ast.literal_eval(match[1])]
    return []


def main() -> None:
    """Build or join."""
    if sys.argv[1:2] == ["build"]:
        build(Path(sys.argv[2]))
    else:
        join(Path(sys.argv[2]), [Path(part) for part in sys.argv[3:]])


if __name__ == "__main__":
    main()
