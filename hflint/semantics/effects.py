"""What code does to objects: changes that are seen, and unknown code that may do anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.commandline import Namespace
from hflint.semantics.objects import Change, LibraryCall, Part
from hflint.semantics.scopes import Bound, Class, Function, Instance
from hflint.semantics.state import State
from hflint.semantics.values import UNKNOWN, Items, Known, Symbol, Table, Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hflint.semantics import tree


class Effects(State):
    """What is done to objects."""

    def change(self, target: LibraryCall, kind: str, name: str, value: Value, node: tree.Node) -> None:
        """Note something done to an object, once for a place."""
        if not any(c.place.node is node and c.kind == kind and c.name == name for c in target.changes):
            target.changes.append(Change(kind, name, value, self.place(node), self.where(), self.happens(target.where)))

    def escape(self, values: Iterable[Value], name: str, node: tree.Node) -> None:
        """Note that unknown code got hold of the objects in some values."""
        for value in values:
            for reached in _contained(value):
                self.change(reached, "escape", name, UNKNOWN, node)
            self._loosen(value)

    def set_attribute(self, target: Value, name: str, value: Value, node: tree.Node) -> None:
        """Assign an attribute of a value."""
        with self.guarded(conditional=len(target.alternatives) > 1):
            for one in target.alternatives:
                self._set_attribute(one, name, value, node)

    def _set_attribute(self, target: Value, name: str, value: Value, node: tree.Node) -> None:
        if isinstance(target, LibraryCall):
            self.change(target, "set", name, value, node)
            if isinstance(value, LibraryCall):
                self.escape([value], f"{type(target).__name__}.{name}", node)
        elif isinstance(target, Part):
            self.change(target.of, "set", f"{target.path}.{name}", value, node)
        elif isinstance(target, Instance) and isinstance(target.cls.find(name), Function):
            self.escape([value], f"the setter of {name}", node)
            target.forget()
        elif isinstance(target, Instance | Namespace):
            if target is self.instance:
                self.scope.touched.append((target, name, target.names.get(name), value))
            if target is self.instance or self.happens(target):
                target.names[name] = value
            else:
                target.weaken(name, value)
        elif isinstance(target, Class):
            self.memo = {}
            if self.path:
                target.scope.weaken(name, value)
            else:
                target.scope.names[name] = value
        elif isinstance(target, Symbol):
            self.patched.add(f"{target.name}.{name}")
            self.escape([value], f"{target.name}.{name}", node)
        elif not isinstance(target, Known):
            self.escape([value], f"an attribute {name}", node)

    def _loosen(self, value: Value, depth: int = 2) -> None:
        """Let everything that can be changed in place, and what it holds, have another content from now on."""
        for one in value.alternatives:
            if isinstance(one, Items | Table) and depth:
                for held in one.items if isinstance(one, Items) else one.entries.values():
                    self._loosen(held, depth - 1)
            if isinstance(one, Table | Items | Namespace) or (isinstance(one, Instance) and one is not self.instance):
                one.loosen()


def _contained(value: Value, depth: int = 3) -> Iterator[LibraryCall]:
    """The objects that can be reached through a value handed over."""
    for one in value.alternatives:
        if isinstance(one, LibraryCall):
            yield one
        elif isinstance(one, Part) and not one.path.endswith("()") and "token" not in one.path.rpartition(".")[2]:
            yield one.of
        elif depth and isinstance(one, Items):
            for item in one.items:
                yield from _contained(item, depth - 1)
        elif depth and isinstance(one, Table):
            for item in one.entries.values():
                yield from _contained(item, depth - 1)
        elif depth and isinstance(one, Instance | Namespace):
            for item in list(one.names.values()):
                yield from _contained(item, depth - 1)
        elif depth and isinstance(one, Bound):
            yield from _contained(one.instance, depth - 1)
