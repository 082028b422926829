"""What an expression is worth, as far as the program shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import tree
from hflint.semantics.gate import TOKEN
from hflint.semantics.objects import ChatTemplateCall, Part, TextLiteral, TokenizerCall
from hflint.semantics.operations import Operations
from hflint.semantics.scopes import Function, Scope
from hflint.semantics.values import (
    MISSING,
    UNKNOWN,
    WIDEST,
    Items,
    Known,
    Table,
    Unknown,
    Value,
    default_or,
    join,
    truth,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Expressions(Operations):
    """Evaluation of expressions; calls are in `Calls`."""

    def evaluate(self, node: tree.Expression | None) -> Value:
        """The value of an expression."""
        if node is None:
            return UNKNOWN
        method = self.EVALUATORS.get(type(node))
        return method(self, node) if method else self._visit_inside(node)

    # Literals

    def _string(self, node: tree.SimpleString) -> Value:
        text = node.value
        if isinstance(text, str) and "hf_" in text and TOKEN.search(text):
            self.record(TextLiteral(self.place(node), self.where(), text))
        return Known(text, self.place(node))

    def _formatted(self, node: tree.FormattedString) -> Value:
        texts: list[str | None] = [""]  # one for each combination of the parts; None for one that is not known
        for part in node.parts:
            pieces = self._pieces(part)
            texts = [None if text is None or piece is None else text + piece for text in texts for piece in pieces]
            texts = list(dict.fromkeys(texts)) if len(texts) <= WIDEST else [None]
        for text in (*texts, *(part.value for part in node.parts if isinstance(part, tree.FormattedStringText))):
            if text is not None and "hf_" in text and TOKEN.search(text):
                self.record(TextLiteral(self.place(node), self.where(), text))
        return join(*(Unknown("formatted string") if text is None else Known(text, self.place(node)) for text in texts))

    def _pieces(self, part: tree.FormattedStringText | tree.FormattedStringExpression) -> list[str | None]:
        """The texts that a part of a formatted string may be."""
        if isinstance(part, tree.FormattedStringText):
            return [part.value]
        value = self.evaluate(part.expression)
        spec = "".join(
            one.value if isinstance(one, tree.FormattedStringText) else "{" for one in part.format_spec or ()
        )
        if "{" in spec or part.conversion not in (None, "s"):
            return [None]
        return [_formatted(one.constant, spec) for one in value.alternatives]

    def constant(self, value: object, node: tree.Node) -> Value:
        """A Python object of plain data as a value."""
        if isinstance(value, dict):
            return self.own(
                Table({key: self.constant(one, node) for key, one in value.items()}, place=self.place(node))
            )
        if isinstance(value, list):
            return self.own(Items(tuple(self.constant(one, node) for one in value), place=self.place(node)))
        return Known(value, self.place(node))

    def _number(self, node: tree.Integer | tree.Float) -> Value:
        return Known(node.value, self.place(node))

    def _sequence(self, node: tree.List | tree.Tuple | tree.Set) -> Value:
        items: list[Value] = []
        complete = True
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, tree.StarredElement):
                if isinstance(value, Items):
                    items += value.items
                    complete = complete and value.complete
                else:
                    complete = False
            else:
                items.append(value)
        return self.own(Items(tuple(items), type(node).__name__.lower(), complete, self.place(node)))

    def _dict(self, node: tree.Dict) -> Value:
        entries: dict[Any, Value] = {}
        complete = True
        brings: tuple[Value, ...] = ()
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, tree.StarredDictElement):
                if isinstance(value, TokenizerCall | ChatTemplateCall):
                    brings += (value,)
                    continue
                table = value if isinstance(value, Table) else Table({}, complete=False)
                brings += table.brings
                if not table.complete:  # it may bring any key again
                    entries = {key: default_or(known, "**") for key, known in entries.items()}
                entries.update(table.entries)
                complete = complete and table.complete
                continue
            key = self.evaluate(element.key).constant if isinstance(element, tree.DictElement) else MISSING
            if key is MISSING:
                complete = False
            else:
                entries[key] = value
        return self.own(Table(entries, complete, self.place(node), brings=brings))

    # Functions and comprehensions

    def _lambda(self, node: tree.Lambda) -> Value:
        name = f"{self.function_name}.<lambda>".lstrip(".")
        defaults = self.defaults(node.params)
        function = Function(node, self.scope, self.module, name, defaults=defaults, guards=self.guards)
        self.holders.append(self.scope)
        self.pending.append(function)
        return function

    def defaults(self, parameters: tree.Parameters) -> dict[str, Value]:
        """The defaults of the parameters that have one, evaluated where the function is defined."""
        every = (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)
        return {p.name.value: self.evaluate(p.default) for p in every if p.default is not None}

    def _comprehension(self, node: tree.ListComp | tree.SetComp | tree.GeneratorExp | tree.DictComp) -> Value:
        with self.entering(scope=Scope(self.scope)):
            return self._comprehend(node, node.for_in)

    def _comprehend(
        self, node: tree.ListComp | tree.SetComp | tree.GeneratorExp | tree.DictComp, loop: tree.CompFor
    ) -> Value:
        source = self.evaluate(loop.iter)
        elements = self.elements(source)
        if elements and len(elements) <= WIDEST and loop.inner_for_in is None:
            return self._each(node, loop, elements)
        self.assign(loop.target, self.element_of(source))
        with self.looping("comprehension"):
            for condition in loop.ifs:
                self.evaluate(condition.test)
            if loop.inner_for_in is not None:
                return self._comprehend(node, loop.inner_for_in)
            if isinstance(node, tree.DictComp):
                self.evaluate(node.key)
                self.evaluate(node.value)
                # {k: v.to(device) for k, v in inputs.items()} is the inputs again
                encoded = source.of if isinstance(source, Part) and source.path == "items()" else None
                return encoded if isinstance(encoded, TokenizerCall) else Unknown("comprehension")
            element = self.evaluate(node.elt)
        return self.own(Items((element,), "list", complete=False, place=self.place(node), uniform=True))

    def _each(
        self,
        node: tree.ListComp | tree.SetComp | tree.GeneratorExp | tree.DictComp,
        loop: tree.CompFor,
        elements: tuple[Value, ...],
    ) -> Value:
        """A comprehension over a few known things, followed once for each."""
        items: list[Value] = []
        table = Table({}, place=self.place(node))
        sure = True
        with self.looping("comprehension"):
            for element in elements:
                self.assign(loop.target, element)
                tests = [truth(self.evaluate(condition.test)) for condition in loop.ifs]
                sure = sure and None not in tests
                if isinstance(node, tree.DictComp):
                    key, value = self.evaluate(node.key).constant, self.evaluate(node.value)
                    if key is MISSING:
                        table.complete = False
                    elif False not in tests:
                        table.put(key, value, certain=None not in tests)
                elif False not in tests:
                    items.append(self.evaluate(node.elt))
                else:
                    self.evaluate(node.elt)
        if isinstance(node, tree.DictComp):
            return self.own(table)
        return self.own(Items(tuple(items), "list", sure, self.place(node), uniform=True))

    def _await(self, node: tree.Await) -> Value:
        return self.evaluate(node.expression)

    def _yield(self, node: tree.Yield) -> Value:
        value = node.value
        if isinstance(value, tree.From):
            self.yields.append(self.element_of(self.evaluate(value.item)))
        elif value is not None:
            self.yields.append(self.evaluate(value))
        return Unknown("sent to a generator")

    EVALUATORS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        **Operations.EVALUATORS,
        tree.SimpleString: _string,
        tree.FormattedString: _formatted,
        tree.Integer: _number,
        tree.Float: _number,
        tree.List: _sequence,
        tree.Tuple: _sequence,
        tree.Set: _sequence,
        tree.Dict: _dict,
        tree.Lambda: _lambda,
        tree.ListComp: _comprehension,
        tree.SetComp: _comprehension,
        tree.GeneratorExp: _comprehension,
        tree.DictComp: _comprehension,
        tree.Await: _await,
        tree.Yield: _yield,
    }


def _formatted(constant: object, spec: str) -> str | None:
    """A constant as a formatted string shows it; None for what is not worth showing."""
    if not isinstance(constant, str | int):
        return None
    try:
        return format(constant, spec)
    except ValueError:
        return None
