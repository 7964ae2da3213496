"""Where the exchange's own frames are forwarded to, and what they carry: settings and headers."""

import pytest
import trio

from bitmart_engine.settings import SettingError, Settings

HOOK = "http://hook.test/bitmart?from=engine"
TOKEN = "hush-hush"


async def test_a_raw_event_carries_its_token_and_a_callback_does_not(box, autojump_clock):
    async with box.open(raw_events_uri=HOOK, raw_events_token=TOKEN) as outbox:
        outbox.offer(box.note("r1", lane="raw", url=HOOK, kind="raw_event"))
        outbox.offer(box.note("c1", lane="o1", url=HOOK, kind="placed"))
        await outbox.wait_idle()
    tokens = {
        request.headers["Idempotency-Key"]: request.headers.get("X-Webhook-Token")
        for _, request in box.receiver.got
    }
    assert tokens == {"r1": TOKEN, "c1": None}


async def test_a_raw_event_that_is_owed_to_an_earlier_address_does_not_get_the_token_of_the_present_one(
    box, autojump_clock
):
    async with box.open(raw_events_uri=HOOK, raw_events_token=TOKEN) as outbox:
        outbox.offer(box.note("r1", url="http://other.test/", kind="raw_event"))
        await outbox.wait_idle()
    assert "X-Webhook-Token" not in box.receiver.got[0][1].headers


async def test_without_a_token_no_header_goes_out(box, autojump_clock):
    async with box.open(raw_events_uri=HOOK) as outbox:
        outbox.offer(box.note("r1", url=HOOK, kind="raw_event"))
        await outbox.wait_idle()
    assert "X-Webhook-Token" not in box.receiver.got[0][1].headers


async def test_a_raw_event_has_the_time_of_a_signal_and_a_callback_its_own(box, autojump_clock):
    async def never(request):
        await trio.sleep_forever()

    box.receiver.answers["hook.test"] = never
    async with box.open(trading_app_request_timeout=2, callback_timeout_s=5) as outbox:
        outbox.offer(box.note("r1", lane="raw", url=HOOK, kind="raw_event"))
        outbox.offer(box.note("c1", lane="o1", url=HOOK, kind="placed"))
        await trio.sleep(6)
        assert outbox.waiting("r1").why == "no answer within 2 s"
        assert outbox.waiting("c1").why == "no answer within 5 s"


@pytest.mark.parametrize(
    ("uri", "allow", "why"),
    [
        ("ftp://hook.test/", "", "must be a https or http address"),
        ("http://user:hush@hook.test/", "", "without a user name or a password"),
        ("http://169.254.169.254/hook", "", "link-local or cloud metadata"),
        ("http://metadata.google.internal/", "", "link-local or cloud metadata"),
        ("http://hook.test/", "app.test", "CALLBACK_ALLOW does not list"),
        ("http://hook.test/#hush", "", "must not have a # in it"),
    ],
)
def test_an_address_that_raw_events_could_not_go_to_is_refused_by_its_name(uri, allow, why):
    with pytest.raises(SettingError, match="RAW_EVENTS_URI") as refused:
        Settings.from_environment({"RAW_EVENTS_URI": uri, "CALLBACK_ALLOW": allow}, env_file=None)
    assert why in str(refused.value)
    assert "hush" not in str(refused.value)


def test_a_token_for_raw_events_without_their_address_is_refused_and_not_shown():
    with pytest.raises(SettingError, match=r"RAW_EVENTS_TOKEN: .*RAW_EVENTS_URI is not set") as no:
        Settings(raw_events_token=TOKEN)
    assert TOKEN not in str(no.value)
    both = Settings(raw_events_uri=HOOK, raw_events_token=TOKEN)
    assert TOKEN not in repr(both)


def test_a_token_that_no_header_can_hold_is_refused_and_not_shown():
    with pytest.raises(SettingError, match="RAW_EVENTS_TOKEN: must be printable ASCII") as no:
        Settings(raw_events_uri=HOOK, raw_events_token="hush\r\nX-Evil: 1")
    assert "hush" not in str(no.value)
