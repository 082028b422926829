"""Say where two folders of tables of changes differ, an entry a line; for whoever makes the tables anew to judge by.

python scripts/facts/compare.py OLD NEW
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Entries = dict[tuple[str, str, str], dict[str, Any]]


def entries(folder: Path) -> Entries:
    """All entries of a folder's tables of changes by table, owner and name."""
    found: Entries = {}
    for path in sorted(folder.glob("*.json")):
        table = json.loads(path.read_text("utf-8"))
        for owner, names in table.get("changes", {}).items():
            found |= {(path.stem, owner, name): entry for name, entry in names.items()}
        for owner, parent in table.get("inherits", {}).items():
            found[path.stem, owner, "(inherits)"] = parent
    return found


def differences(old: Entries, new: Entries) -> Iterator[str]:
    """What went, came, or is said otherwise."""
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        where = f"{key[0]}: {key[1]}.{key[2]}"
        if before is None:
            yield f"+ {where} {json.dumps(after)}"
        elif after is None:
            yield f"- {where} {json.dumps(before)}"
        else:
            fields = sorted(field for field in {*before, *after} if before.get(field) != after.get(field))
            changed = (f"{field} {json.dumps(before.get(field))} -> {json.dumps(after.get(field))}" for field in fields)
            if fields:
                yield f"~ {where} {'; '.join(changed)}"


if __name__ == "__main__":
    for line in differences(*map(entries, map(Path, sys.argv[1:3]))):
        print(line)
