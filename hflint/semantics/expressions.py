"""What an expression is worth, as far as the program shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import libcst as cst

from hflint.semantics.gate import TOKEN
from hflint.semantics.objects import (
    ChatTemplateCall,
    Part,
    TextLiteral,
    TokenizerCall,
)
from hflint.semantics.operations import Operations
from hflint.semantics.scopes import (
    Function,
    Scope,
)
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

    def evaluate(self, node: cst.BaseExpression | None) -> Value:
        """The value of an expression."""
        if node is None:
            return UNKNOWN
        method = self.EVALUATORS.get(type(node))
        return method(self, node) if method else self._visit_inside(node)

    # Literals

    def _string(self, node: cst.SimpleString | cst.ConcatenatedString) -> Value:
        text = _plain_string(node) if isinstance(node, cst.SimpleString) else node.evaluated_value
        if isinstance(text, str) and "hf_" in text and TOKEN.search(text):
            self.record(TextLiteral(self.place(node), self.where(), text))
        if text is None and isinstance(node, cst.ConcatenatedString):  # with an f-string in it
            sides = self.evaluate(node.left), self.evaluate(node.right)
            both = [(one.constant, other.constant) for one in sides[0].alternatives for other in sides[1].alternatives]
            known = all(isinstance(part, str) for pair in both for part in pair) and len(both) <= WIDEST
            return join(*(Known(one + other, self.place(node)) for one, other in both)) if known else UNKNOWN
        return Known(text, self.place(node))

    def _formatted(self, node: cst.FormattedString) -> Value:
        texts: list[str | None] = [""]  # one for each combination of the parts; None for one that is not known
        for part in node.parts:
            pieces = self._pieces(part, raw="r" in node.prefix)
            texts = [None if text is None or piece is None else text + piece for text in texts for piece in pieces]
            texts = list(dict.fromkeys(texts)) if len(texts) <= WIDEST else [None]
        for text in (*texts, *(part.value for part in node.parts if isinstance(part, cst.FormattedStringText))):
            if text is not None and "hf_" in text and TOKEN.search(text):
                self.record(TextLiteral(self.place(node), self.where(), text))
        return join(*(Unknown("formatted string") if text is None else Known(text, self.place(node)) for text in texts))

    def _pieces(self, part: cst.BaseFormattedStringContent, *, raw: bool) -> list[str | None]:
        """The texts that a part of a formatted string may be."""
        if isinstance(part, cst.FormattedStringText):
            return [_written_out(part.value, raw=raw)]
        if not isinstance(part, cst.FormattedStringExpression):
            return [None]
        value = self.evaluate(part.expression)
        spec = "".join(one.value if isinstance(one, cst.FormattedStringText) else "{" for one in part.format_spec or ())
        if "{" in spec or part.conversion not in (None, "s"):
            return [None]
        return [_formatted(one.constant, spec) for one in value.alternatives]

    def constant(self, value: object, node: cst.CSTNode) -> Value:
        """A Python object of plain data as a value."""
        if isinstance(value, dict):
            return self.own(
                Table({key: self.constant(one, node) for key, one in value.items()}, place=self.place(node))
            )
        if isinstance(value, list):
            return self.own(Items(tuple(self.constant(one, node) for one in value), place=self.place(node)))
        return Known(value, self.place(node))

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
        brings: tuple[Value, ...] = ()
        for element in node.elements:
            value = self.evaluate(element.value)
            if isinstance(element, cst.StarredDictElement):
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
            key = self.evaluate(element.key).constant if isinstance(element, cst.DictElement) else MISSING
            if key is MISSING:
                complete = False
            else:
                entries[key] = value
        return self.own(Table(entries, complete, self.place(node), brings=brings))

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
        elements = self.elements(source)
        if elements and len(elements) <= WIDEST and loop.inner_for_in is None:
            return self._each(node, loop, elements)
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
        return self.own(Items((element,), "list", complete=False, place=self.place(node), uniform=True))

    def _each(
        self,
        node: cst.ListComp | cst.SetComp | cst.GeneratorExp | cst.DictComp,
        loop: cst.CompFor,
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
                if isinstance(node, cst.DictComp):
                    key, value = self.evaluate(node.key).constant, self.evaluate(node.value)
                    if key is MISSING:
                        table.complete = False
                    elif False not in tests:
                        table.put(key, value, certain=None not in tests)
                elif False not in tests:
                    items.append(self.evaluate(node.elt))
                else:
                    self.evaluate(node.elt)
        if isinstance(node, cst.DictComp):
            return self.own(table)
        return self.own(Items(tuple(items), "list", sure, self.place(node), uniform=True))

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

    EVALUATORS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {
        **Operations.EVALUATORS,
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
        cst.Lambda: _lambda,
        cst.ListComp: _comprehension,
        cst.SetComp: _comprehension,
        cst.GeneratorExp: _comprehension,
        cst.DictComp: _comprehension,
        cst.Await: _await,
        cst.Yield: _yield,
    }


def _plain_string(node: cst.SimpleString) -> str | bytes:
    """The value of a string literal; Python's own reader is asked only where there is something to read."""
    raw = node.value
    if raw[0] in "'\"" and "\\" not in raw:
        quote = 3 if raw[:3] in ("'''", '"""') else 1
        return raw[quote:-quote]
    return node.evaluated_value


def _formatted(constant: object, spec: str) -> str | None:
    """A constant as a formatted string shows it; None for what is not worth showing."""
    if not isinstance(constant, str | int):
        return None
    try:
        return format(constant, spec)
    except ValueError:
        return None


def _written_out(text: str, *, raw: bool) -> str | None:
    """What the text between the braces of a formatted string stands for."""
    if "\\" in text and not raw:
        try:
            text = text.encode("latin-1", "backslashreplace").decode("unicode_escape")
        except UnicodeDecodeError:
            return None
    return text.replace("{{", "{").replace("}}", "}")
