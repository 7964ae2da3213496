"""A URL that could never be delivered to is refused at the start, and a password in one is never shown or kept."""

import pytest
from attrs import evolve

from bitmart_engine.control.outbox import Notification as Shown
from bitmart_engine.control.outbox import OutboxState, notification_view
from bitmart_engine.control.pieces import encoded
from bitmart_engine.control.views import order_view, protection_view
from bitmart_engine.model.errors import BadRequest
from bitmart_engine.model.notifications import Notification
from bitmart_engine.model.urls import check_url, receiver_of, shown_url
from bitmart_engine.settings import SettingError, Settings
from tests.store import stories
from tests.support.stage import entry, open_stage

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "uri",
    [
        "https://user:hunter2@app.test",
        "https://hunter2@app.test/base",
        "http://:hunter2@app.test:8080",
        "http://user:hunter2@/",
        "user:hunter2@app.test",
        "htp://user:hunter2@app.test",
        "http://user:hun/ter2hunter2@app.test",
        "http://user:12/hunter2@app.test",
        "http://user:hunter2@169.254.169.254",
        "http://user:hunter2@[::1",
        "http://app.test\\hunter2@x",
    ],
)
@pytest.mark.parametrize(
    "variable",
    [
        "TRADING_APP_BASE_URI",
        "BITMART_REST_URI",
        "BITMART_PUBLIC_WS_URI",
        "BITMART_PRIVATE_WS_URI",
    ],
)
def test_a_password_in_a_setting_is_refused_by_the_variables_name_and_not_shown(variable, uri):
    with pytest.raises(SettingError) as refused:
        Settings.from_environment({variable: uri}, env_file=None)
    assert refused.value.variable == variable
    said = str(refused.value)
    assert said.startswith(f"{variable}=***: must be")
    assert "password" in said
    assert "\n" not in said
    assert "ter2" not in said


@pytest.mark.parametrize(
    ("uri", "allow", "why"),
    [
        ("http://app.test", "other.test", "CALLBACK_ALLOW does not list"),
        ("http://app.test.evil", "app.test", "CALLBACK_ALLOW does not list"),
        ("http://127.0.0.1:8000", "localhost", "CALLBACK_ALLOW does not list"),
        ("http://169.254.169.254", "", "link-local or cloud metadata"),
        ("http://2852039166", "", "link-local or cloud metadata"),
        ("http://0xA9FEA9FE/x", "", "link-local or cloud metadata"),
        ("http://169.254.43518", "169.254.43518", "link-local or cloud metadata"),
        ("http://[::ffff:169.254.169.254]", "", "link-local or cloud metadata"),
        ("http://metadata.google.internal.", "", "link-local or cloud metadata"),
        ("http://a,b", "", "not a host name"),
        ("http://app.test:0", "", "port"),
        ("http://app.test:70000", "", "port|address"),
        ("http://app.test?token=hunter2", "", "must not have a [?] or #"),
        ("http://app.test/#hunter2", "", "must not have a [?] or #"),
        ("ftp://app.test", "", "must be a https or http address"),
    ],
)
def test_an_application_that_could_never_be_told_is_refused_at_the_start(uri, allow, why):
    with pytest.raises(SettingError, match=why) as refused:
        Settings.from_environment(
            {"TRADING_APP_BASE_URI": uri, "CALLBACK_ALLOW": allow}, env_file=None
        )
    assert refused.value.variable == "TRADING_APP_BASE_URI"
    assert PASSWORD not in str(refused.value)


def test_an_application_that_can_be_told_is_fine():
    for uri, allow in (
        ("http://app.test:8080/base/", ()),
        ("http://App.Test", ("app.test",)),
        ("http://[::1]:8080", ("[::1]",)),
        ("http://[::1]:8080", ("::1",)),
        ("https://10.0.0.1", ("10.0.0.1",)),
        ("", ("app.test",)),
    ):
        Settings(trading_app_base_uri=uri, callback_allow=allow)


@pytest.mark.parametrize("allow", ["app.test:8080", "[::1]:80", "http://app.test", "me@app.test"])
def test_an_allowed_host_is_a_name_without_a_port_for_it_would_match_nothing(allow):
    with pytest.raises(SettingError, match="CALLBACK_ALLOW"):
        Settings(callback_allow=allow)


def test_a_path_that_makes_the_address_another_one_is_refused_by_its_own_name():
    with pytest.raises(SettingError, match="TRADING_APP_ORDER_SIGNAL_PATH"):
        Settings(trading_app_base_uri="http://app.test", trading_app_order_signal_path="/a\nb")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://app.test/hook?chat=5", "https://app.test/hook?chat=5"),
        ("https://app.test/@bob/hook", "https://app.test/@bob/hook"),
        ("https://user:hunter2@app.test/hook", "https://***@app.test/hook"),
        ("https://hunter2@app.test", "https://***@app.test"),
        ("https://user:hunter2@x@app.test/", "https://***@app.test/"),
        ("http://app.test\\hunter2@169.254.169.254/", "http://***@169.254.169.254/"),
        ("user:hunter2@app.test:x/", "***@app.test:x/"),
        ("http://user:hun/ter2hunter2@app.test", "***@app.test"),
        ("http://user:hunter2@[::1", "***@[::1"),
        ("http://user:hunter2@xn--/", "http://***@xn--/"),
        ("http://user:hunter2@app.test/\ud800", "***@app.test/\ud800"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert shown_url(url) == shown
    assert PASSWORD not in receiver_of(url)


@pytest.mark.parametrize("url", ["http://app.test/\ud800", 5, "http://" + "a" * 70_000])
def test_what_cannot_be_a_url_at_all_is_refused_and_no_crash(url):
    with pytest.raises(BadRequest):
        check_url(url)


async def test_an_order_with_a_password_in_its_callback_url_is_refused_and_not_kept(autojump_clock):
    async with open_stage() as stage:
        with pytest.raises(BadRequest, match="user name or a password") as refused:
            await stage.engine.place_order(entry(callback_url="http://user:hunter2@app.test/"))
        assert PASSWORD not in str(refused.value)
        assert not stage.engine.state.orders


def test_what_an_older_journal_holds_is_shown_without_its_password():
    url = "http://user:hunter2@app.test/hook"
    order = stories.entry("a")
    order = evolve(order, request=evolve(order.request, callback_url=url))
    protection = evolve(stories.protection("a"), callback_url=url)
    letter = Notification(id="n", lane="a", url=url, kind="placed", body=b"{}", created_ms=1)
    for view, field in (
        (order_view(order), "callback_url"),
        (protection_view(protection), "callback_url"),
        (notification_view(Shown, letter, OutboxState.OWED), "url"),
    ):
        assert getattr(view, field) == "http://***@app.test/hook"
        assert PASSWORD not in encoded(view).decode()
