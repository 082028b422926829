"""Asking the hub what a model or dataset is; only `hflint lock` does. Needs huggingface_hub.

One request says nearly all; the small files (never weights) are fetched one by one, unless the local cache has them at
the same commit. HF_ENDPOINT and HF_TOKEN hold, as they do for huggingface_hub itself.
"""

from __future__ import annotations

import importlib
import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from hflint.facts.cache import LocalCache, Snapshot
from hflint.facts.record import DatasetRecord, ModelRecord, read_record
from hflint.facts.repository import (
    CHAT_TEMPLATE,
    CONFIG,
    GENERATION_CONFIG,
    SPECIAL_TOKENS,
    TOKENIZER,
    TOKENIZER_CONFIG,
    first_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Answer = TypeVar("Answer")

TIMEOUT = 10.0  # seconds
_LONGEST_WAIT = 10.0  # seconds before a request is tried again
_LARGEST = 64 << 20  # bytes of a file that is fetched
_SMALL = {CONFIG, TOKENIZER_CONFIG, SPECIAL_TOKENS, TOKENIZER, CHAT_TEMPLATE, GENERATION_CONFIG}
_FORMATS = (  # files at the top of a repository that transformers or others take weights from
    ("safetensors", re.compile(r"[^/]+\.safetensors")),
    ("pickle", re.compile(r"(?:pytorch_model|adapter_model|diffusion_pytorch_model)[^/]*\.bin")),
    ("gguf", re.compile(r"[^/]+\.gguf")),
    ("tensorflow", re.compile(r"tf_model[^/]*\.h5")),
    ("flax", re.compile(r"flax_model[^/]*\.msgpack")),
    ("onnx", re.compile(r"(?:.*/)?[^/]+\.onnx")),
)


class HubError(Exception):
    """Why something could not be had from the hub; one line.

    Attributes:
        lasting: whether asking again will not help.
        down: whether asking for anything else will not help, either.
        wait: seconds after which the hub wants to be asked again; None where trying again at once is no use.
    """

    def __init__(self, reason: str, *, lasting: bool = False, down: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.lasting, self.down, self.wait = lasting, down, wait


@dataclass(slots=True)
class _Repository:
    """The small files of a repository at one commit."""

    fetch: Callable[[str], bytes]
    sizes: Mapping[str, int | None]
    cached: Snapshot | None
    contents: dict[str, bytes | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def read(self, name: str, limit: int | None = None) -> bytes | None:
        """As `Files.read`; raises HubError where the hub fails for a while."""
        if name not in self.contents:
            self.contents[name] = self._content(name)
        data = self.contents[name]
        return data if limit is None or data is None else data[:limit]

    def lacks(self, name: str) -> bool:
        """As `Files.lacks`: the listing is complete."""
        return name not in self.sizes

    def note(self, text: str) -> None:
        """As `Files.note`."""
        if text not in self.notes:
            self.notes.append(text)

    def _content(self, name: str) -> bytes | None:
        if self.lacks(name) or name not in _SMALL:
            return None
        if (self.sizes[name] or 0) > _LARGEST:
            self.note(f"{name} is too large to be fetched")
            return None
        known = self.cached.read(name) if self.cached else None
        if known is not None:
            return known
        try:
            return self.fetch(name)
        except HubError as error:
            if not error.lasting:
                raise
            self.note(f"{name}: {error}")
            return None


class Hub:
    """The hub that HF_ENDPOINT names."""

    def __init__(
        self, *, endpoint: str | None = None, cache: Path | None = None, waits: tuple[float, ...] = (1.0, 3.0)
    ) -> None:
        """With another endpoint or local cache than the environment says, and the pauses between attempts in seconds.

        Raises:
            HubError: huggingface_hub is not installed.
        """
        try:
            library: Any = importlib.import_module("huggingface_hub")
            self._utils: Any = importlib.import_module("huggingface_hub.utils")
        except ImportError:
            raise HubError(
                "huggingface_hub is not installed: pip install 'hflint[lock]'", lasting=True, down=True
            ) from None
        self._utils.logging.set_verbosity_error()
        constants: Any = importlib.import_module("huggingface_hub.constants")
        constants.HF_HUB_DISABLE_TELEMETRY = True  # or it asks the hub for more than is locked
        self._library = library
        self._api = library.HfApi(endpoint=endpoint, library_name="hflint")
        self._cache = LocalCache(cache)
        self._waits = waits
        self._down = threading.Event()
        self._why_down = ""

    def model(self, model_id: str, revision: str | None = None) -> tuple[ModelRecord, list[str]]:
        """What the hub says of a model at a branch, tag or commit, and what is wrong with its files.

        Raises:
            HubError: it says nothing.
        """
        info = self._ask(lambda: self._model_info(model_id, revision))
        commit = first_text(vars(info), "sha")
        sizes = {one.rfilename: one.size for one in info.siblings or ()}
        if commit is None:
            raise HubError("the hub does not say its commit", lasting=True)
        cached = self._cache.snapshot(model_id, commit)
        repository = _Repository(lambda name: self._fetch(model_id, commit, name), sizes, cached)
        if info.id != model_id:
            repository.note(f"is called {info.id} now")
        stored = info.safetensors.parameters if info.safetensors else {}
        known = {"commit": commit, "gated": _gated(info), "license": _license(info), "weights": _weights(sizes)}
        record = read_record(repository, tensors=stored, count_tokens=True, **known)
        return _with_summary(record, info.config or {}), repository.notes

    def dataset(self, dataset_id: str, revision: str | None = None) -> tuple[DatasetRecord, list[str]]:
        """What the hub says of a dataset; as `model`."""
        info = self._ask(lambda: self._api.dataset_info(dataset_id, revision=revision, timeout=TIMEOUT))
        notes = [f"is called {info.id} now"] if info.id != dataset_id else []
        return DatasetRecord(first_text(vars(info), "sha"), _gated(info), _license(info)), notes

    def _model_info(self, model_id: str, revision: str | None) -> Any:
        return self._api.model_info(model_id, revision=revision, files_metadata=True, timeout=TIMEOUT)

    def _fetch(self, model_id: str, commit: str, name: str) -> bytes:
        url = self._library.hf_hub_url(model_id, name, revision=commit, endpoint=self._api.endpoint)
        headers = self._utils.build_hf_headers(library_name="hflint")

        def get() -> bytes:
            response = self._utils.get_session().get(url, headers=headers, timeout=TIMEOUT)
            self._utils.hf_raise_for_status(response)
            content: bytes = response.content
            return content

        return self._ask(get)

    def _ask(self, call: Callable[[], Answer]) -> Answer:
        """The answer to a call, tried again where that may help; once the hub is down, nothing is asked any more."""
        for pause in (*self._waits, None):
            if self._down.is_set():
                raise HubError(f"not asked: {self._why_down}", down=True)
            try:
                return call()
            except Exception as error:  # noqa: BLE001 - of either HTTP library, by release of huggingface_hub
                failure = self._failure(error)
            if failure.wait is None or pause is None or failure.wait > _LONGEST_WAIT:
                break
            time.sleep(max(pause, failure.wait))
        if failure.down:
            self._why_down = str(failure)
            self._down.set()
        raise failure

    def _failure(self, error: Exception) -> HubError:
        """What an exception means for somebody who asks."""
        errors, where = self._library.errors, self._api.endpoint
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if isinstance(error, errors.GatedRepoError):
            return HubError("gated: accept its terms on the hub and set HF_TOKEN", lasting=True)
        if isinstance(error, errors.RepositoryNotFoundError):
            return HubError("not on the hub, or private (then set HF_TOKEN)", lasting=True)
        if isinstance(error, errors.HFValidationError):
            return HubError("no valid id", lasting=True)
        if isinstance(error, errors.RevisionNotFoundError):
            return HubError("has no such revision", lasting=True)
        if isinstance(error, errors.EntryNotFoundError | errors.DisabledRepoError):
            return HubError("no longer there" if status == 404 else "access is disabled", lasting=True)
        if isinstance(error, errors.OfflineModeIsEnabled):
            return HubError("HF_HUB_OFFLINE is set", down=True)
        if status == 401:
            return HubError("the hub does not accept HF_TOKEN", down=True)
        if status == 403:
            return HubError("access is forbidden to this token", lasting=True)
        if status == 429:
            return HubError(
                "the hub limits the rate of requests; try again later", down=True, wait=_retry_after(response)
            )
        if isinstance(status, int):
            return HubError(f"the hub answered {status}", wait=0.0 if status >= 500 else None)
        if "Timeout" in type(error).__name__:
            return HubError(f"{where} did not answer in {TIMEOUT:.0f} s", wait=0.0)
        if isinstance(error, OSError) and error.filename:  # such as a token that cannot be read
            return HubError(f"{error.filename}: {error.strerror or error}", down=True)
        if isinstance(error, KeyError | TypeError | ValueError | AttributeError):
            return HubError(f"{where} does not answer as a hub does", wait=None)
        return HubError(f"{where} cannot be reached", down=True)


def _retry_after(response: Any) -> float:
    try:
        return float(response.headers.get("Retry-After", 0))
    except (AttributeError, TypeError, ValueError):
        return 0.0


def _gated(info: Any) -> bool | None:
    return None if info.gated is None else bool(info.gated)  # False, "auto" or "manual"


def _license(info: Any) -> str | None:
    """As the card says it, else as the tags do; the name of one of the publisher's own."""
    card = info.card_data.to_dict() if info.card_data else {}
    named = first_text(card, "license_name") if card.get("license") in (None, "other") else None
    tags = (tag.removeprefix("license:") for tag in info.tags or () if tag.startswith("license:"))
    return named or first_text(card, "license") or next(tags, None)


def _weights(sizes: Mapping[str, int | None]) -> dict[str, int]:
    """Bytes by format."""
    found: dict[str, int] = {}
    for name, size in sizes.items():
        kind = next((kind for kind, pattern in _FORMATS if pattern.fullmatch(name)), None)
        if kind:
            found[kind] = found.get(kind, 0) + (size or 0)
    return found


def _with_summary(record: ModelRecord, config: Mapping[str, Any]) -> ModelRecord:
    """With what the hub's own summary of the config says where the config itself could not be read, as for gated models."""
    if record.model_type is not None:
        return record
    names = config.get("architectures")
    return replace(
        record,
        model_type=first_text(config, "model_type"),
        architectures=tuple(str(name) for name in names) if isinstance(names, list) else (),
    )
