"""The journal's thread: in order, never abandoned, gone at the end."""

from __future__ import annotations

import threading
import time

import pytest
import trio

from bitmart_engine.store.thread import in_a_thread


async def test_everything_runs_in_one_other_thread_and_says_what_became_of_it() -> None:
    with in_a_thread() as run:
        first = await run(threading.current_thread)
        assert first is not threading.current_thread()
        with pytest.raises(ZeroDivisionError):
            await run(divmod, 1, 0)
        assert await run(divmod, 7, 2) == (3, 1)
        assert await run(threading.current_thread) is first
    assert not first.is_alive()


async def test_many_at_once_run_one_after_the_other() -> None:
    running: list[str] = []
    most = 0

    def job(name: str) -> None:
        nonlocal most
        running.append(name)
        most = max(most, len(running))
        time.sleep(0.001)
        running.remove(name)

    with in_a_thread() as run:
        async with trio.open_nursery() as nursery:
            for name in "abcde":
                nursery.start_soon(run, job, name)
    assert most == 1


async def test_what_is_cancelled_before_it_starts_never_does() -> None:
    done: list[str] = []
    with in_a_thread() as run, trio.CancelScope() as scope:
        await run(done.append, "first")
        scope.cancel()
        await run(done.append, "never")
    assert done == ["first"]


async def test_a_cancelled_caller_waits_for_what_it_started() -> None:
    began, go_on, done = threading.Event(), threading.Event(), []

    def job() -> None:
        began.set()
        go_on.wait(10)
        done.append("job")

    with in_a_thread() as run:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, job)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
            go_on.set()
        assert began.is_set()
        assert done == ["job"]
