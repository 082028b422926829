"""One run of a setup in a forked child: each phase as the plan asks, and everything it shows in an `Outcome`."""

from __future__ import annotations

import contextlib
import logging
import time
import warnings
from typing import TYPE_CHECKING, Any

from hflint.verify import bind, generate, load, locate, measure, repeat, train
from hflint.verify.codec import from_json, to_json
from hflint.verify.libraries import MissingError, UnavailableError, is_absence, library, one_line
from hflint.verify.outcome import Outcome, Plan, Raised, Warned
from hflint.verify.setup import Setup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOGGERS = ("transformers", "peft", "trl", "accelerate", "bitsandbytes", "datasets")
_MOST_WARNINGS = 60


class StoppedError(Exception):
    """A phase raised; the outcome says what."""


class Run:
    """What the phases share: the setup, what is loaded so far, and the outcome."""

    def __init__(self, setup: Setup, plan: Plan, folder: Path, shared: Path, emit: Callable[..., None]) -> None:
        self.setup = setup
        self.plan = plan
        self.folder = folder
        self.shared = shared
        self.emit = emit
        self.outcome = Outcome()
        self.notes: list[str] = []
        self.seconds: dict[str, float] = {}
        self.losses: list[float] = []
        self.stepped: list[float] = []  # when each step ended, in seconds
        self.warned: dict[tuple[str, str], Warned] = {}
        self.device = "cpu"
        self.dtype = "float32"  # of most weights as loaded
        self.sources: locate.Sources | None = None
        self.tokenizer: Any = None
        self.model: Any = None

    def wants(self, phase: str) -> bool:
        """Whether the plan asks for a phase."""
        return phase in self.plan.phases

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a phase, announce it, and turn what it raises into the outcome.

        Raises:
            StoppedError: the phase raised.
        """
        self.outcome.phase = name
        self.emit(phase=name)
        start = time.perf_counter()
        try:
            yield
        except (MissingError, UnavailableError) as error:
            self.outcome.status = "missing" if isinstance(error, MissingError) else "unavailable"
            self.outcome.reason = str(error)
            raise StoppedError from None
        except Exception as error:  # noqa: BLE001 - whatever the program raises is the result
            self._raised(error, name)
            raise StoppedError from None
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - start, 4)
            self.emit(outcome=to_json(self.finished()))

    def _raised(self, error: Exception, phase: str) -> None:
        text = str(error).strip()
        if is_absence(error):
            self.outcome.status, self.outcome.reason = "missing", one_line(error)
            return
        memory = isinstance(error, MemoryError) or "out of memory" in text.lower() or "can't allocate memory" in text
        self.outcome.status = "memory" if memory else "raised"
        self.outcome.raised = Raised(type(error).__name__, text[:2000], phase)
        self.outcome.reason = f"{type(error).__name__}: {one_line(error)}" if text else type(error).__name__

    def finished(self) -> Outcome:
        """The outcome as it stands."""
        self.outcome.notes = tuple(dict.fromkeys(self.notes))
        self.outcome.seconds = dict(self.seconds)
        self.outcome.losses = tuple(self.losses)
        self.outcome.warnings = tuple(self.warned.values())
        return self.outcome

    def warn(self, category: str, text: str) -> None:
        """Keep a warning once, with the phase it came from."""
        key = (category, " ".join(text.split())[:500])
        if key not in self.warned and len(self.warned) < _MOST_WARNINGS:
            self.warned[key] = Warned(*key, self.outcome.phase)


class _Records(logging.Handler):
    def __init__(self, run: Run) -> None:
        super().__init__(logging.WARNING)
        self.run = run

    def emit(self, record: logging.LogRecord) -> None:
        self.run.warn(f"{record.name.partition('.')[0]} {record.levelname.lower()}", record.getMessage())


@contextlib.contextmanager
def _heard(run: Run) -> Iterator[None]:
    """Keep Python warnings and the libraries' log records of warning level and above."""
    handler = _Records(run)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, category, *_args, **_kwargs: run.warn(category.__name__, str(message))
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(handler)


def run_message(
    setup: dict[str, Any], plan: dict[str, Any], folder: Path, shared: Path, emit: Callable[..., None]
) -> Outcome:
    """Run a setup given as JSON; never raises for what the setup does."""
    run = Run(Setup.from_json(setup), from_json(Plan, plan), folder, shared, emit)
    with _heard(run), contextlib.suppress(StoppedError):
        _phases(run)
    return run.finished()


def _phases(run: Run) -> None:
    setup = run.setup
    if run.wants("bind") and (setup.bindings or setup.imports):
        with run.phase("bind"):
            run.outcome.bindings = tuple(bind.check(setup, run.plan.device))
    targets = {binding.target for binding in setup.bindings} & set(bind.LOADED) if run.wants("bind") else set()
    if not (targets or any(run.wants(phase) for phase in run.plan.phases if phase not in ("bind", "estimate"))):
        return
    if run.plan.until_bound and not targets and _is_bound(run):
        return
    if setup.model or setup.tokenizer or setup.pipeline or setup.training:
        _load(run, model=run.wants("load") or "model" in targets)
    if targets:
        with run.phase("bind"):
            run.outcome.bindings += tuple(bind.check_loaded(setup, {"tokenizer": run.tokenizer, "model": run.model}))
        if run.plan.until_bound and _is_bound(run):
            return
    if run.plan.repeated and any(map(repeat.is_open, run.outcome.bindings)):
        with run.phase("bind"):
            repeat.settle(run)
    if run.wants("tokenize") and setup.tokenizer_calls:
        with run.phase("tokenize"):
            generate.tokenize(run)
    if run.wants("train") and run.model is not None and (setup.training or setup.adapter):
        with run.phase("train"):
            train.train(run)
    if run.wants("generate") and run.model is not None and setup.generation:
        with run.phase("generate"):
            generate.generate(run)
    if run.wants("reload") and run.model is not None and setup.generation:
        with run.phase("reload"):
            generate.reload(run)
    if run.wants("pipeline") and setup.pipeline:
        with run.phase("pipeline"):
            generate.run_pipeline(run)
    if run.wants("chat") and setup.chat_template:
        with run.phase("chat"):
            generate.chat(run)
    if run.wants("estimate") and run.sources and run.sources.config and setup.training:
        with run.phase("estimate"):
            train.estimate(run)


def _is_bound(run: Run) -> bool:
    """Whether the signatures have decided: one refuses the call, or all take it."""
    told = ("names", "closed")  # without a keyword in question, only a signature that is closed says something
    answers = [one["ok"] for one in run.outcome.bindings if not one["ok"] or any(map(one.get, told))]
    return False in answers or (bool(answers) and None not in answers)


def _load(run: Run, *, model: bool) -> None:
    setup, plan = run.setup, run.plan
    with run.phase("load"):
        torch = library("torch")
        run.device = "cuda" if plan.device != "cpu" and torch.cuda.is_available() else "cpu"
        if plan.device == "cuda" and run.device == "cpu":
            raise UnavailableError("there is no CUDA device")
        if run.device == "cpu":
            torch.set_num_threads(plan.threads)
        run.outcome.device = f"cuda: {torch.cuda.get_device_name()}" if run.device == "cuda" else "cpu"
        run.sources = locate.locate(setup, plan, run.device, run.shared)
        run.outcome.model = run.sources.description
        run.tokenizer = load.load_tokenizer(setup, run.sources, run.notes)
        by_pipeline = setup.pipeline and setup.pipeline.loads_model and run.wants("pipeline")
        if setup.model and model and not by_pipeline:
            torch.manual_seed(0)
            run.model = load.load_model(setup, run.sources, run.tokenizer, run.device, run.notes)
            measure.weights(run.model, run.outcome)
            run.dtype = measure.float_dtype(run.outcome.weights)
            run.outcome.outside = max(0, len(run.tokenizer) - measure.embedding_rows(run.model))
            if run.device == "cuda":
                run.outcome.loaded_bytes = int(torch.cuda.memory_allocated())
