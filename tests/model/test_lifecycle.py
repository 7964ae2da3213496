"""The lifecycles are tables, and a table is the only way to move."""

import pytest

from bitmart_engine.model.lifecycle import (
    ENTRY_MOVES,
    PROTECTION_MOVES,
    EntryState,
    IllegalMove,
    ProtectionState,
    mermaid,
    move,
)


@pytest.mark.parametrize(
    ("table", "states"), [(ENTRY_MOVES, EntryState), (PROTECTION_MOVES, ProtectionState)]
)
def test_every_state_has_a_row_and_is_reachable(table, states):
    assert set(table) == set(states)
    reached = {next(iter(table))}
    frontier = list(reached)
    while frontier:
        for to in table[frontier.pop()]:
            if to not in reached:
                reached.add(to)
                frontier.append(to)
    assert reached == set(states)


@pytest.mark.parametrize("table", [ENTRY_MOVES, PROTECTION_MOVES])
def test_an_illegal_move_raises_and_a_legal_one_returns_the_new_state(table):
    for state, moves in table.items():
        for to in table:
            if to is state or to in moves:
                assert move(table, state, to) is to
            else:
                with pytest.raises(IllegalMove, match=f"{state.value} does not become {to.value}"):
                    move(table, state, to)


def test_a_protection_that_is_closing_can_only_end_closed():
    assert set(PROTECTION_MOVES[ProtectionState.CLOSING]) == {ProtectionState.CLOSED}


def test_the_diagram_names_every_move():
    text = mermaid(PROTECTION_MOVES)
    assert text.startswith("stateDiagram-v2\n    [*] --> pending_fill\n")
    for state, moves in PROTECTION_MOVES.items():
        for to, why in moves.items():
            assert f"    {state.value} --> {to.value}: {why}" in text
