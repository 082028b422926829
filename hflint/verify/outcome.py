"""What goes to a run beside its setup (`Plan`) and what comes back (`Outcome`), both as JSON."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads the annotations
from dataclasses import dataclass, field
from typing import Any

# Everything a run can do, in order. A plan names those that its probe reads.
PHASES = ("bind", "load", "tokenize", "train", "generate", "reload", "pipeline", "chat", "estimate")


@dataclass(frozen=True)
class Plan:
    """How a setup is run."""

    phases: tuple[str, ...] = PHASES
    model: str = "auto"  # auto, real, twin
    device: str = "auto"  # auto, cuda, cpu
    steps: int = 3
    pretrained: bool = False  # a twin learns five sentences first: some defects show in no random model
    compare_alone: bool = False  # generate each row of a batch alone too
    # What a twin's repository has beside weights: "code" or "pickle"; or "positions", all of its model's.
    repository: str = ""
    sized: bool = False  # a random model of a real size in the twin's place
    until_bound: bool = False  # stop once the signatures have refused or taken every call
    repeated: bool = False  # repeat calls that take any keyword without those in question
    remote_code: bool = False
    threads: int = 1  # on a CPU: a twin's matrices are too small to share
    timeout: float = 120.0  # seconds
    memory: float = 8.0  # GiB of resident memory a run may take


@dataclass
class Raised:
    """An exception and where the run was."""

    type: str
    text: str
    phase: str


@dataclass
class Warned:
    """A Python warning, or a log record of a library at warning level or above."""

    category: str
    text: str
    phase: str


@dataclass
class Outcome:
    """What one run showed. `status` is ok, raised, timeout, memory, killed, missing or unavailable."""

    status: str = "ok"
    reason: str = ""  # one line, for every status but ok
    phase: str = ""  # the last one entered
    raised: Raised | None = None
    warnings: tuple[Warned, ...] = ()
    notes: tuple[str, ...] = ()  # what was run otherwise than written, and why
    model: str = ""  # "real org/name", "twin of llama (2 layers, 0.2M parameters)"
    device: str = ""  # "cpu", "cuda: NVIDIA H100"
    seconds: Mapping[str, float] = field(default_factory=dict)  # by phase
    weights: Mapping[str, int] = field(default_factory=dict)  # bytes by dtype
    parameters: int | None = None
    trainable_share: float | None = None  # 0 to 1
    quantized_share: float | None = None  # 0 to 1, of parameters
    losses: tuple[float, ...] = ()
    # Norms of the first layer's parameters at the first step.
    gradients: Mapping[str, float] = field(default_factory=dict)
    checkpointing: bool | None = None  # whether training recomputed activations
    saved_bytes: int | None = None  # kept for backward by the first step
    loaded_bytes: int | None = None  # of the accelerator, once the model is loaded
    peak_bytes: int | None = None  # of the accelerator, while it trained or generated
    step_seconds: float | None = None  # of a training step: the median, without the first
    eos_rows: int | None = None  # rows of the first batch that end in EOS
    eos_kept: int | None = None  # of them, those whose EOS is a label
    outputs: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()  # what the same prompts give one by one
    tokens_per_second: float | None = None
    reload_equal: bool | None = None
    text_loss: float | None = None  # loss of the model on plain sentences, as this tokenizer reads them
    own_text_loss: float | None = None  # the same as the model's own tokenizer reads them, where that is another
    # 0 to 1, of this tokenizer's ids: those that the model's own has for the same token.
    same_tokens: float | None = None
    outside: int | None = None  # token ids that the tokenizer makes and the model has no embedding for
    positions: int | None = None  # of the model
    longest: int | None = None  # tokens of the longest row that the tokenizer calls make of a text without end
    own_code: tuple[str, ...] = ()  # classes that came from the repository's code
    pickles: tuple[str, ...] = ()  # files that were read as pickles
    ran_pickle: bool | None = None  # whether code in a pickle ran, loaded as the program loads
    unmatched: tuple[str, ...] = ()  # target modules of the adapter that no module is called
    mixed_precision: str | None = None  # what the trainer really runs in
    compute_dtype: str | None = None  # that 4-bit layers compute in, "bfloat16"
    model_device: str | None = None  # where the first parameters are: "cpu", "cuda"
    norm_dtype: str | None = None  # of the first norm, after preparation
    pipeline_seconds: float | None = None
    chat: Mapping[str, Any] = field(default_factory=dict)
    bindings: tuple[Mapping[str, Any], ...] = ()  # {"what", "ok": true | false | null, "text"}
    estimate: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What a probe concludes: confirmed, improved, not reproduced, fix fails, cannot tell."""

    verdict: str
    figure: str = ""
    reason: str = ""
