"""What a call is worth: an object of a library, a function of the program followed, or something unknown that may change its arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from hflint.semantics import builtin_calls, hooks, tree
from hflint.semantics.arguments import Arguments
from hflint.semantics.catalog import (
    CONTEXTS,
    HARMLESS,
    KNOWN_ROOTS,
    LOAD_PARAMETERS,
    THREADS,
    TRANSPARENT,
    call_kind,
    shared_kind,
)
from hflint.semantics.containers import method_of_container
from hflint.semantics.functions import Functions
from hflint.semantics.installed import Feature, LibraryVersion, requirement
from hflint.semantics.methods import method_object
from hflint.semantics.objects import (
    ChatTemplateCall,
    EncoderLoad,
    KbitPreparation,
    LibraryCall,
    ModelBuild,
    Part,
    TokenizerCall,
    TokenizerLoad,
    Trainer,
    TrainingArguments,
    spread_table,
)
from hflint.semantics.scopes import Bound, Class, Function, Inherited, Instance, Maker, Partial, TupleType
from hflint.semantics.values import (
    MISSING,
    UNKNOWN,
    Items,
    OneOf,
    Symbol,
    Table,
    Unknown,
    Value,
    bare,
    default_or,
    join,
    objects,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Calls(Functions):
    """Evaluation of calls."""

    def _call(self, node: tree.Call) -> Value:
        """The value of a call."""
        if isinstance(node.func, tree.Attribute):
            receiver = self.evaluate(node.func.value)
            special = method_of_container(self, node, receiver)
            if special is not None:
                return special
            callee = self.attribute_of_callee(receiver, node.func.attr.value, node.func)
        else:
            callee = self.evaluate(node.func)
        return self.call_value(callee, self.arguments(node), node)

    def attribute_of_callee(self, receiver: Value, name: str, node: tree.Attribute) -> Value:
        """What a method call calls; for an object of a library, a `Part` that names the method, over all alternatives at once."""
        known = [one for one in bare(receiver).alternatives if isinstance(one, LibraryCall)]
        if known and all(one.custom_class is None or one.custom_class.find(name) is None for one in known):
            return _Method(receiver, name)
        return self.attribute_of(receiver, name, node)

    def arguments(self, node: tree.Call) -> Arguments:
        """Evaluate the arguments of a call."""
        found = Arguments()
        for arg in node.args:
            value = self.evaluate(arg.value)
            if arg.star == "*":
                if isinstance(value, Items) and value.complete:
                    found.positional += value.items
                else:
                    found.open = True
                    found.spread.append(value)
            elif arg.star == "**":
                table = spread_table(value)
                found.spread += [one for part in value.alternatives if isinstance(part, Table) for one in part.brings]
                if table is not None:
                    found.keywords.update(table)
                elif isinstance(value, TokenizerCall | ChatTemplateCall):
                    found.spread.append(value)  # brings ids and masks, never an option
                else:
                    found.keywords.update(
                        {k: v for k, v in value.entries.items() if isinstance(k, str)}
                        if isinstance(value, Table)
                        else {}
                    )
                    found.open = True
                    found.spread.append(value)
            elif arg.keyword is not None:
                found.keywords[arg.keyword.value] = value
                found.nodes[arg.keyword.value] = arg
            else:
                if not found.open:
                    found.nodes[len(found.positional)] = arg
                found.positional.append(value)
        return found

    def call_value(self, callee: Value, given: Arguments, node: tree.Call) -> Value:
        """Call a value."""
        if callee.__class__ is Unknown:  # most of them
            return self._call_unknown(given, node)
        if isinstance(callee, OneOf):
            choices = bare(callee).alternatives
            if all(isinstance(one, TokenizerLoad) for one in choices):  # which of them, says the receiver
                return method_object(self, callee, "__call__", given, node)
            if (chosen := self._load_by_one_of(choices, given, node)) is not None:
                return chosen
            with self.guarded(conditional=True), self.entering(is_possible=self.is_possible or len(choices) > 1):
                return join(*(self.call_value(one, given, node) for one in choices))
        if isinstance(callee, LibraryVersion | Feature):
            return Feature("version")
        if isinstance(callee, _Method):
            return method_object(self, callee.receiver, callee.name, given, node)
        if isinstance(callee, LibraryCall):
            return method_object(self, callee, "__call__", given, node)
        if isinstance(callee, Part):
            return self.call_part(callee, given, node)
        if isinstance(callee, Symbol):
            if callee.name in CONTEXTS and len(given.positional) == 1 and isinstance(given.positional[0], Function):
                return replace(given.positional[0], decorators=(*given.positional[0].decorators, callee))
            return self._call_symbol(callee, given, node)
        if isinstance(callee, Bound):
            return self.call_function(
                callee.function, [callee.instance, *given.positional], given.keywords, self.place(node), open=given.open
            )
        if isinstance(callee, Function):
            return self.call_function(callee, given.positional, given.keywords, self.place(node), open=given.open)
        if isinstance(callee, Class):
            return self._instantiate(callee, given, node)
        if isinstance(callee, Maker):
            return self._made_by_subclass(callee, given, node)
        if isinstance(callee, TupleType):
            named = {**dict(zip(callee.names, given.positional, strict=False)), **given.keywords}
            values = tuple(named.get(name, UNKNOWN) for name in callee.names)
            return self.own(Items(values, "tuple", not given.open, self.place(node), names=callee.names))
        if isinstance(callee, Partial):
            merged = Arguments(
                [*callee.positional, *given.positional],
                {**callee.keywords, **given.keywords},
                given.nodes,
                given.spread,
                given.open,
            )
            return self.call_value(callee.function, merged, node)
        if isinstance(callee, Instance) and isinstance(
            method := callee.cls.find("__call__") or callee.cls.find("forward"), Function
        ):
            return self.call_function(
                method, [callee, *given.positional], given.keywords, self.place(node), open=given.open
            )
        if isinstance(callee, Inherited):
            if callee.name == "__init__":
                callee.instance.handed_up.append((given, self.path))
            return Unknown(f"result of the library's {callee.name}")
        return self._call_unknown(given, node)

    def _call_unknown(self, given: Arguments, node: tree.Call) -> Value:
        name = _text(node.func)
        self.escape(given.all(), name, node)
        return Feature("version") if "version" in name else Unknown(f"result of {name}")

    def call_part(self, method: Part, given: Arguments, node: tree.Node) -> Value:
        """Call a method of a library's object; `node` stands for the call."""
        return method_object(self, method.of, method.path, given, node, through=method)

    # Names of other modules

    def _call_symbol(self, callee: Symbol, given: Arguments, node: tree.Call) -> Value:
        if callee.name in THREADS:
            return hooks.start(self, given, node)
        known = builtin_calls.call_symbol(self, callee.name, given, node)
        if known is not None:
            return known
        if callee.name in TRANSPARENT and given.positional:
            return given.positional[0]
        if callee.name in CONTEXTS:
            return callee
        if any(callee.name == name or callee.name.startswith(f"{name}.") for name in self.patched):
            self.escape(given.all(), callee.name, node)
            return Unknown(f"{callee.name} is replaced by the program")
        if "_version" in callee.name:
            self.later_guards += requirement(callee.name, given)
        if callee.name.endswith(("_available", "_version", "version_check")) and not callee.name.startswith("torch."):
            return Feature(callee.name)
        found = call_kind(callee.name)
        if found is not None:
            made = self._library_object(callee.name, *found, given, node)
            return self._prepared(made, node) if isinstance(made, KbitPreparation) else made
        library = callee.name.partition(".")[0]
        if ("." in callee.name and library not in KNOWN_ROOTS) or ("." not in callee.name and library not in HARMLESS):
            self.escape(given.all(), callee.name, node)
        return Unknown(f"result of {callee.name}")

    def _load_by_one_of(self, choices: tuple[Value, ...], given: Arguments, node: tree.Call) -> LibraryCall | None:
        """One load, where the program chooses the class among some that load the same kind of thing."""
        names = [one.name for one in choices if isinstance(one, Symbol)]
        shared = shared_kind(names) if len(names) == len(choices) and not self.patched else None
        if shared is None:
            return None
        made = self.make(shared[1], shared[0], LOAD_PARAMETERS, given, node)
        made.classes = tuple(name.split(".")[-2] for name in names)
        return self.keep(made)

    def _library_object(
        self,
        callee: str,
        kind: type[LibraryCall],
        parameters: tuple[str, ...],
        given: Arguments,
        node: tree.Call,
        *,
        custom: Class | None = None,
        is_open: bool = False,
    ) -> LibraryCall:
        made = self.make(kind, callee, parameters, given, node)
        made.custom_class, made.open = custom, made.open or is_open
        kept = self.keep(made)
        if isinstance(kept, Trainer) and isinstance(kept.argument("callbacks"), Items):
            hooks.callbacks_of(self, kept, node)
        return kept

    def _prepared(self, preparation: KbitPreparation, node: tree.Call) -> Value:
        """The model that is prepared for training, which is what comes back."""
        models = bare(preparation.model)
        known = list(objects(models, LibraryCall))
        with self.guarded(conditional=len(models.alternatives) > 1):
            for one in known:
                self.change(one, "call", "prepare_model_for_kbit_training", preparation, node)
        return models if known else preparation

    def make(
        self, kind: type[LibraryCall], callee: str, parameters: tuple[str, ...], given: Arguments, node: tree.Node
    ) -> LibraryCall:
        """An object of a kind with its arguments by name."""
        named = dict(zip(parameters, given.positional, strict=False))
        nodes = {
            parameters[k] if isinstance(k, int) else k: arg
            for k, arg in given.nodes.items()
            if not isinstance(k, int) or k < len(parameters)
        }
        return kind(
            self.place(node),
            self.where(),
            callee,
            {**named, **given.keywords},
            nodes,
            given.positional[len(parameters) :],
            given.open,
        )

    def call_plain(self, callee: Value, positional: list[Value], node: tree.Call) -> Value:
        """Call a value with these arguments and no others."""
        return self.call_value(callee, Arguments(positional), node)

    # Classes of the program

    def _made_by_subclass(self, maker: Maker, given: Arguments, node: tree.Call) -> Value:
        """`MyModel.from_pretrained(...)`, where the class has it from a library's class."""
        for base in maker.cls.foreign_bases():
            found = call_kind(f"{base.name}.{maker.method}") if isinstance(base, Symbol) else None
            if found is not None and found[0] is not LibraryCall and isinstance(base, Symbol):
                return self._library_object(f"{base.name}.{maker.method}", *found, given, node, custom=maker.cls)
        self.escape(given.all(), maker.cls.name, node)
        return Unknown(f"result of {maker.cls.name}.{maker.method}")

    def _instantiate(self, cls: Class, given: Arguments, node: tree.Call) -> Value:
        if cls.members:  # an enum by value
            same = [one for one in cls.members if given.first.constant is not MISSING and one == given.first]
            return same[0] if same else join(*cls.members)
        foreign = self._foreign_object(cls, given, node)
        if foreign is not None:
            return foreign
        if cls.is_record and cls.find("__init__") is None:
            return self._record_instance(cls, given, node)
        instance = self.instances.get(node)
        if instance is None or instance.cls is not cls:
            instance = self.instances[node] = self.own(Instance(cls, self.place(node)))
        init = cls.find("__init__")
        if isinstance(init, Function):
            self.call_function(init, [instance, *given.positional], given.keywords, self.place(node), open=given.open)
            for name, value in instance.names.items():
                cls.instance.left_by.setdefault(name, {})[f"{init.name} {id(node)}"] = value
        elif cls.foreign_bases():
            self.escape(given.all(), cls.name, node)
        instance.is_open = instance.is_open or bool(cls.foreign_bases() and init is None)
        return instance

    def _foreign_object(self, cls: Class, given: Arguments, node: tree.Call) -> LibraryCall | None:
        """An instance of a subclass of a library's class is that library's object, with unknown arguments if the subclass takes its own."""
        for base in cls.foreign_bases():
            if not isinstance(base, Symbol):
                continue
            found = call_kind(base.name)
            if found is None or found[0] in (LibraryCall, ModelBuild, EncoderLoad):
                continue
            own = issubclass(found[0], TrainingArguments) and bool(cls.all_fields())
            if isinstance(init := cls.find("__init__"), Function):
                handed = self._handed_up(cls, init, given, node)
                given, own = handed or given, own or handed is None
            made = self._library_object(base.name, found[0], found[1], given, node, custom=cls, is_open=own)
            if isinstance(made, Trainer):
                hooks.overridden_by(self, cls, made, node)
            return made
        return None

    def _handed_up(self, cls: Class, init: Function, given: Arguments, node: tree.Call) -> Arguments | None:
        """Follow a constructor; what it hands to that of the library's trainer, None where that is not certain."""
        self.memo, cls.instance.handed_up = {}, []
        self.call_function(init, [cls.instance, *given.positional], given.keywords, self.place(node), open=given.open)
        if len(cls.instance.handed_up) != 1 or cls.instance.handed_up[0][1] != self.path:
            return None
        handed = cls.instance.handed_up[0][0]
        before, after = given.by_key(), handed.by_key()
        return replace(handed, nodes={key: arg for key, arg in given.nodes.items() if after.get(key) is before[key]})

    def _record_instance(self, cls: Class, given: Arguments, node: tree.Call) -> Instance:
        instance = self.own(Instance(cls, self.place(node)))
        fields = cls.all_fields()
        instance.names.update({name: self._own_copy(value) for name, value in fields.items() if value is not None})
        from_outside = any(
            isinstance(base, Symbol) and base.name.endswith("BaseSettings") for base in cls.foreign_bases()
        )
        if given.open or from_outside:
            instance.names = {
                name: default_or(value, "environment" if from_outside else "**")
                for name, value in instance.names.items()
            }
        instance.names.update(zip(fields, given.positional, strict=False))
        instance.names.update(given.keywords)
        after = cls.find("__post_init__")
        if isinstance(after, Function):
            self.call_function(after, [instance], {}, self.place(node))
        return instance

    def _own_copy(self, value: Value) -> Value:
        """A field's default: of a container, each instance has its own."""
        if isinstance(value, Table):
            return self.own(Table(dict(value.entries), value.complete, value.place))
        return (
            self.own(Items(value.items, value.kind, value.complete, value.place)) if isinstance(value, Items) else value
        )

    EVALUATORS: ClassVar[dict[type, Callable[[Any, Any], Any]]] = {**Functions.EVALUATORS, tree.Call: _call}


@dataclass(frozen=True, slots=True)
class _Method(Value):
    """A method about to be called on an object of a library."""

    receiver: Value
    name: str


def _text(node: tree.Expression) -> str:
    """A short dotted text of what is called."""
    if isinstance(node, tree.Name):
        return node.value
    if isinstance(node, tree.Attribute):
        return f"{_text(node.value)}.{node.attr.value}"
    return "a call"
