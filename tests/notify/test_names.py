"""Names of receivers are looked up in threads that nobody else waits for, and a dead name delays no other."""

import threading
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from bitmart_engine.notify.names import LOOKUPS, THREADS, Names
from bitmart_engine.notify.turns import Standing


class NameServer:
    """Names that begin with `slow` are answered once `release` is called; others at once."""

    def __init__(self):
        self.asked = []
        self.at_work = 0
        self._released = threading.Event()

    def look_up(self, host, port):
        self.asked.append(host)
        self.at_work += 1
        try:
            if host.startswith("slow"):
                self._released.wait()
            if "nowhere" in host:
                raise OSError("no such name")
            return ["10.0.0.1"]
        finally:
            self.at_work -= 1

    def release(self):
        self._released.set()


@pytest.fixture
def server():
    server = NameServer()
    yield server
    server.release()


@asynccontextmanager
async def open_names(server):
    async with trio.open_nursery() as nursery:
        yield Names(nursery, server.look_up)
        nursery.cancel_scope.cancel()


async def give_up(names, host):
    """Ask for a name, and leave as soon as the rest has come to a stand."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(names.resolve, host, 80)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def until(condition):
    with trio.fail_after(30):
        while not condition():
            await trio.sleep(0.001)


async def test_names_that_take_long_leave_the_threads_that_all_share_alone(server):
    async with open_names(server) as names:
        for number in range(100):
            await give_up(names, f"slow{number}.test")
        shared = trio.to_thread.current_default_thread_limiter()
        assert shared.borrowed_tokens == 0
        with trio.fail_after(30):
            assert await trio.to_thread.run_sync(lambda: 5) == 5
        await until(lambda: server.at_work == THREADS[Standing.NEW])
        assert len(server.asked) == THREADS[Standing.NEW]


async def test_names_that_wait_to_be_looked_up_are_bounded_too(server):
    async with open_names(server) as names:
        async with trio.open_nursery() as nursery:
            for number in range(LOOKUPS):
                nursery.start_soon(names.resolve, f"slow{number}.test", 80)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(OSError, match="too many names"):
                await names.resolve("good.test", 80)
            server.release()
        assert await names.resolve("good.test", 80) == ["10.0.0.1"]


async def test_the_end_does_not_wait_for_a_name(server):
    with trio.fail_after(30):
        async with open_names(server) as names:
            await give_up(names, "slow.test")
            await until(lambda: server.at_work == 1)
    assert server.at_work == 1


async def test_names_that_never_resolve_do_not_delay_one_that_does(server):
    async with open_names(server) as names:
        await names.resolve("good.test", 80)
        for number in range(100):
            await give_up(names, f"slow{number}.test")
        with trio.fail_after(30):
            assert await names.resolve("good.test", 80) == ["10.0.0.1"]


async def test_a_name_that_failed_does_not_delay_one_that_was_never_asked_for(server):
    async with open_names(server) as names:
        for number in range(100):
            with pytest.raises(OSError, match="does not resolve"):
                await names.resolve(f"nowhere{number}.test", 80)
        names._look_up = hanging(server)
        for number in range(100):
            await give_up(names, f"nowhere{number}.test")
        with trio.fail_after(30):
            assert await names.resolve("new.test", 80) == ["10.0.0.1"]


def hanging(server):
    """Now names that fail take their time as well."""

    def look_up(host, port):
        if host.startswith("nowhere"):
            host = f"slow-{host}"
        return server.look_up(host, port)

    return look_up


async def test_a_name_that_many_want_is_looked_up_once(server):
    found = []

    async def resolve():
        found.append(await names.resolve("slow.test", 80))

    async with open_names(server) as names, trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(resolve)
        await trio.testing.wait_all_tasks_blocked()
        server.release()
    assert found == [["10.0.0.1"]] * 20
    assert server.asked == ["slow.test"]


async def test_a_name_is_looked_up_again_each_time(server):
    async with open_names(server) as names:
        await names.resolve("good.test", 80)
        await names.resolve("good.test", 80)
    assert server.asked == ["good.test"] * 2


async def test_what_was_found_too_late_serves_the_next_who_asks_once_and_not_for_long(server):
    async with open_names(server) as names:
        await give_up(names, "slow.test")
        server.release()
        await until(lambda: names._late)
        assert await names.resolve("slow.test", 80) == ["10.0.0.1"]
        assert server.asked == ["slow.test"]
        await names.resolve("slow.test", 80)
        assert server.asked == ["slow.test"] * 2
        names._late["slow.test", 80] = (trio.current_time() - 1, ["10.0.0.66"])
        assert await names.resolve("slow.test", 80) == ["10.0.0.1"]


async def test_the_systems_resolver_knows_this_machine_and_refuses_nonsense():
    async with trio.open_nursery() as nursery:
        names = Names(nursery)
        assert await names.resolve("127.0.0.1", 80) == ["127.0.0.1"]
        with pytest.raises(OSError, match="does not resolve"):
            await names.resolve("a" * 70 + ".test", 80)
        nursery.cancel_scope.cancel()
