"""Names, and the attributes and items of values."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.catalog import KNOWN_ROOTS, LIBRARIES
from hflint.semantics.commandline import Namespace
from hflint.semantics.documents import FilePath, Settings, path_attribute
from hflint.semantics.effects import Effects
from hflint.semantics.hooks import is_trainer
from hflint.semantics.installed import Feature, LibraryVersion
from hflint.semantics.objects import (
    Adapter,
    AttributeUse,
    ConfigLoad,
    LibraryCall,
    ModelLoad,
    NameUse,
    Part,
    TokenizerLoad,
)
from hflint.semantics.scopes import Bound, Class, Cut, Function, Imported, Inherited, Instance, Maker, Package, Parent
from hflint.semantics.values import (
    ABSENT,
    MISSING,
    UNKNOWN,
    Items,
    Known,
    OneOf,
    Symbol,
    Table,
    Unknown,
    Value,
    bare,
    default_or,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_BUILTINS = frozenset(dir(__builtins__) if not isinstance(__builtins__, dict) else __builtins__)


_CONSTANTS = {"True": True, "False": False, "None": None}


class Attributes(Effects):
    """What a name, an attribute or an item stands for."""

    def _name(self, node: tree.Name) -> Value:
        if node.value in _CONSTANTS:
            return Known(_CONSTANTS[node.value], self.place(node))
        found = self.scope.find(node.value)
        if isinstance(found, Imported):
            return self.look_up(found)
        if isinstance(found, OneOf) and any(isinstance(one, Imported) for one in found.values):
            return join(*(self.look_up(one) if isinstance(one, Imported) else one for one in found.values))
        if found is not None:
            return found
        if node.value == "__file__":
            return FilePath(PurePosixPath(self.module.source.path.absolute()))
        if node.value in _BUILTINS:
            return Symbol(node.value, self.place(node))
        return Unknown(f"{node.value} is not defined in this file")

    def _attribute(self, node: tree.Attribute) -> Value:
        return self.attribute_of(self.evaluate(node.value), node.attr.value, node)

    def attribute_of(self, value: Value, name: str, node: tree.Node) -> Value:
        """The attribute of a value."""
        if value.__class__ is Unknown:  # most of them
            return UNKNOWN
        if isinstance(value, OneOf):
            choices = bare(value).alternatives
            with self.among(len(choices)):
                return join(*(self.attribute_of(one, name, node) for one in choices))
        if isinstance(value, Symbol):
            return self._symbol_attribute(value, name, node)
        if isinstance(value, LibraryCall):
            return self._object_attribute(value, name, node)
        if isinstance(value, Part):
            path = f"{value.path}.{name}"
            return self._last_set(value.of, path) or _origin(value.of, path) or Part(value.of, path, self.place(node))
        if isinstance(value, Instance):
            return self._instance_attribute(value, name)
        if isinstance(value, Class):
            found = value.find(name)
            if isinstance(found, Function) and _decorated_as(found, "classmethod"):
                return Bound(found, value)
            if found is None and name in ("from_pretrained", "from_config") and value.foreign_bases():
                return Maker(value, name)
            return Unknown(f"{value.name} has no {name} here") if found is None else found
        if isinstance(value, Parent):
            found = value.find(name)
            if found is None and isinstance(value.instance, Instance) and is_trainer(value.instance.cls):
                return Inherited(value.instance, name)
            return Bound(found, value.instance) if isinstance(found, Function) else found or UNKNOWN
        if isinstance(value, Namespace):
            return value.get(name)
        if isinstance(value, Package):
            return self.package_attribute(value, name)
        if isinstance(value, FilePath):
            return path_attribute(value, name)
        if isinstance(value, Settings):
            return value.get(name)
        if isinstance(value, LibraryVersion):
            return LibraryVersion(value.library, whole=False)
        if isinstance(value, Feature):
            return value
        if isinstance(value, Known) and name == "value":  # an enum's member
            return value
        if isinstance(value, Items) and name in value.names and value.complete:
            return value.items[value.names.index(name)]
        return UNKNOWN

    def _symbol_attribute(self, value: Symbol, name: str, node: tree.Node) -> Value:
        full = f"{value.name}.{name}"
        library = value.name.partition(".")[0]
        if name == "__version__":
            return LibraryVersion(library)
        if library in LIBRARIES and value.name.rpartition(".")[2][:1].islower():
            self.record(NameUse(self.place(node), self.where(), full))
        return Symbol(full, self.place(node))

    def _object_attribute(self, value: LibraryCall, name: str, node: tree.Node) -> Value:
        place = self.place(node)
        self.record(AttributeUse(place, self.where(), value, name))
        if (last := self._last_set(value, name)) is not None:
            return last
        if name == "module" and value.library == "transformers":  # taken out of `DataParallel` and the like
            return value
        if value.custom_class is not None:
            found = value.custom_class.find(name)
            if isinstance(found, Function):
                return Bound(found, value.custom_class.instance)
            fields = value.custom_class.all_fields()
            if name in fields and not value.changed(name, kind="set"):
                return value.arguments.get(name) or default_or(fields[name] or UNKNOWN, "field")
        return _origin(value, name) or Part(value, name, place)

    def _last_set(self, value: LibraryCall, path: str) -> Value | None:
        """What an attribute was certainly set to before."""
        last = value.changed(path, kind="set")
        return last[-1].value if last and self.has_happened(last[-1].where) else None

    def _instance_attribute(self, value: Instance, name: str) -> Value:
        found = self._found_in_instance(value, name)
        read = value.read.setdefault(name, [])
        if not any(found is one for one in read):
            read.append(found)
        return found

    def _found_in_instance(self, value: Instance, name: str) -> Value:
        if name == "__dict__":
            value.forget()
        if name in value.names:
            return value.names[name]
        if value.cls.is_record and name in (fields := value.cls.all_fields()):
            return default_or(fields[name] or UNKNOWN, "field")
        found = value.cls.find(name)
        if isinstance(found, Function):
            if any(
                isinstance(d, Symbol) and d.name in ("property", "functools.cached_property") for d in found.decorators
            ):
                return self.call_function(found, [value], {}, None)
            if any(isinstance(d, Unknown) for d in found.decorators):
                return Unknown("decorated")
            if _decorated_as(found, "staticmethod"):
                return found
            return Bound(found, value.cls if _decorated_as(found, "classmethod") else value)
        if found is not None:
            foreign = any(not isinstance(base, Symbol) or _is_strange(base) for base in value.cls.foreign_bases())
            return default_or(found, "set elsewhere") if value.is_open or foreign else found
        return Unknown(f"{value.cls.name}.{name} is not set in this file")

    def _visit_inside(self, node: tree.Node) -> Value:
        """An expression of which nothing is known; what is inside may still be of interest."""
        for child in node.children:
            if isinstance(child, tree.Expression):
                self.evaluate(child)
            elif isinstance(child, tree.Arg | tree.Element | tree.StarredElement | tree.FormattedStringExpression):
                self._visit_inside(child)
        return UNKNOWN

    # Items

    def _subscript(self, node: tree.Subscript) -> Value:
        value = self.evaluate(node.value)
        keys = [
            self.evaluate(e.slice.value) if isinstance(e.slice, tree.Index) else self._slice(e.slice)
            for e in node.slice
        ]
        key = keys[0] if len(keys) == 1 else UNKNOWN
        return join(*(self._item(one, key, node) for one in bare(value).alternatives))

    def _slice(self, node: tree.Index | tree.Slice) -> Value:
        if not isinstance(node, tree.Slice):
            return Unknown("slice")
        bounds = [
            self.evaluate(one).constant if one is not None else None for one in (node.lower, node.upper, node.step)
        ]
        known = all(one is None or type(one) is int for one in bounds) and bounds[2] != 0
        return Cut(slice(*bounds)) if known else Unknown("slice")

    def _item(self, value: Value, key: Value, node: tree.Node) -> Value:
        if isinstance(key, Cut):
            return self._cut(value, key, node)
        constant = key.constant
        if isinstance(value, Table):
            if constant is not MISSING:
                found = [one for one in value.get(constant).alternatives if one is not ABSENT]  # an absent key raises
                return join(*found) if found else Unknown(f"no key {constant!r}")
            found = [one for held in value.entries.values() for one in held.alternatives if one is not ABSENT]
            return join(*found, None if value.complete and found else UNKNOWN)
        if isinstance(value, Items):
            if type(constant) is not int or not value.complete:
                return value.any_item
            return value.items[constant] if -len(value.items) <= constant < len(value.items) else UNKNOWN
        if isinstance(value, LibraryCall | Part):
            whole, path = (value, "") if isinstance(value, LibraryCall) else (value.of, value.path)
            step = constant if isinstance(constant, str) else "[]"
            return Part(whole, f"{path}.{step}" if path else str(step), self.place(node))
        if isinstance(value, LibraryVersion):
            return LibraryVersion(value.library, whole=False)
        if isinstance(value, Feature):
            return value
        if isinstance(value, Class) and value.members:  # an enum by name
            return (value.find(constant) if isinstance(constant, str) else join(*value.members)) or UNKNOWN
        return UNKNOWN

    def _cut(self, value: Value, key: Cut, node: tree.Node) -> Value:
        """A slice of a text or a list; that of anything else is a part of it."""
        if isinstance(value, Known) and isinstance(value.value, str):
            return Known(value.value[key.bounds], self.place(node))
        if isinstance(value, Items) and (value.complete or value.uniform):
            part = value.items[key.bounds] if value.complete else value.items
            return self.own(Items(part, value.kind, value.complete, self.place(node), uniform=value.uniform))
        if isinstance(value, LibraryCall | Part):
            return self._item(value, UNKNOWN, node)
        return Unknown("slice")

    @staticmethod
    def elements(value: Value) -> tuple[Value, ...] | None:
        """What a loop over a value binds, one after another; None where that is not known."""
        if isinstance(value, Items):
            return value.items if value.complete else None
        if isinstance(value, Table):
            sure = (
                value.complete
                and not value.brings
                and not any(ABSENT in one.alternatives for one in value.entries.values())
            )
            return tuple(Known(key) for key in value.entries) if sure else None
        return (value.members or None) if isinstance(value, Class) else None

    def element_of(self, value: Value) -> Value:
        """What a loop over a value binds: one of its items where they are known."""
        if isinstance(value, Items) and value.items:
            return join(*value.items) if value.kind == "generator" else value.any_item
        if isinstance(value, Class) and value.members:
            return join(*value.members)
        if isinstance(value, Table) and value.complete and value.entries:
            return join(*(Known(key) for key in value.entries))
        if isinstance(value, Part) and value.path == "items()":
            return Items((UNKNOWN, Part(value.of, "[]")), "tuple")
        if isinstance(value, LibraryCall | Part):
            whole, path = (value, "") if isinstance(value, LibraryCall) else (value.of, value.path)
            return Part(whole, f"{path}.[]".lstrip("."))
        return Unknown("loop variable")

    EVALUATORS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        tree.Name: _name,
        tree.Attribute: _attribute,
        tree.Subscript: _subscript,
    }


_ORIGINS: dict[type[LibraryCall], tuple[str, ...]] = {
    ModelLoad: ("name_or_path", "config.name_or_path", "config._name_or_path"),
    TokenizerLoad: ("name_or_path",),
    ConfigLoad: ("name_or_path", "_name_or_path"),
}


def _origin(value: LibraryCall, path: str) -> Value | None:
    """The id that something was loaded by, where an attribute is the one that keeps it; adapters hand on that of their base."""
    if not path.endswith("name_or_path"):
        return None
    while isinstance(value, Adapter) and isinstance(value.base, LibraryCall):
        value = value.base
    if value.custom_class is not None or path not in _ORIGINS.get(type(value), ()):
        return None
    return value.argument("pretrained_model_name_or_path") if value.given("pretrained_model_name_or_path") else None


def _decorated_as(function: Function, name: str) -> bool:
    return any(isinstance(decorator, Symbol) and decorator.name == name for decorator in function.decorators)


def _is_strange(base: Symbol) -> bool:
    """Whether a base class is of a package that hflint does not know: it may set any attribute."""
    top = base.name.partition(".")[0]
    return "." in base.name and top not in KNOWN_ROOTS
