"""What assignments bind and change: names, attributes, items, and several of them at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.calls import Calls
from hflint.semantics.objects import LibraryCall, Part
from hflint.semantics.scopes import Class, Function, Instance
from hflint.semantics.values import MISSING, UNKNOWN, Items, Known, Symbol, Table, Unknown, Value, join

if TYPE_CHECKING:
    from collections.abc import Callable


class Assignment(Calls):
    """Evaluation of assignments."""

    def _assigned(self, node: tree.Assign) -> None:
        value = self.evaluate(node.value)
        for target in node.targets:
            self.assign(target.target, value)

    def _augmented(self, node: tree.AugAssign) -> None:
        right = self.evaluate(node.value)
        left = self.scope.find(node.target.value) if isinstance(node.target, tree.Name) else None
        value: Value = UNKNOWN
        if isinstance(node.operator, tree.AddAssign) and isinstance(left, Items) and isinstance(right, Items):
            certain = self.happens(left)
            left.items, left.complete = left.items + right.items, left.complete and right.complete and certain
            return
        if isinstance(node.operator, tree.BitOrAssign) and isinstance(left, Table) and isinstance(right, Table):
            if not right.complete:
                left.loosen()
            for key, one in right.entries.items():
                left.put(key, one, certain=self.happens(left))
            return
        if isinstance(left, Items | Table):
            left.loosen()
        elif isinstance(node.operator, tree.AddAssign) and left is not None and not self.loops:
            both = left.constant, right.constant
            value = Known(both[0] + both[1], self.place(node)) if all(isinstance(one, str) for one in both) else UNKNOWN
        self.assign(node.target, value)

    def _deleted(self, node: tree.Del) -> None:
        self._delete(node.target)

    def assign(self, target: tree.Expression, value: Value) -> None:
        """Bind a target to a value."""
        if isinstance(target, tree.Name):
            if (outer := self.scope.outer.get(target.value)) is not None:
                known = outer.own(target.value)
                self.scope.touched.append((outer, target.value, known, value))
                outer.names[target.value] = value if outer in self.scope.shared else join(known, value)
                self.memo = {}
                if outer is self.top:
                    self.global_writes[target.value] = join(self.global_writes.get(target.value), value)
            else:
                self.scope.names[target.value] = value
        elif isinstance(target, tree.Attribute):
            self.set_attribute(self.evaluate(target.value), target.attr.value, value, target)
        elif isinstance(target, tree.Tuple | tree.List):
            self._unpack(target, value)
        elif isinstance(target, tree.Subscript):
            self._store_item(target, value)
        elif isinstance(target, tree.StarredElement):
            self.assign(target.value, value)

    def _unpack(self, target: tree.Tuple | tree.List, value: Value) -> None:
        names = [element.value for element in target.elements]
        star = next((at for at, one in enumerate(target.elements) if isinstance(one, tree.StarredElement)), None)
        rows = [self._row(one, len(names), star) for one in value.alternatives]
        known = [row for row in rows if row != ()] or [None]  # of another length, it raises
        for position, name in enumerate(names):
            loose = [
                self._loose_item(one, position)
                for one, row in zip(value.alternatives, rows, strict=True)
                if row is None
            ]
            self.assign(name, join(*(row[position] for row in known if row), *loose))

    def _row(self, value: Value, count: int, star: int | None) -> tuple[Value, ...] | None:
        """The items that several targets get; empty where there are too many or too few, None where they are not known."""
        if isinstance(value, Instance) and value.cls.is_record:
            fields = value.cls.all_fields()
            return tuple(value.names.get(name, UNKNOWN) for name in fields) if len(fields) == count else None
        if isinstance(value, Items) and not value.complete and value.uniform and value.items and star is None:
            return (value.any_item,) * count
        if not isinstance(value, Items) or not value.complete:
            return None
        items = value.items
        if star is None:
            return items if len(items) == count else ()
        if len(items) < count - 1:
            return ()
        rest = len(items) - count + 1
        return (*items[:star], self.own(Items(items[star : star + rest])), *items[star + rest :])

    @staticmethod
    def _loose_item(value: Value, position: int) -> Value:
        if isinstance(value, LibraryCall):
            return Part(value, f"[{position}]")
        if isinstance(value, Part):
            return Part(value.of, f"{value.path}.[{position}]")
        return UNKNOWN

    def _store_item(self, target: tree.Subscript, value: Value | None) -> None:
        holder = self.evaluate(target.value)
        index = target.slice[0].slice
        key = self.evaluate(index.value).constant if isinstance(index, tree.Index) else MISSING
        for one in holder.alternatives:
            certain = len(holder.alternatives) == 1
            if isinstance(one, Table):
                self._store_key(one, key, value, certain=certain and self.happens(one))
            elif isinstance(one, Items):
                one.loosen()
            elif isinstance(one, LibraryCall | Part):
                name = key if isinstance(key, str) else "[]"
                whole, path = (one, name) if isinstance(one, LibraryCall) else (one.of, f"{one.path}.{name}")
                self.change(whole, "set", path, value or UNKNOWN, target)
            elif isinstance(one, Symbol) and one.name == "globals()":
                self.top.names = {
                    name: held if isinstance(held, Symbol | Function | Class) else Unknown("globals()")
                    for name, held in self.top.names.items()
                }
            elif value is not None:
                self.escape([value], "a container", target)

    @staticmethod
    def _store_key(table: Table, key: Any, value: Value | None, *, certain: bool) -> None:
        if key is MISSING or isinstance(key, float):
            table.loosen()
        elif value is None:
            table.drop(key, certain=certain)
        else:
            table.put(key, value, certain=certain)

    def _delete(self, target: tree.Expression) -> None:
        if isinstance(target, tree.Name):
            self.scope.names.pop(target.value, None)
        elif isinstance(target, tree.Tuple):
            for element in target.elements:
                self._delete(element.value)
        elif isinstance(target, tree.Subscript):
            self._store_item(target, None)

    SMALL: ClassVar[dict[type, Callable[[Any, Any], bool | None]]] = {
        tree.Assign: _assigned,
        tree.AugAssign: _augmented,
        tree.Del: _deleted,
    }
