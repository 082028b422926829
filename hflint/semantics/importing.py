"""Imports, and the other modules of the project that a program is followed into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.assignment import Assignment
from hflint.semantics.catalog import KNOWN_ROOTS, LIBRARIES
from hflint.semantics.module import SyntaxProblem
from hflint.semantics.objects import Import
from hflint.semantics.scopes import Function, Imported, Package, Scope
from hflint.semantics.syntax import dotted
from hflint.semantics.values import UNKNOWN, Symbol, Unknown, Value, default_or

if TYPE_CHECKING:
    from collections.abc import Callable

    from hflint.semantics.module import Module
    from hflint.semantics.project import Foreign, Modules


FOREIGN = 80  # statements of other modules that one program is followed into


class Imports(Assignment):
    """Names that other modules offer."""

    def __init__(self, module: Module, modules: Modules | None = None) -> None:
        super().__init__(module)
        self.modules = modules
        self.scopes: dict[Foreign, Scope] = {}  # of the project's other modules
        self.loaded: set[tuple[Foreign, int]] = set()  # their statements that were followed
        self.farthest = FOREIGN
        self.starred: set[tuple[Foreign, str]] = set()  # names looked for behind their star imports

    def _import(self, node: tree.Import | tree.ImportFrom) -> None:
        if isinstance(node, tree.Import):
            for alias in node.names:
                name = dotted(alias.name)
                bound = alias.asname.name.value if alias.asname and isinstance(alias.asname.name, tree.Name) else None
                self._bind_import(
                    alias, name, bound or name.partition(".")[0], name if bound else name.partition(".")[0]
                )
            return
        module = f"{'.' * len(node.relative)}{dotted(node.module) if node.module is not None else ''}"
        if isinstance(node.names, tree.ImportStar):
            self._import_star(module)
            return
        for alias in node.names:
            name = f"{module}{alias.name.value}" if module.endswith(".") else f"{module}.{alias.name.value}"
            bound = (
                alias.asname.name.value
                if alias.asname and isinstance(alias.asname.name, tree.Name)
                else str(alias.name.value)
            )
            self._bind_import(alias, name, bound, name)

    def _import_star(self, name: str) -> None:
        """A star import from a module of the project binds its names when they are asked for; of other modules nothing is known."""
        found = self.modules.find(self.module.source.path, name) if self.modules is not None else None
        if found is None or found[0] is None or found[1]:
            if name.partition(".")[0] not in KNOWN_ROOTS:  # it may bind names anew; imported ones are seldom meant
                names = self.scope.names
                names.update(
                    {
                        key: default_or(held, "star import")
                        for key, held in names.items()
                        if not isinstance(held, Symbol)
                    }
                )
            return
        other, before, own = found[0], self.scope.load, self.scope

        def load(wanted: str) -> None:
            if before is not None:
                before(wanted)
            value = self.scope_of(other).own(wanted) if wanted not in own.names else None
            if value is not None:
                own.names[wanted] = value

        self.scope.load = load

    def _bind_import(self, alias: tree.ImportAlias, name: str, bound: str, stands_for: str) -> None:
        value = self.imported(stands_for, alias)
        if name.partition(".")[0] in LIBRARIES and isinstance(value, Symbol):
            self.record(Import(self.place(alias), self.where(), name, bound))
        self.scope.names[bound] = value

    SMALL: ClassVar[dict[type, Callable[[Any, Any], bool | None]]] = {
        **Assignment.SMALL,
        tree.Import: _import,
        tree.ImportFrom: _import,
    }

    # Modules of the project

    def imported(self, name: str, node: tree.Node) -> Value:
        """What an import binds: a symbol of a library, or something of the project that is looked up when it is used."""
        importer = self.module.source.path
        found = self.modules.find(importer, name) if self.modules is not None else None
        if found is None:
            return (
                Unknown(f"{name} is another module of the project")
                if name.startswith(".")
                else Symbol(name, self.place(node))
            )
        module, rest = found
        return Package(module, name, importer) if module is None or not rest else Imported(module, rest)

    def look_up(self, wanted: Imported) -> Value:
        """The value of a name in a module of the project, which is followed as far as the name needs it."""
        name, _, rest = wanted.name.partition(".")
        value = self.scope_of(wanted.module).own(name) or Unknown(f"{name} of another module")
        if isinstance(value, Imported):
            value = self.look_up(value) if (value.module, value.name) != (wanted.module, wanted.name) else UNKNOWN
        return self.attribute_of(value, rest, self.module.tree) if rest else value

    def package_attribute(self, package: Package, name: str) -> Value:
        """An attribute of an imported module: one of its names, else a module below it."""
        value = self.scope_of(package.module).own(name) if package.module is not None else None
        if value is not None:
            return self.look_up(value) if isinstance(value, Imported) else value
        found = self.modules.find(package.importer, f"{package.name}.{name}") if self.modules is not None else None
        if found is None or found[1]:
            return Unknown(f"{name} of another module")
        return Package(found[0], f"{package.name}.{name}", package.importer)

    def scope_of(self, module: Foreign) -> Scope:
        """The names of a module of the project, each bound when it is asked for."""
        if module not in self.scopes:
            scope = self.scopes[module] = Scope()
            self.holders.append(scope)
            scope.load = lambda name: self._load(module, scope, name)
        return self.scopes[module]

    def _load(self, module: Foreign, scope: Scope, name: str) -> None:
        """Follow the statements of another module that bind a name; modules that import each other find nothing the second time."""
        for number, part in module.binding(name):
            if (module, number) not in self.loaded and len(self.loaded) < self.farthest and parses(part):
                self.loaded.add((module, number))
                followed, self.memo = self.memo, {}  # what it binds changes nothing of what was followed before
                self.follow_statements(part, scope)
                self.memo = followed
        if name not in scope.names and (module, name) not in self.starred:
            self.starred.add((module, name))
            for star in module.stars:
                found = self.modules.find(module.source.path, star) if self.modules is not None else None
                value = (
                    self.scope_of(found[0]).own(name)
                    if found is not None and found[0] is not None and not found[1]
                    else None
                )
                if value is not None:
                    scope.names[name] = value

    def follow_statements(self, part: Module, scope: Scope) -> list[Function]:
        """Follow top-level statements of another module. The functions found: what nothing here calls is for the other module's own check."""
        pending = len(self.pending)
        registers: dict[str, object] = {
            "scope": scope,
            "module": part,
            "function_name": "",
            "loops": (),
            "contexts": (),
            "guards": (),
            "path": (),
            "activation": 0,
            "returns": [],
            "yields": [],
            "active": [],
            "instance": None,
            "later_guards": (),
        }
        outer_class, self.defining = self.defining, None
        try:
            with self.entering(**registers):
                self.block(part.tree.body)
        finally:
            self.defining = outer_class
            found = self.pending[pending:]
            del self.pending[pending:]
        return found


def parses(module: Module) -> bool:
    """Whether a module's statements can be read."""
    try:
        return module.tree is not None
    except SyntaxProblem:
        return False
