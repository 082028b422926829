"""What hflint understood of a program, as text: why a finding is there, or is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hflint.semantics.build import build_program
from hflint.semantics.objects import AttributeUse, Import, LibraryCall, Load, MethodCall, NameUse, Object, TextLiteral
from hflint.semantics.values import ABSENT, Known, OneOf, Unknown, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hflint.files import Source
    from hflint.project import Project
    from hflint.semantics.program import Program


def explain(source: Source, line: int | None, project: Project) -> str:
    """The objects of a program (all, or those of a line), their arguments and links, and the versions and facts that apply.

    Raises:
        SyntaxProblem: the source does not parse.
    """
    program = build_program(source, project.modules)
    shown = [one for one in program.objects if not isinstance(one, Import | NameUse | AttributeUse | TextLiteral)]
    if line is not None:
        shown = [one for one in shown if line in _lines(one, program)]
    shown.sort(key=lambda one: one.span)
    text = [f"{source.name}: {len(shown)} objects", *_versions(shown, project)]
    for one in shown:
        text += ["", *_object(one, program, project)]
    if not shown:
        text += [
            "",
            "hflint sees nothing of the libraries here."
            if line is None
            else f"hflint sees nothing of the libraries in line {line}.",
        ]
    return "\n".join(text) + "\n"


def _lines(one: Object, program: Program) -> range:
    start, end = program.source.locate(one.span.start).line, program.source.locate(one.span.end).line
    return range(start, end + 1)


def _versions(shown: list[Object], project: Project) -> Iterator[str]:
    used = {one.library for one in shown if isinstance(one, LibraryCall)}
    for library in sorted(used):
        name = library if library in project.versions else library.replace("_", "-")
        if name in project.versions:
            yield f"  {project.versions[name]}, from {project.versions[name].origin}"


def _object(one: Object, program: Program, project: Project) -> Iterator[str]:
    place = program.source.locate(one.span.start)
    yield f"line {place.line}: {_title(one)}"
    if not isinstance(one, LibraryCall):
        return
    if isinstance(one, MethodCall):
        yield f"  on                {_value(one.receiver, program)}"
    for name, value in one.arguments.items():
        yield f"  {name:<17} {_value(value, program)}"
    if one.open:
        yield "  (and more)        a * or ** may bring other arguments"
    for position, value in enumerate(one.extra):
        yield f"  [{position}]               {_value(value, program)}"
    for change in one.changes:
        at = program.source.locate(change.place.span.start).line
        if change.kind == "set":
            yield f"  then              line {at}: {change.name} = {_value(change.value, program)}"
        elif change.kind == "escape":
            yield f"  then              line {at}: handed to {change.name}, which may change it"
        else:
            yield f"  then              line {at}: .{change.name}()"
    yield from _surroundings(one)
    yield from _facts(one, project)


def _title(one: Object) -> str:
    if isinstance(one, MethodCall):
        return f"{type(one).__name__} .{one.method}" if one.method != "__call__" else type(one).__name__
    if not isinstance(one, LibraryCall):
        return type(one).__name__
    return f"{type(one).__name__} {one.callee}" + (f" of one of {', '.join(one.classes)}" if one.classes else "")


def _value(value: Value, program: Program) -> str:
    if value is ABSENT:
        return "absent"
    if isinstance(value, OneOf):
        return "one of: " + " | ".join(_value(one, program) for one in value.alternatives)
    place = getattr(value, "place", None)
    if place is None or place.module is not program.module or isinstance(value, Unknown):
        return value.describe()
    line = program.source.locate(place.span.start).line
    kind = "known" if isinstance(value, Known) else "object" if isinstance(value, Object) else ""
    return f"{value.describe()}  ({f'{kind}, ' if kind else ''}line {line})"


def _surroundings(one: LibraryCall) -> Iterator[str]:
    where = one.where
    parts = [
        f"function {where.function}" if where.function else "",
        *(f"{loop} loop" for loop in where.loops),
        *where.contexts,
    ]
    parts += [f"only with {g.library} {g.specifier}" if g.specifier else f"guarded ({g.kind})" for g in where.guards]
    inside = [part for part in parts if part]
    if inside:
        yield f"  inside            {', '.join(inside)}"


def _facts(one: LibraryCall, project: Project) -> Iterator[str]:
    model_id = one.id.constant if isinstance(one, Load) else None
    revision = one.argument("revision").constant
    revision = revision if isinstance(revision, str) else None
    facts = project.models.find(model_id, revision) if isinstance(model_id, str) else None
    if facts is None:
        return
    known = {
        name: getattr(facts, name) for name in facts.__dataclass_fields__ if name not in ("id", "source", "origin")
    }
    listed = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
    yield f"  facts             {listed} ({facts.origin}: {facts.source})"
