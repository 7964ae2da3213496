"""The signatures, against the vectors of the fact sheet."""

import pytest

from bitmart_engine.paper.signing import same, signature


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
def test_the_known_vectors_are_reproduced(body: str, expected: str) -> None:
    given = signature("demo-secret-123", "memo1", "1700000000000", body)
    assert same(given, expected)


def test_another_signature_is_not_the_same() -> None:
    assert not same(signature("s", "m", "1", "a"), signature("s", "m", "1", "b"))
