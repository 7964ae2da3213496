"""A receiver that takes so many a minute and says 429 to the rest: it gets all of it, in order, and is not hammered."""

import httpx
import pytest
import trio

DAY = 86_400
A_MINUTE = 50


class Limited:
    """Takes `A_MINUTE` in each minute by its clock; says for how long it takes no more, if it is `polite`."""

    def __init__(self, *, polite):
        self.polite = polite
        self.taken = []
        self.refused = []

    async def answer(self, request):
        await trio.lowlevel.checkpoint()
        now = trio.current_time()
        minute, passed = divmod(now, 60)
        if sum(at // 60 == minute for at, _ in self.taken) >= A_MINUTE:
            self.refused.append(now)
            headers = {"Retry-After": str(int(60 - passed))} if self.polite else {}
            return httpx.Response(429, headers=headers)
        self.taken.append((now, request.headers["Idempotency-Key"]))
        return httpx.Response(202)

    def most_refused_in_a_minute(self):
        minutes = [at // 60 for at in self.refused]
        return max(map(minutes.count, minutes), default=0)


@pytest.mark.parametrize(("polite", "refusals"), [(True, 8), (False, 24)])
async def test_more_than_a_receiver_takes_arrives_all_the_same_and_does_not_hammer_it(
    box, autojump_clock, polite, refusals
):
    limited = Limited(polite=polite)
    box.receiver.answers["app.test"] = limited.answer
    async with box.open() as outbox:
        for number in range(400):
            lane, place = divmod(number, 4)
            outbox.offer(box.note(f"{lane}:{place}", lane=str(lane), kind="order_signal"))
        await outbox.wait_idle()
        assert outbox.dead_letters() == []
    got = [id for _, id in limited.taken]
    assert len(got) == len(set(got)) == 400
    for lane in range(100):
        places = [id for id in got if id.startswith(f"{lane}:")]
        assert places == [f"{lane}:{place}" for place in range(4)]
    assert limited.most_refused_in_a_minute() <= refusals
    assert limited.taken[-1][0] < 60 * (400 / A_MINUTE + 3)


async def test_the_time_that_a_receiver_asks_for_is_not_taken_for_its_not_taking_anything(
    box, autojump_clock
):
    """It asks for an hour each time, all day long, and takes it in the end."""

    async def answer(request):
        busy = trio.current_time() < DAY - 3700
        return httpx.Response(429, headers={"Retry-After": "3600"}) if busy else httpx.Response(200)

    box.receiver.answers["app.test"] = answer
    async with box.open() as outbox:
        outbox.offer(box.note("n1"))
        await outbox.wait_idle()
    assert box.settlements == [("n1", "delivered")]
    assert len(box.receiver.got) <= 25
