"""What an expression is worth, as far as the program shows it."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, ClassVar

import libcst as cst

from hflint.semantics.catalog import KNOWN_ROOTS, LIBRARIES
from hflint.semantics.gate import TOKEN
from hflint.semantics.objects import AttributeUse, LibraryCall, NameUse, Part, TextLiteral, TokenizerCall
from hflint.semantics.scopes import (
    Bound,
    Class,
    Feature,
    Function,
    Imported,
    Instance,
    LibraryVersion,
    Namespace,
    Package,
    Parent,
    Scope,
    VersionTest,
)
from hflint.semantics.state import State
from hflint.semantics.values import (
    ABSENT,
    MISSING,
    UNKNOWN,
    WIDEST,
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
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    cst.Add: operator.add,
    cst.Subtract: operator.sub,
    cst.Multiply: operator.mul,
    cst.Divide: operator.truediv,
    cst.FloorDivide: operator.floordiv,
    cst.Modulo: operator.mod,
    cst.Power: operator.pow,
}
_COMPARISONS: dict[type, tuple[str, str]] = {
    cst.LessThan: ("<", ">="),
    cst.LessThanEqual: ("<=", ">"),
    cst.GreaterThan: (">", "<="),
    cst.GreaterThanEqual: (">=", "<"),
    cst.Equal: ("==", "!="),
    cst.NotEqual: ("!=", "=="),
}
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_LONGEST = 2000  # characters of a string that hflint folds, and the largest number it raises to a power


class Expressions(State):
    """Evaluation of expressions; calls are in `Calls`."""

    def evaluate(self, node: cst.BaseExpression | None) -> Value:
        """The value of an expression."""
        if node is None:
            return UNKNOWN
        method = self._EVALUATORS.get(type(node))
        return method(self, node) if method else self._visit_inside(node)

    def _visit_inside(self, node: cst.CSTNode) -> Value:
        """An expression of which nothing is known; what is inside may still be of interest."""
        for child in node.children:
            if isinstance(child, cst.BaseExpression):
                self.evaluate(child)
            elif isinstance(child, cst.Arg | cst.Element | cst.StarredElement | cst.FormattedStringExpression):
                self._visit_inside(child)
        return UNKNOWN

    # Names and attributes

    def _name(self, node: cst.Name) -> Value:
        if node.value in _CONSTANTS:
            return Known(_CONSTANTS[node.value], self.place(node))
        found = self.scope.find(node.value)
        if isinstance(found, Imported):
            return self.look_up(found)
        if isinstance(found, OneOf) and any(isinstance(one, Imported) for one in found.values):
            return join(*(self.look_up(one) if isinstance(one, Imported) else one for one in found.values))
        if found is not None:
            return found
        if node.value in _BUILTINS:
            return Symbol(node.value, self.place(node))
        return Unknown(f"{node.value} is not defined in this file")

    def _attribute(self, node: cst.Attribute) -> Value:
        return self.attribute_of(self.evaluate(node.value), node.attr.value, node)

    def attribute_of(self, value: Value, name: str, node: cst.CSTNode) -> Value:
        """The attribute of a value."""
        if isinstance(value, OneOf):
            return join(*(self.attribute_of(one, name, node) for one in bare(value).alternatives))
        if isinstance(value, Symbol):
            return self._symbol_attribute(value, name, node)
        if isinstance(value, LibraryCall):
            return self._object_attribute(value, name, node)
        if isinstance(value, Part):
            return Part(value.of, f"{value.path}.{name}", self.place(node))
        if isinstance(value, Instance):
            return self._instance_attribute(value, name)
        if isinstance(value, Class):
            found = value.find(name)
            if isinstance(found, Function) and _decorated_as(found, "classmethod"):
                return Bound(found, value)
            return Unknown(f"{value.name} has no {name} here") if found is None else found
        if isinstance(value, Parent):
            found = value.find(name)
            return Bound(found, value.instance) if isinstance(found, Function) else found or UNKNOWN
        if isinstance(value, Namespace):
            return value.get(name)
        if isinstance(value, Package):
            return self.package_attribute(value, name)
        if isinstance(value, LibraryVersion):
            return LibraryVersion(value.library, whole=False)
        if isinstance(value, Feature):
            return value
        if isinstance(value, Known) and name == "value":  # an enum's member
            return value
        return UNKNOWN

    def _symbol_attribute(self, value: Symbol, name: str, node: cst.CSTNode) -> Value:
        full = f"{value.name}.{name}"
        library = value.name.partition(".")[0]
        if name == "__version__":
            return LibraryVersion(library)
        if library in LIBRARIES and value.name.rpartition(".")[2][:1].islower():
            self.record(NameUse(self.place(node), self.where(), full))
        return Symbol(full, self.place(node))

    def _object_attribute(self, value: LibraryCall, name: str, node: cst.CSTNode) -> Value:
        place = self.place(node)
        self.record(AttributeUse(place, self.where(), value, name))
        last = value.changed(name, kind="set")
        if last and self.has_happened(last[-1].where):
            return last[-1].value
        if value.custom_class is not None:
            found = value.custom_class.find(name)
            if isinstance(found, Function):
                return Bound(found, value.custom_class.instance)
        return Part(value, name, place)

    def _instance_attribute(self, value: Instance, name: str) -> Value:
        known = len(value.left_by.get(name, ()))
        value.read[name] = min(known, value.read.get(name, known))
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

    # Literals

    def _string(self, node: cst.SimpleString | cst.ConcatenatedString) -> Value:
        text = _plain_string(node) if isinstance(node, cst.SimpleString) else node.evaluated_value
        if isinstance(text, str) and "hf_" in text and TOKEN.search(text):
            self.record(TextLiteral(self.place(node), self.where(), text))
        if text is None:  # a concatenation with an f-string in it
            return self._visit_inside(node)
        return Known(text, self.place(node))

    def _formatted(self, node: cst.FormattedString) -> Value:
        texts: list[str | None] = [""]  # one for each combination of the parts; None for one that is not known
        for part in node.parts:
            pieces = self._pieces(part)
            texts = [None if text is None or piece is None else text + piece for text in texts for piece in pieces]
            texts = list(dict.fromkeys(texts)) if len(texts) <= WIDEST else [None]
        for text in (*texts, *(part.value for part in node.parts if isinstance(part, cst.FormattedStringText))):
            if text is not None and "hf_" in text and TOKEN.search(text):
                self.record(TextLiteral(self.place(node), self.where(), text))
        return join(*(Unknown("formatted string") if text is None else Known(text, self.place(node)) for text in texts))

    def _pieces(self, part: cst.BaseFormattedStringContent) -> list[str | None]:
        """The texts that a part of a formatted string may be."""
        if isinstance(part, cst.FormattedStringText):
            return [part.value]
        if not isinstance(part, cst.FormattedStringExpression):
            return [None]
        value = self.evaluate(part.expression)
        if part.format_spec is not None or part.conversion is not None:
            return [None]
        return [str(one.constant) if isinstance(one.constant, str | int) else None for one in value.alternatives]

    def _number(self, node: cst.Integer | cst.Float) -> Value:
        try:
            return Known(int(node.value, 0) if isinstance(node, cst.Integer) else float(node.value), self.place(node))
        except ValueError:
            return UNKNOWN

    def _sequence(self, node: cst.List | cst.Tuple | cst.Set) -> Value:
        items: list[Value] = []
        complete = True
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, cst.StarredElement):
                if isinstance(value, Items):
                    items += value.items
                    complete = complete and value.complete
                else:
                    complete = False
            else:
                items.append(value)
        return self.own(Items(tuple(items), type(node).__name__.lower(), complete, self.place(node)))

    def _dict(self, node: cst.Dict) -> Value:
        entries: dict[Any, Value] = {}
        complete = True
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, cst.StarredDictElement):
                table = value if isinstance(value, Table) else Table({}, complete=False)
                if not table.complete:  # it may bring any key again
                    entries = {key: default_or(known, "**") for key, known in entries.items()}
                entries.update(table.entries)
                complete = complete and table.complete
                continue
            key = self.evaluate(element.key).constant if isinstance(element, cst.DictElement) else MISSING
            if key is MISSING:
                complete = False
            else:
                entries[key] = value
        return self.own(Table(entries, complete, self.place(node)))

    # Operations

    def _subscript(self, node: cst.Subscript) -> Value:
        value = self.evaluate(node.value)
        keys = [
            self.evaluate(e.slice.value) if isinstance(e.slice, cst.Index) else self._slice(e.slice) for e in node.slice
        ]
        key = keys[0] if len(keys) == 1 else UNKNOWN
        return join(*(self._item(one, key, node) for one in bare(value).alternatives))

    def _slice(self, node: cst.BaseSlice) -> Value:
        self._visit_inside(node)
        return Unknown("slice")

    def _item(self, value: Value, key: Value, node: cst.CSTNode) -> Value:
        constant = key.constant
        if isinstance(value, Table):
            if constant is not MISSING:
                found = [one for one in value.get(constant).alternatives if one is not ABSENT]  # an absent key raises
                return join(*found) if found else Unknown(f"no key {constant!r}")
            return join(*value.entries.values(), UNKNOWN)
        if isinstance(value, Items) and isinstance(constant, int) and not isinstance(constant, bool):
            inside = value.complete and -len(value.items) <= constant < len(value.items)
            return value.items[constant] if inside else UNKNOWN
        if isinstance(value, LibraryCall | Part):
            whole, path = (value, "") if isinstance(value, LibraryCall) else (value.of, value.path)
            step = constant if isinstance(constant, str) else "[]"
            return Part(whole, f"{path}.{step}" if path else str(step), self.place(node))
        if isinstance(value, LibraryVersion):
            return LibraryVersion(value.library, whole=False)
        if isinstance(value, Feature):
            return value
        if isinstance(value, Class) and isinstance(constant, str):  # an enum by name
            return value.find(constant) or UNKNOWN
        return UNKNOWN

    def _binary(self, node: cst.BinaryOperation) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        if isinstance(left, OneOf) or isinstance(right, OneOf):
            if len(left.alternatives) * len(right.alternatives) > WIDEST:
                return UNKNOWN
            return join(*(self._combine(node, one, other) for one in left.alternatives for other in right.alternatives))
        return self._combine(node, left, right)

    def _combine(self, node: cst.BinaryOperation, left: Value, right: Value) -> Value:
        if isinstance(node.operator, cst.Add) and isinstance(left, Items) and isinstance(right, Items):
            return self.own(
                Items(left.items + right.items, left.kind, left.complete and right.complete, self.place(node))
            )
        if isinstance(node.operator, cst.BitOr) and isinstance(left, Table) and isinstance(right, Table):
            return self.own(
                Table({**left.entries, **right.entries}, left.complete and right.complete, self.place(node))
            )
        operate = _ARITHMETIC.get(type(node.operator))
        if operate is None or left.constant is MISSING or right.constant is MISSING:
            return UNKNOWN
        return self._fold(operate, left.constant, right.constant, node)

    def _fold(self, operate: Callable[[Any, Any], Any], left: Any, right: Any, node: cst.CSTNode) -> Value:
        if any(isinstance(one, str | bytes) and len(one) > _LONGEST for one in (left, right)):
            return UNKNOWN
        if operate in (operator.pow, operator.mul) and any(
            isinstance(one, int | float) and abs(one) > _LONGEST for one in (left, right)
        ):
            numbers = isinstance(left, int | float) and isinstance(right, int | float)
            if operate is operator.pow or not numbers:
                return UNKNOWN
        try:
            return Known(operate(left, right), self.place(node))
        except (ArithmeticError, TypeError, ValueError, KeyError):
            return UNKNOWN

    def _unary(self, node: cst.UnaryOperation) -> Value:
        value = self.evaluate(node.expression)
        constant = value.constant
        if isinstance(node.operator, cst.Not):
            if isinstance(value, VersionTest):
                return VersionTest(value.library, value.otherwise, value.specifier)
            return (
                value
                if isinstance(value, Feature)
                else UNKNOWN
                if constant is MISSING
                else Known(not constant, self.place(node))
            )
        if isinstance(node.operator, cst.Minus) and isinstance(constant, int | float):
            return Known(-constant, self.place(node))
        return value if isinstance(node.operator, cst.Plus) else UNKNOWN

    def _boolean(self, node: cst.BooleanOperation) -> Value:
        left, right = self.evaluate(node.left), self.evaluate(node.right)
        for side in (left, right):
            if isinstance(side, VersionTest | Feature):
                return side if isinstance(node.operator, cst.And) or isinstance(side, Feature) else Feature("version")
        constant = left.constant
        if constant is not MISSING:
            decided = bool(constant) if isinstance(node.operator, cst.Or) else not constant
            return left if decided else right
        if isinstance(node.operator, cst.Or):
            truthy = [one for one in left.alternatives if one.constant is MISSING or one.constant]
            return join(*truthy, right)
        return join(left, right)

    def _comparison(self, node: cst.Comparison) -> Value:
        left = self.evaluate(node.left)
        rights = [(target.operator, self.evaluate(target.comparator)) for target in node.comparisons]
        if any(isinstance(one, LibraryVersion | Feature) for one in (left, *(right for _, right in rights))) and (
            len(rights) != 1 or isinstance(left, Feature) or isinstance(rights[0][1], Feature)
        ):
            return Feature("version")
        if len(rights) != 1:
            return UNKNOWN
        comparison, right = rights[0]
        signs = _COMPARISONS.get(type(comparison))
        if isinstance(left, LibraryVersion) or isinstance(right, LibraryVersion):
            return self._version_test(left, signs, right)
        if left.constant is MISSING or right.constant is MISSING or signs is None:
            return UNKNOWN
        if signs[0] in ("==", "!="):
            return Known((left.constant == right.constant) == (signs[0] == "=="), self.place(node))
        return UNKNOWN

    @staticmethod
    def _version_test(left: Value, signs: tuple[str, str] | None, right: Value) -> Value:
        version, text = (left, right.constant) if isinstance(left, LibraryVersion) else (right, left.constant)
        if not isinstance(version, LibraryVersion) or not version.whole or signs is None or not isinstance(text, str):
            return Feature("version")
        then, otherwise = signs if version is left else (_MIRRORED[signs[0]], _MIRRORED[signs[1]])
        return VersionTest(version.library, f"{then}{text}", f"{otherwise}{text}")

    def _conditional(self, node: cst.IfExp) -> Value:
        test = self.evaluate(node.test)
        with self.guarded(*self.guards_of(test, positive=True), conditional=True):
            then = self.evaluate(node.body)
        with self.guarded(*self.guards_of(test, positive=False), conditional=True):
            otherwise = self.evaluate(node.orelse)
        return join(then, otherwise)

    def _named(self, node: cst.NamedExpr) -> Value:
        value = self.evaluate(node.value)
        self.assign(node.target, value)
        return value

    # Functions and comprehensions

    def _lambda(self, node: cst.Lambda) -> Value:
        function = Function(
            node,
            self.scope,
            self.module,
            f"{self.function_name}.<lambda>".lstrip("."),
            (),
            None,
            self.defaults(node.params),
        )
        function.guards = self.guards
        self.pending.append(function)
        return function

    def defaults(self, parameters: cst.Parameters) -> dict[str, Value]:
        """The defaults of the parameters that have one, evaluated where the function is defined."""
        every = (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)
        return {p.name.value: self.evaluate(p.default) for p in every if p.default is not None}

    def _comprehension(self, node: cst.ListComp | cst.SetComp | cst.GeneratorExp | cst.DictComp) -> Value:
        with self.entering(scope=Scope(self.scope)):
            return self._comprehend(node, node.for_in)

    def _comprehend(
        self, node: cst.ListComp | cst.SetComp | cst.GeneratorExp | cst.DictComp, loop: cst.CompFor
    ) -> Value:
        source = self.evaluate(loop.iter)
        self.assign(loop.target, self.element_of(source))
        with self.looping("comprehension"):
            for condition in loop.ifs:
                self.evaluate(condition.test)
            if loop.inner_for_in is not None:
                return self._comprehend(node, loop.inner_for_in)
            if isinstance(node, cst.DictComp):
                self.evaluate(node.key)
                self.evaluate(node.value)
                # {k: v.to(device) for k, v in inputs.items()} is the inputs again
                encoded = source.of if isinstance(source, Part) and source.path == "items()" else None
                return encoded if isinstance(encoded, TokenizerCall) else Unknown("comprehension")
            element = self.evaluate(node.elt)
        return Items((element,), "list", complete=False, place=self.place(node))

    def element_of(self, value: Value) -> Value:
        """What a loop over a value binds: one of its items where they are known."""
        if isinstance(value, Items) and value.items:
            return (
                join(*value.items, None if value.complete else UNKNOWN)
                if value.complete
                else join(*value.items, UNKNOWN)
            )
        if isinstance(value, Table) and value.complete and value.entries:
            return join(*(Known(key) for key in value.entries))
        if isinstance(value, Part) and value.path == "items()":
            return Items((UNKNOWN, Part(value.of, "[]")), "tuple")
        if isinstance(value, LibraryCall | Part):
            whole, path = (value, "") if isinstance(value, LibraryCall) else (value.of, value.path)
            return Part(whole, f"{path}.[]".lstrip("."))
        return Unknown("loop variable")

    def _await(self, node: cst.Await) -> Value:
        return self.evaluate(node.expression)

    def _yield(self, node: cst.Yield) -> Value:
        value = node.value
        if isinstance(value, cst.From):
            self.yields.append(self.element_of(self.evaluate(value.item)))
        elif value is not None:
            self.yields.append(self.evaluate(value))
        return Unknown("sent to a generator")

    def _call(self, node: cst.Call) -> Value:
        return self.call(node)

    _EVALUATORS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        cst.Name: _name,
        cst.Attribute: _attribute,
        cst.Call: _call,
        cst.SimpleString: _string,
        cst.ConcatenatedString: _string,
        cst.FormattedString: _formatted,
        cst.Integer: _number,
        cst.Float: _number,
        cst.List: _sequence,
        cst.Tuple: _sequence,
        cst.Set: _sequence,
        cst.Dict: _dict,
        cst.Subscript: _subscript,
        cst.BinaryOperation: _binary,
        cst.UnaryOperation: _unary,
        cst.BooleanOperation: _boolean,
        cst.Comparison: _comparison,
        cst.IfExp: _conditional,
        cst.NamedExpr: _named,
        cst.Lambda: _lambda,
        cst.ListComp: _comprehension,
        cst.SetComp: _comprehension,
        cst.GeneratorExp: _comprehension,
        cst.DictComp: _comprehension,
        cst.Await: _await,
        cst.Yield: _yield,
    }


def _decorated_as(function: Function, name: str) -> bool:
    return any(isinstance(decorator, Symbol) and decorator.name == name for decorator in function.decorators)


def _is_strange(base: Symbol) -> bool:
    """Whether a base class is of a package that hflint does not know: it may set any attribute."""
    top = base.name.partition(".")[0]
    return "." in base.name and top not in KNOWN_ROOTS


def _plain_string(node: cst.SimpleString) -> str | bytes:
    """The value of a string literal; Python's own reader is asked only where there is something to read."""
    raw = node.value
    if raw[0] in "'\"" and "\\" not in raw:
        quote = 3 if raw[:3] in ("'''", '"""') else 1
        return raw[quote:-quote]
    return node.evaluated_value
