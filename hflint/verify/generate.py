"""What is done with a loaded model: tokenize, generate, save and reload, pipelines, chat templates."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hflint.verify import load, measure
from hflint.verify.libraries import attribute, library
from hflint.verify.setup import Adapter, ChatTemplate, Generation, TokenizerCall
from hflint.verify.twin import LEARNED, SENTENCES

if TYPE_CHECKING:
    from hflint.verify.run import Run

NEW_TOKENS = 8
MOST_TOKENS = 64  # of a tokenizer call that pads to a maximum
PROMPTS = tuple(" ".join(text.split()[:n]) for text, n in zip(LEARNED, (3, 6, 4, 2), strict=False))
_LENGTHS = ("max_new_tokens", "max_length", "min_new_tokens", "min_length")
_SAMPLING = ("do_sample", "temperature", "top_p", "top_k", "min_p", "typical_p", "num_return_sequences")


def call_tokenizer(run: Run, call: TokenizerCall, texts: list[str]) -> Any:
    """The tokenizer call as written, on `texts` if it takes a batch, else on the first."""
    kwargs = load.resolve(call.kwargs, {"tokenizer": run.tokenizer})
    if kwargs.get("padding") == "max_length" and isinstance(kwargs.get("max_length"), int):
        kwargs["max_length"] = min(kwargs["max_length"], MOST_TOKENS)
    function = run.tokenizer if call.method == "__call__" else getattr(run.tokenizer, call.method)
    return function(texts if call.batch else texts[0], **kwargs)


def tokenize(run: Run) -> None:
    """Every tokenizer call of the setup; then, where a model is there, the loss on what it makes of plain sentences."""
    for call in run.setup.tokenizer_calls:
        call_tokenizer(run, call, list(SENTENCES[:4]))
    if run.model is None or not hasattr(run.model, "generate"):
        return
    torch = library("torch")
    with torch.no_grad():
        for text in LEARNED[:2]:
            ids = torch.tensor([run.tokenizer(text)["input_ids"]], device=run.model.device)
            loss = run.model(input_ids=ids, labels=ids).loss
            run.outcome.text_loss = round(float(loss), 4) if loss is not None else None


def encode(run: Run, texts: list[str]) -> dict[str, Any]:
    """`texts` as model inputs: by the first tokenizer call of the setup, without padding where it has none."""
    call = next((c for c in run.setup.tokenizer_calls if c.method == "__call__"), None)
    kwargs: dict[str, Any] = dict(call.kwargs) if call else {"padding": len(texts) > 1}
    kwargs["return_tensors"] = "pt"
    batch = TokenizerCall(kwargs=kwargs, batch=len(texts) > 1)
    encoded = dict(call_tokenizer(run, batch, texts))
    encoded.pop("token_type_ids", None)
    return {name: tensor.to(run.model.device) for name, tensor in encoded.items()}


def generate_kwargs(run: Run) -> dict[str, Any]:
    """The arguments of `generate` as written, with the length cut down."""
    setup = run.setup.generation or Generation()
    kwargs: dict[str, Any] = load.resolve(setup.kwargs, {"tokenizer": run.tokenizer, "model": run.model})
    for name in ("max_new_tokens", "min_new_tokens"):
        if isinstance(kwargs.get(name), int):
            kwargs[name] = min(kwargs[name], NEW_TOKENS)
    if isinstance(kwargs.get("max_length"), int):
        kwargs["max_length"] = min(kwargs["max_length"], MOST_TOKENS)
    if not any(name in kwargs for name in _LENGTHS):
        kwargs["max_new_tokens"] = NEW_TOKENS
    return kwargs


def generate(run: Run) -> None:
    """Generate as written; greedily too, row by row, where the plan compares a batch with its rows alone."""
    torch = library("torch")
    setup = run.setup.generation or Generation()
    run.model.eval()
    prompts = list(PROMPTS) if setup.batch else [PROMPTS[0]]
    inputs = encode(run, prompts)
    if not setup.attention_mask:
        inputs.pop("attention_mask", None)
    kwargs = generate_kwargs(run)
    if run.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    made = _generate(run, inputs, kwargs)
    seconds = time.perf_counter() - start
    width = 0 if run.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
    run.outcome.tokens_per_second = round(max(1, made[:, width:].numel()) / seconds, 2)
    run.outcome.outputs = tuple(_texts(run, made, width))
    if run.device == "cuda":
        run.outcome.peak_bytes = max(run.outcome.peak_bytes or 0, torch.cuda.max_memory_allocated())
    if run.plan.compare_alone and setup.batch:
        greedy = {key: value for key, value in kwargs.items() if key not in _SAMPLING} | {"do_sample": False}
        run.outcome.outputs = tuple(_texts(run, _generate(run, inputs, greedy), width))
        alone = []
        for prompt in prompts:
            one = encode(run, [prompt])
            start_at = 0 if width == 0 else one["input_ids"].shape[1]
            alone += _texts(run, _generate(run, one, greedy), start_at)
        run.outcome.alone = tuple(alone)


def _generate(run: Run, inputs: Mapping[str, Any], kwargs: Mapping[str, Any]) -> Any:
    made = run.model.generate(**inputs, **kwargs)
    return getattr(made, "sequences", made)


def _texts(run: Run, made: Any, start: int) -> list[str]:
    return [run.tokenizer.decode(row[start:], skip_special_tokens=True) for row in made]


def reload(run: Run) -> None:
    """Save model and tokenizer, load them again, and generate the same."""
    folder = run.folder / "saved"
    kwargs = {"do_sample": False, "max_new_tokens": NEW_TOKENS}
    if run.tokenizer.pad_token_id is not None:
        kwargs["pad_token_id"] = run.tokenizer.pad_token_id
    run.model.eval()
    inputs = encode(run, [PROMPTS[0]])
    before = _generate(run, inputs, kwargs).tolist()
    run.model.save_pretrained(folder)
    run.tokenizer.save_pretrained(folder)
    if (folder / "adapter_config.json").exists():
        assert run.sources is not None  # noqa: S101 - a model was loaded
        base = load.load_model(run.setup, run.sources, run.tokenizer, run.device, run.notes)
        again = attribute("peft", "PeftModel").from_pretrained(base, str(folder))
    else:
        loader = type(run.model)
        again = loader.from_pretrained(str(folder), dtype=run.model.dtype) if not run.setup.quantization else (
            loader.from_pretrained(str(folder)))  # fmt: skip
    load.keep_gradients(again)
    if again.device != run.model.device:  # 8-bit models refuse even a move to where they are
        again.to(run.model.device)
    again.eval()
    made = again.generate(**inputs, **kwargs)
    run.outcome.reload_equal = made.tolist() == before


def run_pipeline(run: Run) -> None:
    """The pipeline as written, on a text or a list of them, timed at its second call."""
    setup = run.setup.pipeline
    assert setup is not None  # noqa: S101 - the phase runs only with a pipeline
    assert run.sources is not None  # noqa: S101 - a pipeline loads
    kwargs = load.resolve(setup.kwargs, {"tokenizer": run.tokenizer, "model": run.model})
    if run.device == "cpu" and (kwargs.get("device") not in (None, -1, "cpu")):
        run.notes.append(f"device={kwargs['device']!r} needs a GPU: run on the CPU")
        kwargs["device"] = -1
    for name in ("token", "revision", "trust_remote_code"):
        kwargs.pop(name, None)
    source = run.sources.model if run.model is None else run.model
    task = [setup.task] if setup.task else []
    made = attribute("transformers", "pipeline")(*task, model=source, tokenizer=run.tokenizer, **kwargs)
    if run.model is None:
        measure.weights(made.model, run.outcome)
    call = load.resolve(setup.call_kwargs, {"tokenizer": run.tokenizer, "model": run.model})
    if isinstance(call.get("max_new_tokens"), int):
        call["max_new_tokens"] = min(call["max_new_tokens"], NEW_TOKENS)
    texts: Any = list(SENTENCES) if setup.batch else SENTENCES[0]
    made(texts, **call)
    if run.plan.compare_alone and setup.batch and "generation" in str(made.task):
        greedy = {key: value for key, value in call.items() if key not in _SAMPLING} | {"do_sample": False}
        greedy["max_new_tokens"] = NEW_TOKENS
        run.outcome.outputs = tuple(_written(row) for row in made(list(PROMPTS), **greedy))
        run.outcome.alone = tuple(_written(made(prompt, **greedy)) for prompt in PROMPTS)
    start = time.perf_counter()
    made(texts, **call)
    run.outcome.pipeline_seconds = round(time.perf_counter() - start, 4)


def _written(row: Any) -> str:
    """The text that a pipeline gives for one prompt."""
    first = row[0] if isinstance(row, list) else row
    return str(first["generated_text"])


def chat(run: Run) -> None:
    """The chat template as called: the text, how often BOS starts it, and whether `generate` takes the result."""
    setup = run.setup.chat_template or ChatTemplate()
    messages = [{"role": "user", "content": PROMPTS[0]}]
    kwargs = load.resolve(setup.kwargs, {"tokenizer": run.tokenizer})
    made = run.tokenizer.apply_chat_template(messages, **kwargs)
    shown: dict[str, Any] = {"type": type(made).__name__}
    ids = made
    if setup.retokenized is not None and isinstance(made, str):
        ids = run.tokenizer(made, **load.resolve(setup.retokenized, {"tokenizer": run.tokenizer}))
    if isinstance(ids, Mapping) or hasattr(ids, "input_ids"):
        ids = ids["input_ids"]
    if not isinstance(ids, str):
        row = ids[0] if hasattr(ids, "shape") or (ids and isinstance(ids[0], list)) else ids
        tokens = [int(token) for token in row]
        shown["bos"] = sum(token == run.tokenizer.bos_token_id for token in tokens[:3])
    run.outcome.chat = shown
    if setup.generated:
        run.model.generate(made, **generate_kwargs(run))


def attach(run: Run, adapter: Adapter, model: Any) -> Any:
    """The model with its adapter, prepared for k-bit training where and when the program does so."""
    peft = library("peft")
    preparation = load.resolve(adapter.preparation_kwargs, {})
    if adapter.preparation == "before":
        model = peft.prepare_model_for_kbit_training(model, **preparation)
    config = attribute("peft", adapter.kind)(**({} if adapter.loaded else load.resolve(adapter.kwargs, {})))
    if adapter.loaded:
        folder = run.folder / "adapter"
        peft.get_peft_model(load_again(run), config).save_pretrained(folder)
        model = peft.PeftModel.from_pretrained(model, str(folder), **load.resolve(adapter.kwargs, {}))
    else:
        model = peft.get_peft_model(model, config)
    if adapter.preparation == "after":
        model = peft.prepare_model_for_kbit_training(model, **preparation)
    return model


def load_again(run: Run) -> Any:
    """A second copy of the model as loaded."""
    assert run.sources is not None  # noqa: S101 - a model was loaded
    return load.load_model(run.setup, run.sources, run.tokenizer, run.device, run.notes, calls=False)
