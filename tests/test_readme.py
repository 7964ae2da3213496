"""The pages are true: their tables and diagrams are generated, their links lead somewhere, what they name exists."""

from __future__ import annotations

import importlib.util
import inspect
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

import bitmart_engine.engine
from bitmart_engine import Engine, MonitorPosition, PlaceOrder
from bitmart_engine.cli import main
from bitmart_engine.control.gate import Room
from bitmart_engine.control.guide import ENDPOINTS
from bitmart_engine.model.lifecycle import ENTRY_MOVES, PROTECTION_MOVES, mermaid
from bitmart_engine.paper import unknowns
from bitmart_engine.settings import describe_settings
from bitmart_engine.standing import Standing

ROOT = Path(__file__).parent.parent
FRONT = ROOT / "README.md"
PACKAGE_PAGE = ROOT / "bitmart_engine/README.md"
CONTROL_PAGE = ROOT / "bitmart_engine/control/README.md"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(
            page
            for folder in ("bitmart_engine", "examples", "tests")
            for page in (ROOT / folder).rglob("*.md")
        ),
    ]
)
MOST_LINES = 200
"""Of the front door: what a newcomer reads in a sitting."""


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


every_page = pytest.mark.parametrize("page", PAGES, ids=shown)


# What is generated


def table(*rows: tuple[str, ...]) -> str:
    head, *rest = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *rest])


def settings_table() -> str:
    return table(
        ("variable", "default", "what"),
        *(
            (f"`{variable}`", f"`{default}`" if default else "", purpose)
            for variable, default, purpose in describe_settings()
        ),
    )


def unknowns_table() -> str:
    return table(
        ("unknown", "parameter", "default", "fact sheet"),
        *(
            (f"{one.what[0].upper()}{one.what[1:]}", f"`{one.name}`", one.default_text or "none", one.where)
            for one in unknowns()
        ),
    )  # fmt: skip


def calls_table() -> str:
    return table(("call", "what"), *((f"`{call}`", what) for call, what in ENDPOINTS.items()))


def engine_table() -> str:
    """What the engine can be asked: a line for each public member, with the first sentence of its docstring."""
    rows = []
    for name, member in (*vars(Engine).items(), *vars(Standing).items()):
        if not name.startswith("_"):
            call = name if isinstance(member, property) else f"{name}()"
            sentence = re.split(r"(?<=\.) |\n\n", inspect.getdoc(member), maxsplit=1)[0]
            rows.append((f"`{call}`", " ".join(sentence.split())))
    return table(("member", "what"), *rows)


def nursery_tree() -> str:
    """The tree in the docstring of `engine`, drawn with lines."""
    tree = re.search(r"\n\n( {4}open_engine .*?)\n\n", bitmart_engine.engine.__doc__, re.S).group(1)
    drawn = textwrap.dedent(tree).replace("|--", "├──").replace("`--", "└──").replace("|", "│")
    return f"```text\n{drawn.replace('->', '→')}\n```"


def env_example() -> str:
    lines = ["# Copy to .env and uncomment what you want to change. The values are the defaults."]
    for variable, default, purpose in describe_settings():
        lines += ["", f"# {purpose[0].upper()}{purpose[1:]}", f"#{variable}={default}"]
    return "\n".join(lines) + "\n"


LIFECYCLES = ROOT / "bitmart_engine/model/README.md"
GENERATED = {
    (FRONT, "nursery"): nursery_tree(),
    (PACKAGE_PAGE, "settings"): settings_table(),
    (PACKAGE_PAGE, "engine"): engine_table(),
    (CONTROL_PAGE, "calls"): calls_table(),
    (ROOT / "bitmart_engine/paper/README.md", "unknowns"): unknowns_table(),
    (LIFECYCLES, "entry order"): f"```mermaid\n{mermaid(ENTRY_MOVES)}\n```",
    (LIFECYCLES, "protection"): f"```mermaid\n{mermaid(PROTECTION_MOVES)}\n```",
}
"""By the page and the name of its marks, what stands between them."""


def parts(page: Path, mark: str) -> tuple[str, str, str]:
    """The page before what is generated, that, and the page after it; the marks are of the outer parts."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->"
    head, rest = page.read_text().split(begin, 1)
    body, tail = rest.split(end, 1)
    return head + begin, body.removesuffix("\n"), end + tail


def regenerate() -> None:
    """Write the generated parts anew: `python -m tests.test_readme`."""
    for (page, mark), body in GENERATED.items():
        head, _, tail = parts(page, mark)
        page.write_text(f"{head}{body}\n{tail}")
    (ROOT / ".env.example").write_text(env_example())


@pytest.mark.parametrize(("page", "mark"), GENERATED, ids=str)
def test_a_generated_part_of_a_page_is_current(page, mark):
    _, body, _ = parts(page, mark)
    assert body == GENERATED[page, mark], "run `python -m tests.test_readme`"


def test_the_example_environment_has_every_variable_with_its_default():
    assert (ROOT / ".env.example").read_text() == env_example()


# The front door


def test_the_front_door_is_short():
    assert FRONT.read_text().count("\n") <= MOST_LINES


def test_the_front_door_says_at_once_that_nothing_was_tried_on_the_live_hosts():
    first = " ".join(FRONT.read_text().splitlines()[:10])
    assert "Nothing was tried on BitMart's live hosts yet" in first


def test_each_of_the_two_commands_is_one_line_of_plain_venv_and_pip():
    commands = re.findall(r"<!-- command: \w+ -->\n```sh\n(.*?)\n```", FRONT.read_text(), re.S)
    assert len(commands) == 2
    for command in commands:
        assert "\n" not in command
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e ")


def test_every_dependency_is_named_at_the_front_door_with_its_reason():
    text = FRONT.read_text().split("## Dependencies")[1].split("\n## ")[0]
    named = set(re.findall(r"[a-z][a-z0-9-]+", text))
    wanted = re.findall(
        r'^    "([a-z0-9-]+)>=', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert len(wanted) > 10
    assert set(wanted) <= named


def test_every_task_of_the_nursery_tree_is_a_name_in_the_code():
    code = "\n".join(
        path.read_text()
        for path in (ROOT / "bitmart_engine").rglob("*.py")
        if path.name != "engine.py"
    )
    tasks = re.findall(r"[├└]── ([a-z_]+_[a-z_]+)", nursery_tree())
    assert len(tasks) > 5
    for task in tasks:
        assert re.search(rf"\b{task}\b", code), task


# The other pages


def links(page: Path) -> Iterator[str]:
    """Where a page's links lead, but for those to other sites."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings have where pages are shown."""
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    titles = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@every_page
def test_every_link_of_a_page_leads_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{shown(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{shown(page)}: {link}"


def test_every_page_can_be_reached_from_the_front_door():
    reached, ahead = {FRONT}, [FRONT]
    while ahead:
        page = ahead.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target not in reached:
                reached.add(target)
                ahead.append(target)
    assert not [shown(page) for page in PAGES if page not in reached]


@every_page
def test_every_file_and_module_that_a_page_names_exists(page):
    text = page.read_text()
    for name in re.findall(r"`((?:bitmart_engine|examples|tests)/[\w/]*(?:\.\w+)?)`", text):
        assert (ROOT / name).exists(), f"{shown(page)}: {name}"
    for name in re.findall(r"python -m (tests[\w.]*)", text):
        assert importlib.util.find_spec(name), f"{shown(page)}: {name}"
    for name in re.findall(r"python (examples/[\w/.]+)", text):
        assert (ROOT / name).exists(), f"{shown(page)}: {name}"


@every_page
def test_every_variable_that_a_page_names_is_a_setting(page):
    prefixes = ("BITMART_", "CTRL_", "TRADING_APP_", "RAW_EVENTS_", "SUBSCRIBE_", "CALLBACK_")
    known = {variable for variable, _, _ in describe_settings()} | {"BITMART_ENGINE_URL"}
    for name in re.findall(r"`([A-Z][A-Z_]+)(?:=[^`]*)?`", page.read_text()):
        if name.startswith(prefixes) and not name.endswith("_"):
            assert name in known, f"{shown(page)}: {name}"


def section(page: Path, title: str) -> str:
    """What stands under a heading, up to the next one of its rank."""
    return page.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def test_every_room_and_module_of_the_package_is_in_the_architecture():
    package = ROOT / "bitmart_engine"
    rooms = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py") if not path.name.startswith("__")}
    named = set(re.findall(r"`([a-z_]+(?:/|\.py))`", section(PACKAGE_PAGE, "Architecture")))
    assert named == rooms | modules


def test_the_table_of_the_public_api_has_every_public_name():
    rows = re.findall(
        r"^\| (`.*?) \|", section(PACKAGE_PAGE, "Public API").split("`Engine`:")[0], re.M
    )
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(bitmart_engine.__all__)


def example(page: Path) -> str:
    return re.search(
        r"<!-- example: embedded -->\n```python\n(.*?)```", page.read_text(), re.S
    ).group(1)


def test_the_example_of_the_front_door_buys_on_paper(tmp_path):
    script = tmp_path / "embedded.py"
    script.write_text(example(FRONT))
    run = [sys.executable, str(script)]
    done = subprocess.run(
        run,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "filled" in done.stdout.splitlines()


def test_the_example_of_the_public_api_is_a_program_with_names_that_there_are():
    compile(code := example(PACKAGE_PAGE), "example", "exec")
    for name in re.search(r"from bitmart_engine import (.*)", code).group(1).split(", "):
        assert name in bitmart_engine.__all__


def test_every_command_is_described():
    named = set(
        re.findall(
            r"`(?:bitmart-engine )?([a-z]+)[ A-Z]*`", section(PACKAGE_PAGE, "The command line")
        )
    )
    assert set(main.commands) <= named


def test_every_folder_of_tests_is_described():
    folders = {f"{path.name}/" for path in (ROOT / "tests").iterdir() if any(path.glob("*.py"))}
    named = set(
        re.findall(r"`([a-z]+/)`", section(ROOT / "tests/README.md", "Where a new test goes"))
    )
    assert named == folders


@pytest.mark.parametrize(
    ("call", "kind"), [("place-order", PlaceOrder), ("monitor-position", MonitorPosition)]
)
def test_every_field_of_a_request_is_described(call, kind):
    row = re.search(
        rf"^\| `POST /api/{call}` \| `([^`]+)` \|$", CONTROL_PAGE.read_text(), re.M
    ).group(1)
    assert set(re.split(r", | or ", row)) == {each.name for each in attrs.fields(kind)}


def test_the_limits_of_the_control_port_are_as_described():
    room = Room()
    text = CONTROL_PAGE.read_text()
    assert (
        f"{room.total} connections are served in all, {room.per_peer} of one peer ({room.readers_per_peer} of them"
        in text
    )


if __name__ == "__main__":
    regenerate()
