"""Releases of two libraries that pip will not install together, or that it installs and that do not work."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from hflint.facts.requirements import required_by
from hflint.facts.sources import canonical
from hflint.facts.together import compatible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.facts.versions import Range, Versions


@dataclass(frozen=True, slots=True)
class Pair:
    """Releases that do not work together, though each allows the other.

    Attributes:
        library: the one that is too old.
        releases: specifier of those releases of it.
        other: the library that they do not work with.
        beside: specifier of those releases of that.
        used: what fails: "import" of the library, a "load" of a model, "training", a "quantized" load; else the end of an imported name.
        raised: what happens, for the end of a message.
        source: where that was read, or how it was found out.
    """

    library: str
    releases: str
    other: str
    beside: str
    used: str
    raised: str
    source: str


_DISABLED = "transformers does as if there was no torch, and loading a model raises an `ImportError`"
_NO_ACCELERATE = "`TrainingArguments` raises an `ImportError`"
_IMPORT_UTILS = "transformers/utils/import_utils.py of each release; 4.57.6 and 5.23.0 run with older ones"
PAIRS = (
    Pair(
        "peft",
        ">=0.16,<0.18",
        "transformers",
        ">=5.0",
        "import",
        "importing peft raises `ImportError: cannot import name 'HybridCache' from 'transformers'`",
        "peft 0.16.0, 0.17.0 and 0.17.1 run with transformers 5.23.0",
    ),
    Pair(
        "trl",
        ">=0.10,<0.23",
        "transformers",
        ">=5.0",
        "DPOTrainer",
        "importing it raises `ImportError: cannot import name 'MODEL_FOR_VISION_2_SEQ_MAPPING_NAMES'`",
        "trl 0.10.1 to 0.22.0 run with transformers 5.23.0; transformers/models/auto/modeling_auto.py",
    ),
    Pair("accelerate", "<0.21", "transformers", ">=4.40", "training", _NO_ACCELERATE, _IMPORT_UTILS),
    Pair("accelerate", "<0.26", "transformers", ">=4.45", "training", _NO_ACCELERATE, _IMPORT_UTILS),
    Pair("accelerate", "<1.1", "transformers", ">=5.0", "training", _NO_ACCELERATE, _IMPORT_UTILS),
    Pair(
        "bitsandbytes",
        "<0.46.1",
        "transformers",
        ">=5.0",
        "quantized",
        "loading raises an `ImportError` that asks for bitsandbytes 0.46.1",
        "transformers/quantizers/quantizer_bnb_4bit.py, quantizer_bnb_8bit.py",
    ),
    Pair("torch", "<2.1", "transformers", ">=4.52.1", "load", _DISABLED, _IMPORT_UTILS),
    Pair("torch", "<2.2", "transformers", ">=5.0", "load", _DISABLED, _IMPORT_UTILS),
    Pair("torch", "<2.4", "transformers", ">=5.1", "load", _DISABLED, _IMPORT_UTILS),
    Pair("torch", "<2.5", "transformers", ">=5.15", "load", _DISABLED, _IMPORT_UTILS),
    Pair("torch", "<2.6", "transformers", ">=5.20", "load", _DISABLED, _IMPORT_UTILS),
)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two libraries whose allowed releases do not go together.

    Attributes:
        library, other: the ranges; of `other` only what pip may choose.
        needs: what the releases of `library` require of `other`, where pip refuses.
        pair: what does not work, where pip does not refuse.
    """

    library: Range
    other: Range
    needs: str = ""
    pair: Pair | None = None


def refused(versions: Versions) -> Iterator[Conflict]:
    """Libraries of whose allowed releases pip installs none beside any that is allowed of another.

    What is installed already is not asked; nor is a target of the settings held against what the project says, which would change with it.
    """
    stated = [
        one for one in (versions[name] for name in versions) if one.stated and not one.installed and not one.commit
    ]
    for one, other in permutations(stated, 2):
        needs = {required_by(canonical(one.library), release).get(canonical(other.library)) for release in one.releases}
        if (
            one.asked == other.asked
            and all(needs)
            and not any(
                compatible(one.library, release, other.library, beside)
                for release in reversed(one.releases)
                for beside in reversed(other.releases)
            )
        ):
            yield Conflict(one, other, min(map(str, needs)))


def broken(versions: Versions) -> Iterator[Conflict]:
    """Libraries that are installed in releases which do not work together, whichever of those allowed pip chooses; targets as in `refused`."""
    for pair in PAIRS:
        library, other = versions[pair.library], versions[pair.other]
        known = library.stated and not library.commit and not other.commit
        if known and library.all(pair.releases) and (library.asked == other.asked or not other.stated):
            chosen = other if other.stated and other.all(pair.beside) else _chosen(other, versions)
            if chosen is not None and chosen.all(pair.beside):
                yield Conflict(library, chosen, pair=pair)


def _chosen(allowed: Range, versions: Versions) -> Range | None:
    """The release of a library that pip chooses: the newest that goes with the others.

    None where there is none, or where a package that is not known may hold it back.
    """
    if not versions.declared.brings(canonical(allowed.library)) or allowed.installed or allowed.commit:
        return None
    others = [one for one in (versions[name] for name in versions) if one.stated and one.library != allowed.library]
    for release in reversed(allowed.releases):
        if all(
            any(compatible(allowed.library, release, one.library, beside) for beside in one.releases) for one in others
        ):
            return allowed.narrowed(f"=={release}") if len(allowed.releases) > 1 else allowed
    return None
