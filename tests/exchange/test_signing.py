"""The signature, against vectors made with another program, and what the requests carry."""

import hashlib
import hmac

import pytest

from bitmart_engine.exchange import CredentialsMissing
from bitmart_engine.exchange.signing import keyed_headers, sign, signed_headers
from bitmart_engine.settings import SettingError

SECRET, MEMO, AT = "demo-secret-123", "memo1", 1_700_000_000_000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            '{"symbol":"BTCUSDT","order_id":"1"}',
            "202bb530607f2a6c549b5c8f6770ecdec625a3b8779a9e5cbfd2cbc06749d017",
        ),
        ("", "d0721104535d984302ed1f9d59700b91841c33ccd34a3c36598dc0b6b4328976"),
        (
            "bitmart.WebSocket",
            "7dfb6e78f786ed72076e2becbfdc0aad4999667f924b2cd3468acf25845dc43b",
        ),
    ],
)
def test_the_signature_is_that_of_the_known_vectors(body, expected):
    assert sign(SECRET, MEMO, AT, body) == expected
    assert sign(SECRET, MEMO, AT, body.encode()) == expected


def test_a_write_carries_key_signature_time_and_type_and_a_read_the_key_alone():
    assert dict(signed_headers("k", SECRET, MEMO, AT, b"")) == {
        b"X-BM-KEY": b"k",
        b"X-BM-SIGN": b"d0721104535d984302ed1f9d59700b91841c33ccd34a3c36598dc0b6b4328976",
        b"X-BM-TIMESTAMP": b"1700000000000",
        b"Content-Type": b"application/json",
    }
    assert keyed_headers("k") == [(b"X-BM-KEY", b"k")]


async def test_what_is_signed_is_what_is_sent_byte_for_byte(fake, client):
    fake.says("/contract/private/cancel-order", {})
    await client.cancel_order("BTCUSDT", order_id="1")
    sent = fake.requests[0]
    text = sent.headers["X-BM-TIMESTAMP"].encode() + b"#memo1#" + sent.content
    expected = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
    assert sent.headers["X-BM-SIGN"] == expected
    assert sent.headers["X-BM-TIMESTAMP"] == str(fake.now_ms)
    assert sent.headers["X-BM-KEY"] == "key-Aa1234567890"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.headers["User-Agent"].startswith("bitmart-engine/")
    assert sent.method == "POST"


async def test_public_reads_carry_no_key_and_private_ones_no_signature(fake, client):
    fake.says("/system/time", {"server_time": 5})
    fake.says("/contract/private/get-position-mode", {"position_mode": "hedge_mode"})
    assert await client.server_time_ms() == 5
    assert "X-BM-KEY" not in fake.requests[0].headers
    assert await client.position_mode() == "hedge_mode"
    assert fake.requests[1].headers["X-BM-KEY"] == "key-Aa1234567890"
    assert "X-BM-SIGN" not in fake.requests[1].headers


async def test_without_credentials_private_calls_name_what_is_missing_and_send_nothing(fake):
    fake.says("/system/time", {"server_time": 5})
    async with fake.client(api_secret="", api_memo="") as client:
        with pytest.raises(CredentialsMissing, match="BITMART_API_SECRET, BITMART_API_MEMO") as no:
            await client.open_orders()
        assert no.value.missing == ("BITMART_API_SECRET", "BITMART_API_MEMO")
        with pytest.raises(CredentialsMissing):
            await client.cancel_order("BTCUSDT", order_id="1")
        assert not fake.requests
        assert await client.server_time_ms() == 5


@pytest.mark.parametrize("key", ["k\u00e9y", "a\nb"])
async def test_a_key_that_no_header_can_carry_is_refused_at_the_start_and_not_shown(fake, key):
    with pytest.raises(SettingError, match="BITMART_API_KEY") as refused:
        async with fake.client(api_key=key):
            pass
    assert key not in str(refused.value)


async def test_the_transport_is_closed_with_the_client(fake):
    async with fake.client():
        assert not fake.closed
    assert fake.closed
