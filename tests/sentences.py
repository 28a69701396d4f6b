"""The sentences that the source of `tunewheel.data` makes, as templates: what is filled in stands as ``{}``."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

SAID = ("expected", "found", "fix", "note")
"""A function with a parameter of such a name is given what a problem or a note says."""

LISTS = ("notes", "told")
"""Lists of notes."""

Definition = ast.FunctionDef | ast.ClassDef


class Sentences:
    """Reads modules, and finds what they say.

    Sentences are what is given for `SAID`, what goes into `LISTS`, and what functions called one of ``giving`` hand
    back. What is filled into one and is itself made of literals is a sentence too.
    """

    def __init__(self, modules: Iterable[Path], giving: Iterable[str], raised: Iterable[str]) -> None:
        self.trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in modules}
        self.giving, self.raised = frozenset(giving), frozenset(raised)
        self.takes: dict[str, set[int]] = defaultdict(set)
        self.own: dict[tuple[Path, str], set[int]] = {}
        for path, tree in self.trees.items():
            for node in ast.walk(tree):
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and (places := _taken(node)):
                    self.own[path, node.name] = places
                    self.takes[node.name] |= places

    def found(self) -> dict[str, str]:
        """Every sentence, and where it stands."""
        said: dict[str, str] = {}
        for path, tree in self.trees.items():
            for scope, node in _scoped(tree, [tree]):
                for each in self._given(path, node):
                    for sentence in _Reading(scope).sentences(each):
                        if _speaks(sentence):
                            said.setdefault(sentence, f"{path.name}:{node.lineno}")
        return said

    def _given(self, path: Path, node: ast.AST) -> Iterator[ast.expr]:
        if isinstance(node, ast.Call):
            name = _name(node.func)
            places = self.own.get((path, name), self.takes.get(name, set()))
            yield from (node.args[place] for place in sorted(places) if place < len(node.args))
            yield from (each.value for each in node.keywords if each.arg in SAID)
            if name in self.raised:
                yield node.args[0]
            if name in ("append", "insert", "extend") and isinstance(node.func, ast.Attribute):
                yield from node.args[-1:] if _name(node.func.value) in LISTS else ()
        elif isinstance(node, ast.AugAssign | ast.Assign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (_elements(node.value) if any(_name(each) in (*LISTS, "note") for each in targets) else ())
        elif isinstance(node, ast.FunctionDef) and node.name in self.giving:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return | ast.Yield) and inner.value is not None:
                    yield from _elements(inner.value)


class _Reading:
    """Reads expressions as templates, with what names stand for in the functions around."""

    def __init__(self, scope: list[ast.AST]) -> None:
        self.scope = scope

    def sentences(self, node: ast.expr) -> Iterator[str]:
        """What an expression may say, and what is filled into it."""
        yield from self.texts(node, frozenset())
        for inner in ast.walk(node):
            if isinstance(inner, ast.FormattedValue):
                yield from self.texts(inner.value, frozenset())

    def texts(self, node: ast.expr, seen: frozenset[str]) -> Iterator[str]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _escaped(node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(map(self._part, node.values))
            for each in node.values:
                if isinstance(each, ast.FormattedValue):
                    yield from self.texts(each.value, seen)
        elif isinstance(node, ast.IfExp):
            yield from (text for each in (node.body, node.orelse) for text in self.texts(each, seen))
        elif isinstance(node, ast.BoolOp):
            yield from (text for each in node.values for text in self.texts(each, seen))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left, right = ([*self.texts(each, seen)] or ["{}"] for each in (node.left, node.right))
            yield from (first + second for first in left for second in right)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            yield from ("", *self.texts(node.left, seen))
        elif isinstance(node, ast.Name) and node.id not in seen:
            for value in self._assigned(node.id):
                yield from self.texts(value, seen | {node.id})

    def _part(self, node: ast.expr) -> str:
        """Words of a sentence, a constant of the module among them; else a brace."""
        if isinstance(node, ast.FormattedValue) and _name(node.value).isupper():
            for value in self._assigned(_name(node.value)):
                node = value if isinstance(value, ast.Constant) else node
        return _escaped(str(node.value)) if isinstance(node, ast.Constant) else "{}"

    def _assigned(self, name: str) -> Iterator[ast.expr]:
        for node in (inner for around in self.scope[-1:] + self.scope[:1] for inner in _own(around)):
            if isinstance(node, ast.Assign | ast.AugAssign):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = zip(target.elts, node.value.elts, strict=True)
                        yield from (value for each, value in pairs if getattr(each, "id", "") == name)
                    elif getattr(target, "id", "") == name:
                        yield node.value


def _taken(node: Definition) -> set[int]:
    """Which arguments of a function, or of what makes an object of a class, are sentences."""
    names = [each.arg for each in node.args.args] if isinstance(node, ast.FunctionDef) else []
    if isinstance(node, ast.ClassDef):
        made = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
        names = [_name(each.target) for each in node.body if isinstance(each, ast.AnnAssign)]
        names = [each.arg for each in made.args.args] if isinstance(made, ast.FunctionDef) else names
    names = names[1:] if names[:1] == ["self"] else names
    return {place for place, name in enumerate(names) if name in SAID}


def _scoped(node: ast.AST, scope: list[ast.AST]) -> Iterator[tuple[list[ast.AST], ast.AST]]:
    for inner in ast.iter_child_nodes(node):
        around = [*scope, inner] if isinstance(inner, ast.FunctionDef) else scope
        yield around, inner
        yield from _scoped(inner, around)


def _own(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a function; those of a module's own lines alone."""
    yield from ast.iter_child_nodes(node) if isinstance(node, ast.Module) else ast.walk(node)


def _elements(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.List | ast.Tuple):
        for each in node.elts:
            yield from _elements(each.value if isinstance(each, ast.Starred) else each)
    elif isinstance(node, ast.ListComp | ast.GeneratorExp):
        yield node.elt
    elif isinstance(node, ast.IfExp):
        yield from (each for branch in (node.body, node.orelse) for each in _elements(branch))
    else:
        yield node


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _speaks(sentence: str) -> bool:
    """Whether a sentence has a word in it."""
    return any(a.isalpha() and b.isalpha() for a, b in pairwise(sentence))
