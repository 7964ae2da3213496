"""The catalogue of events is what the source logs and counts, no more and no less; the page of it is generated."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitmart_engine.causes import Cause
from bitmart_engine.log_events import AREAS, SENTENCES
from bitmart_engine.model.orders import EntryState

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "bitmart_engine/OPERATING.md"
SOURCES = sorted(
    path
    for path in (ROOT / "bitmart_engine").rglob("*.py")
    if "paper" not in path.relative_to(ROOT).parts
)

LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
COUNTING = {"add", "count", "_count"}
COUNTERS = re.compile(r"(^|\.)_?counters$|^(self\.)?engine$|^self$")

DYNAMIC = {
    'f"order_{record.to.value}"': [
        f"order_{state.value}"
        for state in EntryState
        if state not in (EntryState.WAITING, EntryState.SUBMITTING)
    ],
    "str(reason)": [],  # of a contract that is left out: the ids are where LeftOut is raised
}


def calls(function: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
    """Every call, with the innermost function that it is in."""

    def walk(node: ast.AST, inside: ast.AST) -> Iterator[tuple[ast.Call, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Call):
                yield child, inside
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from walk(child, child if is_function else inside)

    yield from walk(function, function)


def is_told(call: ast.Call, inside: ast.AST) -> bool:
    """Whether the call logs or counts an event, which is its first argument."""
    match call.func:
        case ast.Attribute(value=of, attr=name):
            if name in LEVELS:
                return ast.unparse(of) == "log"
            return name in COUNTING and bool(COUNTERS.search(ast.unparse(of)))
        case ast.Name(id="LeftOut" | "Count"):
            return True
        case ast.Name(id=name):
            return any(
                name in {ast.unparse(target) for target in each.targets}
                and re.search(r"\blog\.(info|warning|error)\b", ast.unparse(each.value))
                for each in ast.walk(inside)
                if isinstance(each, ast.Assign)
            )
    return False


def ids(event: ast.expr, inside: ast.AST) -> Iterator[str]:
    """What the first argument may be. A parameter, or what a `match` takes out of an effect, is looked at where others
    give it."""
    text = ast.unparse(event).replace("'", '"')
    match event:
        case ast.Constant(value=str(id)):
            yield id
        case ast.IfExp(body=one, orelse=other):
            yield from ids(one, inside)
            yield from ids(other, inside)
        case ast.Name(id=name):
            given = {
                each.value
                for each in ast.walk(inside)
                if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == name
            }
            parameters = {each.arg for each in ast.walk(inside) if isinstance(each, ast.arg)}
            parameters |= {each.name for each in ast.walk(inside) if isinstance(each, ast.MatchAs)}
            assert given or name in parameters, f"{text} is no event"
            for each in given:
                yield from ids(each, inside)
        case _:
            assert text in DYNAMIC, f"{text} is no event that can be searched for"
            yield from DYNAMIC[text]


def told() -> dict[str, list[str]]:
    """Every id that the source logs or counts, and where."""
    found: dict[str, list[str]] = {}
    for path in SOURCES:
        for call, inside in calls(ast.parse(path.read_text())):
            if call.args and is_told(call, inside):
                for id in ids(call.args[0], inside):
                    found.setdefault(id, []).append(f"{path.relative_to(ROOT)}:{call.lineno}")
    return found


TOLD = told()


def test_what_is_logged_or_counted_is_in_the_catalogue():
    missing = {id: where for id, where in TOLD.items() if id not in SENTENCES}
    assert not missing


def test_what_is_in_the_catalogue_is_logged_or_counted():
    assert sorted(SENTENCES.keys() - TOLD.keys()) == []


def test_an_id_is_in_one_area_only():
    assert sum(map(len, AREAS.values())) == len(SENTENCES)


@pytest.mark.parametrize("id", sorted(SENTENCES))
def test_an_id_is_snake_case_and_its_sentence_is_one(id):
    sentence = SENTENCES[id]
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", id)
    assert re.fullmatch(r"[A-Z][^\n]*[^ .]\.", sentence)
    assert "  " not in sentence
    assert 20 <= len(sentence) <= 170
    assert id not in sentence


def test_no_two_events_have_the_same_sentence():
    assert len(set(SENTENCES.values())) == len(SENTENCES)


def events_of(block: list[ast.stmt]) -> Iterator[tuple[str, str]]:
    """What the statements of a block themselves log or add: `log` or `add`, and the id."""
    for each in block:
        match each:
            case ast.Expr(
                ast.Call(ast.Attribute(value=of, attr=name), args=[ast.Constant(value=id), *_])
            ):
                if name in LEVELS and ast.unparse(of) == "log":
                    yield "log", id
                elif name == "add" and COUNTERS.search(ast.unparse(of)):
                    yield "add", id


def test_what_is_logged_each_time_is_counted_without_a_second_line():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list):
                    done = set(events_of(block))
                    both = {id for how, id in done if ("log", id) in done and how == "add"}
                    assert not both, f"{path}: {both}: use counters.count"


# The page

BEGIN, END = "<!-- events -->", "<!-- /events -->"
CAUSES_BEGIN, CAUSES_END = "<!-- causes -->", "<!-- /causes -->"


def table(*rows: tuple[str, str]) -> str:
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---|---|", *rest])


def chapters() -> str:
    return "\n\n".join(
        f"### {area}\n\n{table(('id', 'what it means'), *((f'`{id}`', said) for id, said in sorted(events.items())))}"
        for area, events in AREAS.items()
    )


def causes() -> str:
    return table(("`cause`", "what failed"), *((f"`{each.value}`", each.words) for each in Cause))


GENERATED = {(BEGIN, END): chapters(), (CAUSES_BEGIN, CAUSES_END): causes()}


def regenerate() -> None:
    """Write the generated parts anew: `python -m tests.test_log_events`."""
    text = PAGE.read_text()
    for (begin, end), body in GENERATED.items():
        head, rest = text.split(begin, 1)
        text = f"{head}{begin}\n{body}\n{end}{rest.split(end, 1)[1]}"
    PAGE.write_text(text)


@pytest.mark.parametrize("marks", GENERATED, ids=lambda marks: marks[0])
def test_a_generated_part_of_the_page_is_current(marks):
    begin, end = marks
    body = PAGE.read_text().split(begin, 1)[1].split(end, 1)[0].strip()
    assert body == GENERATED[marks], "run `python -m tests.test_log_events`"


if __name__ == "__main__":
    regenerate()
