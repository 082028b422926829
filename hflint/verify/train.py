"""Training as written, cut down to some steps: the trainer, its arguments, collator and a dataset of the shape it is given."""

from __future__ import annotations

import inspect
import time
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from hflint.verify import generate, load, measure, memory, sized
from hflint.verify.child import TRL_TRAINERS
from hflint.verify.libraries import UnavailableError, attribute, library
from hflint.verify.setup import Training
from hflint.verify.twin import CHAT_TEMPLATE, SENTENCES

if TYPE_CHECKING:
    from hflint.verify.run import Run

ROWS, LENGTH, MOST_BATCH = 16, 12, 4
# Arguments that reach outside the run, or need more processes than one.
_LEFT_OUT = ("push_to_hub", "hub_model_id", "hub_token", "hub_strategy", "deepspeed", "fsdp", "fsdp_config", "run_name",
             "resume_from_checkpoint", "num_train_epochs", "logging_dir", "eval_steps", "save_steps", "local_rank")  # fmt: skip


def train(run: Run) -> None:
    """Attach the adapter, train, and keep losses, gradients, saved bytes and what the labels hold."""
    torch = library("torch")
    setup = run.setup
    torch.manual_seed(0)
    if run.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    if setup.adapter and not setup.adapter.given_to_trainer:
        run.model = generate.attach(run, setup.adapter, run.model)
        measure.weights(run.model, run.outcome)
    if setup.training:
        _with_trainer(run, setup.training)
    else:
        _by_hand(run)
    if len(run.stepped) > 1:  # what a first step loads takes time
        run.outcome.step_seconds = round(median(end - start for start, end in pairwise(run.stepped)), 4)
    run.outcome.checkpointing = measure.is_checkpointing(run.model)
    if run.device == "cuda":
        run.outcome.peak_bytes = int(torch.cuda.max_memory_allocated())


def _by_hand(run: Run) -> None:
    """A plain loop, where a program prepares an adapter and its trainer is not known."""
    torch = library("torch")
    ids = torch.tensor([_ids(run, text)[: _length(run)] for text in SENTENCES[:2]], device=run.model.device)
    parameters = [p for p in run.model.parameters() if p.requires_grad]
    if not parameters:  # an adapter loaded to be used
        return
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    run.model.train()
    for step in range(run.plan.steps):
        with measure.saved_for_backward(run.model) as saved:
            loss = run.model(input_ids=ids, labels=ids).loss
        loss.backward()
        _after_backward(run, run.model, step, saved.bytes)
        optimizer.step()
        optimizer.zero_grad()
        _step(run, step + 1, float(loss.detach()))


def _length(run: Run) -> int:
    """Tokens of a row."""
    return sized.LENGTH if run.plan.sized else LENGTH


def _ids(run: Run, text: str) -> list[int]:
    """The ids of a text; of a long one where the model has a real size."""
    ids: list[int] = run.tokenizer(text)["input_ids"]
    return ids if not run.plan.sized else (ids * (1 + sized.LENGTH // len(ids)))[: sized.LENGTH]


def _after_backward(run: Run, model: Any, step: int, saved: int) -> None:
    if step == 0:
        run.outcome.saved_bytes = saved
        run.outcome.gradients = measure.first_layer_gradients(model)


def _step(run: Run, step: int, loss: float) -> None:
    run.losses.append(round(loss, 6))
    run.stepped.append(time.perf_counter())
    run.emit(phase="train", step=step, steps=run.plan.steps, loss=round(loss, 4))


def _with_trainer(run: Run, setup: Training) -> None:
    trl = setup.trainer in TRL_TRAINERS
    arguments = _arguments(run, setup)
    trainer_class = attribute("trl" if trl else "transformers", setup.trainer)
    kwargs: dict[str, Any] = load.resolve(setup.kwargs, {"tokenizer": run.tokenizer, "model": run.model})
    rows = _rows(run, setup, padded=bool(setup.collator) or trl)
    kwargs |= {"model": run.model, "args": arguments, "train_dataset": rows}
    strategy = setup.arguments.get("eval_strategy", setup.arguments.get("evaluation_strategy", "no"))
    if strategy != "no" and "eval_dataset" not in kwargs:
        kwargs["eval_dataset"] = rows
    if setup.collator:
        kwargs["data_collator"] = _collator(run, setup)
    if setup.passes_tokenizer:
        kwargs[setup.passes_tokenizer] = run.tokenizer
    elif trl:
        kwargs["processing_class"] = run.tokenizer
    if run.setup.adapter and run.setup.adapter.given_to_trainer:
        kwargs["peft_config"] = attribute("peft", run.setup.adapter.kind)(**load.resolve(run.setup.adapter.kwargs, {}))
    trainer = trainer_class(callbacks=[_watcher(run)], **kwargs)
    _observe(run, trainer)
    run.outcome.mixed_precision = str(trainer.accelerator.mixed_precision)
    trainer.train()
    run.model = trainer.accelerator.unwrap_model(trainer.model)
    measure.weights(run.model, run.outcome)


def _arguments(run: Run, setup: Training) -> Any:
    """The arguments as written, then what keeps the run small, quiet and inside its folder."""
    trl = setup.trainer in TRL_TRAINERS
    kind = attribute(
        "trl" if trl and setup.arguments_class != "TrainingArguments" else "transformers", setup.arguments_class
    )
    # A keyword that this version does not know must fail as it would for the user, even one that is replaced below.
    inspect.signature(kind).bind_partial(**setup.arguments)
    kwargs: dict[str, Any] = load.resolve(setup.arguments, {"tokenizer": run.tokenizer, "model": run.model})
    for name in _LEFT_OUT:
        kwargs.pop(name, None)
    best = kwargs.get("load_best_model_at_end")
    kwargs |= {
        "output_dir": str(run.folder / "output"), "max_steps": run.plan.steps, "report_to": "none", "disable_tqdm": True,
        "logging_steps": 1, "logging_strategy": "steps", "dataloader_num_workers": 0, "seed": 0,
        "per_device_train_batch_size": min(kwargs.get("per_device_train_batch_size", 8), MOST_BATCH),
        "gradient_accumulation_steps": min(kwargs.get("gradient_accumulation_steps", 1), 2),
    }  # fmt: skip
    if not best:
        kwargs["save_strategy"] = "no"
    if isinstance(kwargs.get("max_length"), int):
        kwargs["max_length"] = min(kwargs["max_length"], sized.LENGTH if run.plan.sized else 64)
    if run.device == "cpu":
        if kwargs.pop("tf32", None) is not None:
            run.notes.append("tf32 was left out: there is no GPU")
        if kwargs.get("bf16") and run.dtype == "float16":
            run.notes.append("bf16=True was left out: autocast on a CPU takes no float16 weights")
            kwargs["bf16"] = False
        if kwargs.get("fp16"):
            run.notes.append("fp16=True does nothing on a CPU")
        kwargs["use_cpu"] = True
    return kind(**kwargs)


def _collator(run: Run, setup: Training) -> Any:
    assert setup.collator is not None  # noqa: S101 - asked for only with a collator
    kind = setup.collator.kind
    kwargs = load.resolve(setup.collator.kwargs, {"tokenizer": run.tokenizer, "model": run.model})
    try:
        found = attribute("transformers", kind)
    except ImportError:
        found = attribute("trl", kind)
    if "tokenizer" in inspect.signature(found).parameters and "tokenizer" not in kwargs:
        kwargs["tokenizer"] = run.tokenizer
    return found(**kwargs)


def _rows(run: Run, setup: Training, *, padded: bool) -> Any:
    """A dataset of the shape that the program trains on.

    Args:
        run: for its tokenizer and model.
        setup: the training, with `dataset` as its shape, or None for what the trainer takes usually.
        padded: whether something pads; else all rows have one length.
    """
    trl = setup.trainer in TRL_TRAINERS
    usual = "preference" if setup.trainer != "SFTTrainer" else "text"
    shape = setup.dataset or (usual if trl else "tokenized")
    texts = [SENTENCES[i % len(SENTENCES)] for i in range(ROWS)]
    if run.plan.sized:
        texts = [" ".join([text] * (sized.LENGTH // 16)) for text in texts]
    if shape == "text":
        return _dataset([{"text": text} for text in texts], run)
    if shape == "messages":
        if not run.tokenizer.chat_template:
            run.tokenizer.chat_template = CHAT_TEMPLATE
        said = [[{"role": "user", "content": t[:20]}, {"role": "assistant", "content": t[20:]}] for t in texts]
        return _dataset([{"messages": messages} for messages in said], run)
    if shape == "prompt_completion":
        return _dataset([{"prompt": t[:20], "completion": t[20:]} for t in texts], run)
    if shape == "preference":
        return _dataset([{"prompt": t[:20], "chosen": t[20:], "rejected": t[20:][::-1]} for t in texts], run)
    if shape in ("tokenized", "unlabeled"):
        return _dataset([_row(run, t, i, padded=padded, labels=shape == "tokenized") for i, t in enumerate(texts)], run)
    raise UnavailableError(f"no rows can be made of shape {shape!r}")


def _row(run: Run, text: str, number: int, *, padded: bool, labels: bool) -> dict[str, Any]:
    loader = (run.setup.model.loader if run.setup.model else "") or ""
    causal = "CausalLM" in loader
    tokenizer = run.tokenizer
    most = _length(run) - 1
    ids = _ids(run, text)[: max(64, most) if padded else most]
    while not padded and len(ids) < most:  # one length, for nothing pads
        ids += ids[: most - len(ids)]
    if causal and tokenizer.eos_token_id is not None:
        ids = [*ids, tokenizer.eos_token_id]
    row: dict[str, Any] = {"input_ids": ids, "attention_mask": [1] * len(ids)}
    lm_collator = (
        run.setup.training and run.setup.training.collator and "LanguageModeling" in run.setup.training.collator.kind
    )
    if labels and not lm_collator:
        if "SequenceClassification" in loader:
            row["labels"] = number % 2
        elif "TokenClassification" in loader:
            row["labels"] = [token % 2 for token in ids]
        else:
            row["labels"] = list(ids)
    return row


def _dataset(rows: list[dict[str, Any]], run: Run) -> Any:
    if run.setup.training and run.setup.training.trainer in TRL_TRAINERS:
        return library("datasets").Dataset.from_list(rows)
    return rows


def _watcher(run: Run) -> Any:
    """A trainer callback that passes losses on as they come."""

    class Watcher(attribute("transformers", "TrainerCallback")):  # type: ignore[misc]
        def on_log(self, _args: Any, state: Any, _control: Any, logs: Any = None, **_kwargs: Any) -> None:
            if logs and "loss" in logs:
                _step(run, int(state.global_step), float(logs["loss"]))

        def on_pre_optimizer_step(
            self, _args: Any, state: Any, _control: Any, model: Any = None, **_kwargs: Any
        ) -> None:
            if state.global_step == 0 and model is not None:
                run.outcome.gradients = measure.first_layer_gradients(model)

    return Watcher()


def _observe(run: Run, trainer: Any) -> None:
    """Measure the first loss: bytes kept for backward, and EOS among the labels."""
    compute = trainer.compute_loss

    def first(model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        trainer.compute_loss = compute
        _count_eos(run, inputs)
        with measure.saved_for_backward(model) as saved:
            result = compute(model, inputs, *args, **kwargs)
        run.outcome.saved_bytes = saved.bytes
        return result

    trainer.compute_loss = first


def _count_eos(run: Run, inputs: Any) -> None:
    eos, ids, labels = run.tokenizer.eos_token_id, inputs.get("input_ids"), inputs.get("labels")
    if eos is None or ids is None or labels is None or labels.shape != ids.shape:
        return
    mask = inputs.get("attention_mask")
    ends = kept = 0
    for number, row in enumerate(ids.tolist()):
        real = sum(mask[number].tolist()) if mask is not None else len(row)
        padded_left = mask is not None and int(mask[number][0]) == 0
        first = len(row) - real if padded_left else 0
        last = first + real - 1
        if row[last] == eos:
            ends += 1
            kept += int(labels[number][last] == eos)
    run.outcome.eos_rows, run.outcome.eos_kept = ends, kept


def estimate(run: Run) -> None:
    """What training the full-size model takes, counted on the meta device, at the batch and length as written."""
    setup = run.setup.training or Training()
    lengths = [c.kwargs.get("max_length") for c in run.setup.tokenizer_calls] + [setup.arguments.get("max_length")]
    length = sized.LENGTH if run.plan.sized else next((n for n in lengths if isinstance(n, int)), 512)
    try:
        found = _estimated(run, setup, length)
    except UnavailableError as error:  # a figure less, not a failed run
        run.notes.append(f"no estimate: {error}")
        return
    known = run.setup.model.facts.parameters if run.setup.model and not run.plan.sized else None
    if known and not 0.8 < found.parameters / known < 1.25:
        run.notes.append("no estimate: the model's config is not at hand, and its type's default is of another size")
    else:
        run.outcome.estimate = found.to_json()
        if run.plan.sized and (measured := run.outcome.peak_bytes):
            run.outcome.estimate |= {"measured": measured, "error": round(found.total / measured - 1, 3)}


def _estimated(run: Run, setup: Training, length: int) -> memory.Estimate:
    assert run.sources is not None  # noqa: S101 - the phase needs a config
    batch = int(setup.arguments.get("per_device_train_batch_size", 8))
    return memory.estimate(
        run.sources.config or {},
        loader=run.setup.model.loader if run.setup.model else "AutoModelForCausalLM",
        dtype=run.dtype,
        batch=min(batch, MOST_BATCH) if run.plan.sized else batch,
        length=length,
        checkpointing=bool(run.outcome.checkpointing),
        adapter=run.setup.adapter,
        quantization=run.setup.quantization,
    )
