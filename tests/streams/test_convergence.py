"""Whatever is held, released and dropped in whatever order: in the end the exchange knows what is wanted, once."""

from __future__ import annotations

from collections import Counter

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from bitmart_engine.counters import Counters
from bitmart_engine.streams import ORDERS, POSITIONS, open_streams, trade_topic

from .fake import FakeExchange, with_account

TOPICS = [ORDERS, POSITIONS, *(trade_topic(f"SYM{n}") for n in range(4))]

STEPS = st.one_of(
    st.tuples(st.just("hold"), st.sampled_from("ab"), st.sets(st.sampled_from(TOPICS), min_size=1)),
    st.tuples(st.just("release"), st.sampled_from("ab"), st.sets(st.sampled_from(TOPICS))),
    st.tuples(st.just("drop"), st.integers(0, 3)),
    st.tuples(st.just("reconnect"), st.sampled_from(TOPICS)),
    st.tuples(st.just("resubscribe"), st.sampled_from(TOPICS)),
    st.tuples(st.just("ignore"), st.sampled_from(TOPICS)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.1, 1.0, 7.0, 40.0])),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(STEPS, max_size=25))
def test_the_exchange_ends_up_knowing_what_is_wanted(script: list[tuple[object, ...]]) -> None:
    async def run() -> None:
        async with trio.open_nursery() as nursery:
            exchange = FakeExchange(nursery)
            async with open_streams(with_account(), exchange.world, Counters()) as streams:
                for step in script:
                    match step:
                        case ("hold", str(holder), set(topics)):
                            streams.hold(holder, topics)
                        case ("release", str(holder), set(topics)):
                            streams.release(holder, topics)
                        case ("drop", int(number)) if number < len(exchange.sessions):
                            await exchange.sessions[-1 - number].drop()
                        case ("reconnect", str(topic)):
                            streams.renew(topic, "asked to")
                        case ("resubscribe", str(topic)):
                            streams.resubscribe(topic)
                        case ("ignore", str(topic)):
                            exchange.ignores[topic] = 1
                        case ("wait", float(seconds)):
                            await trio.sleep(seconds)
                await trio.sleep(200)
                alive = [each for each in exchange.sessions if not each.client.closed]
                known = Counter(topic for session in alive for topic in session.topics)
                assert known == Counter(streams.wanted)
                assert all(each.state == "up" for each in streams.statistics().connections)
                assert len(alive) == len(streams.statistics().connections)
            assert exchange.open_sockets == 0
            nursery.cancel_scope.cancel()

    trio.run(run, clock=MockClock(autojump_threshold=0))
