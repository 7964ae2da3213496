"""A backlog is data: it costs no task, holds nobody up at the start or at the end, and says why it is there."""

from collections import Counter

import httpx
import pytest
import trio

from bitmart_engine.notify import outbox as outbox_module
from bitmart_engine.notify.turns import AT_A_RECEIVER, AT_ONCE

MANY = 20_000
OWN_TASKS = 2
"""Taking in, and watching the clock."""


async def hang(_request):
    await trio.sleep_forever()


class Steps(trio.abc.Instrument):
    """How many tasks there are at most, and how many steps are run."""

    def __init__(self):
        self.tasks = self.most = self.steps = 0

    def task_spawned(self, task):
        self.tasks += 1
        self.most = max(self.most, self.tasks)

    def task_exited(self, task):
        self.tasks -= 1

    def before_task_step(self, task):
        self.steps += 1


@pytest.fixture
async def steps():
    steps = Steps()
    trio.lowlevel.add_instrument(steps)
    yield steps
    trio.lowlevel.remove_instrument(steps)


@pytest.mark.parametrize("answer", [hang, httpx.ConnectError("x"), 503])
async def test_many_thousands_owed_cost_no_tasks_and_end_as_soon_as_one(
    box, steps, answer, autojump_clock
):
    box.receiver.answers["app.test"] = answer
    async with box.open() as outbox:
        for number in range(MANY):
            outbox.offer(box.note(f"n{number}", lane=f"o{number}"))
        await trio.sleep(20)
        assert outbox.statistics().owed == MANY
        assert steps.most <= OWN_TASKS + AT_A_RECEIVER + 1
        steps.steps, began = 0, trio.current_time()
    assert trio.current_time() - began <= 1
    assert steps.steps < 100
    assert outbox.statistics().owed == MANY


async def test_a_backlog_is_taken_in_by_pages_and_others_run_in_between(
    box, monkeypatch, autojump_clock
):
    filed = Counter()
    file = outbox_module.Outbox._file
    passes = 0

    def counted(self, notification):
        filed[passes] += 1
        file(self, notification)

    async def another():
        nonlocal passes
        while sum(filed.values()) < MANY:
            await trio.lowlevel.checkpoint()
            passes += 1

    monkeypatch.setattr(outbox_module.Outbox, "_file", counted)
    box.receiver.answers["app.test"] = hang
    async with box.open() as outbox, trio.open_nursery() as nursery:
        for number in range(MANY):
            outbox.offer(box.note(f"n{number}", lane=f"o{number}"))
        nursery.start_soon(another)
        assert not filed
    assert max(filed.values()) <= 2 * outbox_module.PAGE


async def test_what_is_new_comes_after_the_backlog_of_its_order(box, autojump_clock):
    async with box.open() as outbox:
        for number in range(500):
            outbox.offer(box.note(f"n{number}", lane=f"o{number % 3}"))
            if number % 50 == 0:
                await trio.lowlevel.checkpoint()
        await outbox.wait_idle()
    for lane in range(3):
        ids = [id for id in box.receiver.ids if int(id[1:]) % 3 == lane]
        assert ids == [f"n{number}" for number in range(500) if number % 3 == lane]


async def test_hundreds_of_dead_receivers_do_not_delay_one_that_answers(box, autojump_clock):
    async with box.open() as outbox:
        outbox.offer(box.note("first", lane="first"))
        await outbox.wait_idle()
        for number in range(300):
            host = f"dead{number}.test"
            box.receiver.answers[host] = hang
            for lane in range(5):
                outbox.offer(box.note(f"{host}{lane}", lane=f"{lane}", url=f"http://{host}/"))
        sent_at = {}
        for minute in range(5):
            await trio.sleep(60)
            assert outbox.statistics().in_flight <= AT_ONCE
            sent_at[f"n{minute}"] = trio.current_time()
            outbox.offer(box.note(f"n{minute}", lane=f"n{minute}"))
        await trio.sleep(1)
        got = {request.headers["Idempotency-Key"]: at for at, request in box.receiver.got}
        assert {id: got[id] for id in sent_at} == sent_at


async def test_a_new_receiver_among_hundreds_of_dead_ones_is_heard_of_soon(box, autojump_clock):
    async with box.open() as outbox:
        for number in range(300):
            host = f"dead{number}.test"
            box.receiver.answers[host] = hang
            outbox.offer(box.note(host, lane=host, url=f"http://{host}/"))
        outbox.offer(box.note("mine"))
        await trio.sleep(60)
        assert ("mine", "delivered") in box.settlements


async def test_it_says_why_something_is_still_owed(box, autojump_clock):
    box.receiver.answers["app.test"] = [503, hang]
    async with box.open() as outbox:
        assert outbox.waiting("n1") is None
        for number in range(1, 3):
            outbox.offer(box.note(f"n{number}"))
        assert outbox.waiting("n1").why == "it is not on disk yet"
        await trio.sleep(1)
        first, second = outbox.waiting("n1"), outbox.waiting("n2")
        assert (first.attempts, first.why) == (1, "HTTP 503")
        assert first.next_attempt_ms == box.wall_ms() + 4000
        assert (second.attempts, second.next_attempt_ms) == (0, None)
        assert second.why == "n1 comes before it"
        await trio.sleep(5)
        assert outbox.waiting("n1").next_attempt_ms is None
        for number in range(6):
            outbox.offer(box.note(f"m{number}", lane=f"m{number}"))
        await trio.sleep(1)
        assert outbox.waiting("m5").why == "others are being sent to app.test"
        await trio.sleep(5)
        assert outbox.waiting("n1").why == "no answer within 5 s"


async def test_while_the_journal_cannot_be_written_what_is_on_disk_already_is_still_sent(
    box, autojump_clock
):
    broken = trio.Event()
    durable = box.durable

    async def stuck():
        if outbox_is_stuck:
            await broken.wait()
        await durable()

    outbox_is_stuck = False
    box.durable = stuck
    box.receiver.answers["app.test"] = [503, 200]
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await trio.sleep(1)
        outbox_is_stuck = True
        outbox.offer(box.note("n2", lane="o2"))
        await trio.sleep(10)
        assert box.settlements == [("n1", "delivered")]
        broken.set()
        await outbox.wait_idle()
    assert box.receiver.ids == ["n1", "n1", "n2"]
