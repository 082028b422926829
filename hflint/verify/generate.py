"""What is done with a loaded model: tokenize, generate, save and reload, pipelines, chat templates."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hflint.verify import load, measure, sized
from hflint.verify.libraries import attribute, library
from hflint.verify.repositories import own_class
from hflint.verify.setup import Adapter, ChatTemplate, Generation, TokenizerCall
from hflint.verify.twin import LEARNED, SENTENCES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.verify.run import Run

NEW_TOKENS = 8
MOST_POSITIONS = 4096  # of a model that is given one row of all of them
MOST_TOKENS = 64  # of a tokenizer call that pads to a maximum
PROMPTS = tuple(" ".join(text.split()[:n]) for text, n in zip(LEARNED, (3, 6, 4, 2), strict=False))
_LENGTHS = ("max_new_tokens", "max_length", "min_new_tokens", "min_length")
_SAMPLING = ("do_sample", "temperature", "top_p", "top_k", "min_p", "typical_p", "num_return_sequences")


def call_tokenizer(run: Run, call: TokenizerCall, texts: list[str]) -> Any:
    """The tokenizer call as written, on `texts` if it takes a batch, else on the first."""
    kwargs = dict(call.kwargs)
    if kwargs.get("padding") == "max_length" and isinstance(kwargs.get("max_length"), int):
        length = kwargs["max_length"]
        kwargs["max_length"] = min(length, MOST_TOKENS)
        if isinstance(kwargs.get("stride"), int) and length > MOST_TOKENS:  # rows must stay longer than they overlap
            kwargs["stride"] = kwargs["stride"] * MOST_TOKENS // length
    return _call(run, call, texts if call.batch else texts[0], kwargs)


def _call(run: Run, call: TokenizerCall, text: Any, kwargs: Mapping[str, Any]) -> Any:
    function = run.tokenizer if call.method == "__call__" else getattr(run.tokenizer, call.method)
    return function(text, **load.resolve(kwargs, {"tokenizer": run.tokenizer}))


def tokenize(run: Run) -> None:
    """Every tokenizer call of the setup; then, where the model knows the language, its loss on plain sentences."""
    run.outcome.own_code += tuple(filter(None, (own_class(run.tokenizer),)))
    if run.plan.repository == "positions":
        _fill(run)
        return
    for call in run.setup.tokenizer_calls:
        call_tokenizer(run, call, list(SENTENCES[:4]))
    if run.plan.pretrained and hasattr(run.model, "generate"):  # another model has nothing to say of a text
        run.outcome.text_loss = _text_loss(run, run.tokenizer)
    if run.sources and run.sources.own_tokenizer:
        _compare(run, attribute("transformers", "AutoTokenizer").from_pretrained(run.sources.own_tokenizer))
    elif run.setup.model:
        run.outcome.same_tokens = 1.0


def _text_loss(run: Run, tokenizer: Any) -> float | None:
    """What the model makes of plain sentences as a tokenizer reads them; the most of two."""
    torch = library("torch")
    losses = []
    run.model.eval()
    with torch.no_grad():
        for text in LEARNED[:2]:
            ids = torch.tensor([tokenizer(text)["input_ids"]], device=run.model.device)
            losses.append(run.model(input_ids=ids, labels=ids).loss)
    return None if None in losses else round(max(map(float, losses)), 4)


def _compare(run: Run, own: Any) -> None:
    """The tokenizer that the program gives a model against the model's own."""
    if run.setup.tokenizer and run.setup.tokenizer.resize:
        return  # the model is to learn another vocabulary
    if run.outcome.text_loss is not None and not run.outcome.outside:
        run.outcome.own_text_loss = _text_loss(run, own)
    if not (run.sources and run.sources.are_known):  # what was made up here says nothing of theirs
        return
    ids = [token for text in SENTENCES for token in run.tokenizer(text)["input_ids"]]
    known = [token for token in ids if token < len(own)]
    same = sum(run.tokenizer.convert_ids_to_tokens(token) == own.convert_ids_to_tokens(token) for token in known)
    run.outcome.same_tokens = round(same / len(ids), 4)


def _fill(run: Run) -> None:
    """A text that is longer than any limit through every call, and its first tokens beyond the last position through the model."""
    torch = library("torch")
    positions = run.outcome.positions or 0
    limits = [call.kwargs.get("max_length") for call in run.setup.tokenizer_calls]
    most = max([positions, *(limit for limit in limits if isinstance(limit, int))])
    text = " ".join(SENTENCES) * (most // len(SENTENCES) + 1)  # a sentence has some ten words
    for call in run.setup.tokenizer_calls:
        made = _call(run, call, [text] if call.batch else text, call.kwargs)
        ids = made["input_ids"] if isinstance(made, Mapping) else made
        row = ids[0] if call.batch or hasattr(ids, "shape") else ids
        run.outcome.longest = max(run.outcome.longest or 0, len(row))
        if run.model is None or len(row) <= positions:
            continue
        if positions > MOST_POSITIONS:
            run.notes.append(f"no forward pass: {positions} positions are too many to fill here")
            continue
        first = torch.tensor([[int(token) for token in row[: positions + 8]]], device=run.model.device)
        with torch.no_grad():
            run.model(input_ids=first)


def encode(run: Run, texts: list[str]) -> dict[str, Any]:
    """`texts` as model inputs: by the setup's chat template or first tokenizer call, without padding where it has none."""
    call = next((c for c in run.setup.tokenizer_calls if c.method == "__call__"), None)
    template = run.setup.chat_template
    if template and not call and not template.generated and template.retokenized is None:
        chats = [[{"role": "user", "content": text}] for text in texts]
        as_written = load.resolve(template.kwargs, {"tokenizer": run.tokenizer})
        tensors = {"tokenize": True, "return_dict": True, "return_tensors": "pt", "padding": len(texts) > 1}
        made = run.tokenizer.apply_chat_template(chats, **as_written | tensors)
        return {name: tensor.to(run.model.device) for name, tensor in dict(made).items()}
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
    new = sized.NEW_TOKENS if run.plan.sized else NEW_TOKENS
    for name in ("max_new_tokens", "min_new_tokens"):
        if isinstance(kwargs.get(name), int):
            kwargs[name] = min(kwargs[name], new)
    if isinstance(kwargs.get("max_length"), int):
        kwargs["max_length"] = min(kwargs["max_length"], MOST_TOKENS)
    if not any(name in kwargs for name in _LENGTHS):
        kwargs["max_new_tokens"] = new
    return kwargs


def generate(run: Run) -> None:
    """Generate as written; greedily too, row by row, where the plan compares a batch with its rows alone."""
    torch = library("torch")
    setup = run.setup.generation or Generation()
    run.model.eval()
    prompts = list(PROMPTS) if setup.batch else [PROMPTS[0]]
    inputs = encode(run, prompts)
    run.outcome.chat = _form(run, prompts[0], inputs["input_ids"][0])
    if not setup.attention_mask:
        inputs.pop("attention_mask", None)
    kwargs = generate_kwargs(run)
    if run.device == "cuda":
        # What a first call loads takes time.
        _generate(run, inputs, {**kwargs, "max_new_tokens": 2, "min_new_tokens": None})
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    made = _generate(run, inputs, kwargs)
    if run.device == "cuda":
        torch.cuda.synchronize()
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


def _form(run: Run, message: str, ids: Any) -> dict[str, Any]:
    """What a model is given for a message, and what its tokenizer's chat template puts before and after it."""
    if not getattr(run.tokenizer, "chat_template", None):
        return {}
    chat, text = [{"role": "user", "content": message}], ""
    with contextlib.suppress(Exception):  # a template may demand what only its users know
        text = run.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    before, found, after = text.partition(message)
    return {"given": run.tokenizer.decode(ids), "before": before, "after": after} if found else {}


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
    if load.is_elsewhere(kwargs.get("device"), run.device):
        run.notes.append(f"device={kwargs['device']!r} is not there: run on the {load.DEVICES[run.device]}")
        kwargs["device"] = run.device
    for name in ("token", "revision"):
        kwargs.pop(name, None)
    load.trust(kwargs, run.sources, "model")
    source = run.sources.model if run.model is None else run.model
    task = [setup.task] if setup.task else []
    made = attribute("transformers", "pipeline")(*task, model=source, tokenizer=run.tokenizer, **kwargs)
    if run.model is None:
        measure.weights(made.model, run.outcome)
    call = load.resolve(setup.call_kwargs, {"tokenizer": run.tokenizer, "model": run.model})
    if isinstance(call.get("max_new_tokens"), int):
        call["max_new_tokens"] = min(call["max_new_tokens"], NEW_TOKENS)
    texts: Any = list(SENTENCES) if setup.batch else SENTENCES[0]
    if made.task == "fill-mask":
        texts = (
            [f"{text} {run.tokenizer.mask_token}" for text in texts]
            if setup.batch
            else f"{texts} {run.tokenizer.mask_token}"
        )
    if setup.messages:
        chat = [{"role": "user", "content": SENTENCES[0]}]
        texts = [chat] if setup.batch else chat
    with _given(made.model) as rows:
        made(texts, **call)
    if rows:
        run.outcome.chat = _form(run, SENTENCES[0], rows[0])
    if run.plan.compare_alone and setup.batch and "generation" in str(made.task):
        greedy = {key: value for key, value in call.items() if key not in _SAMPLING} | {"do_sample": False}
        greedy["max_new_tokens"] = NEW_TOKENS
        run.outcome.outputs = tuple(_written(row) for row in made(list(PROMPTS), **greedy))
        run.outcome.alone = tuple(_written(made(prompt, **greedy)) for prompt in PROMPTS)
    start = time.perf_counter()
    made(texts, **call)
    run.outcome.pipeline_seconds = round(time.perf_counter() - start, 4)


@contextlib.contextmanager
def _given(model: Any) -> Iterator[list[Any]]:
    """The first rows of ids that `generate` of a model is given inside."""
    rows: list[Any] = []
    original = getattr(model, "generate", None)

    def generate(*args: Any, **kwargs: Any) -> Any:
        ids = kwargs.get("input_ids", args[0] if args else None)
        rows.extend([] if ids is None else [ids[0]])
        return original(*args, **kwargs)  # type: ignore[misc] # it is there: it is what was called

    if original is not None:
        model.generate = generate
    try:
        yield rows
    finally:
        if original is not None:
            del model.generate


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
        run.outcome.unmatched = _unmatched(model, adapter)
    if adapter.preparation == "after":
        model = peft.prepare_model_for_kbit_training(model, **preparation)
    return model


def _unmatched(model: Any, adapter: Adapter) -> tuple[str, ...]:
    """Those of the targets, where they are a list of names, that no adapted module is called."""
    targets = adapter.kwargs.get("target_modules")
    adapted = getattr(getattr(model, "base_model", None), "targeted_module_names", None)
    if not isinstance(targets, list | tuple) or adapted is None:
        return ()
    return tuple(one for one in targets if not any(name == one or name.endswith(f".{one}") for name in adapted))


def load_again(run: Run) -> Any:
    """A second copy of the model as loaded."""
    assert run.sources is not None  # noqa: S101 - a model was loaded
    return load.load_model(run.setup, run.sources, run.tokenizer, run.device, run.notes, calls=False)
