"""A state directory belongs to one sort of trading, from the first start on, whatever cuts that start off."""

from __future__ import annotations

import pytest

from bitmart_engine.store import JournalError, check_environment_mark


def test_a_directory_is_marked_by_its_first_engine_and_refused_to_another_sort(tmp_path):
    check_environment_mark(tmp_path, "live")
    check_environment_mark(tmp_path, "live")
    with pytest.raises(JournalError, match="belongs to live trading, and this is demo"):
        check_environment_mark(tmp_path, "demo")


@pytest.mark.parametrize("left", ["", "li"])
def test_a_first_start_that_was_cut_off_while_marking_does_not_keep_the_next_from_starting(
    tmp_path, monkeypatch, left
):
    def cut_off(path, text):
        with path.open("w") as file:
            file.write(left)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.write_text", cut_off)
        with pytest.raises(KeyboardInterrupt):
            check_environment_mark(tmp_path, "live")
    check_environment_mark(tmp_path, "live")
