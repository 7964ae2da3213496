from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog

from bitmart_engine import SettingError, Settings, open_engine
from bitmart_engine.environment import shown_path
from bitmart_engine.settings import IN_MEMORY, is_new


def read(tmp_path: Path, text: str, **environment: str) -> Settings:
    file = tmp_path / ".env"
    file.write_text(text)
    return Settings.from_environment(environment, file)


def refused(tmp_path: Path, text: str, **environment: str) -> str:
    with pytest.raises(SettingError) as caught:
        read(tmp_path, text, **environment)
    assert "\n" not in str(caught.value)
    assert "hush" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pa${HOME}ss", "pa${HOME}ss"),
        ("$HOME", "$HOME"),
        ("a\"b'c", "a\"b'c"),
        ("'a ${HOME} \"b\" #c'", 'a ${HOME} "b" #c'),
        ("\"a 'b' $c\"", "a 'b' $c"),
        ("a#b", "a#b"),
        ("a=b==", "a=b=="),
        ("back\\nslash", "back\\nslash"),
    ],
)
def test_a_value_means_what_is_written(tmp_path: Path, written: str, meant: str) -> None:
    settings = read(tmp_path, f"BITMART_API_SECRET={written}\nCTRL_TOKEN={written}\n")
    assert (settings.api_secret, settings.control_token) == (meant, meant)


def test_in_the_environment_quotes_and_dollars_are_part_of_a_value() -> None:
    settings = Settings.from_environment({"CTRL_TOKEN": '"a${HOME}"'}, None)
    assert settings.control_token == '"a${HOME}"'


@pytest.mark.parametrize(
    "text", ['CTRL_TOKEN="hush', "CTRL_TOKEN='hush' hush", 'CTRL_TOKEN="hush\nBITMART_DEMO="1"', "=hush"]
)  # fmt: skip
def test_a_line_that_cannot_be_read_is_named_and_not_left_out(tmp_path: Path, text: str) -> None:
    assert ", line 2: " in refused(tmp_path, f"# mine\n{text}\n")


def test_a_name_without_a_value_is_no_setting(tmp_path: Path) -> None:
    assert "CTRL_TOKEN has no '='" in refused(tmp_path, "CTRL_TOKEN\n")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("BITMART_API_KYE", "BITMART_API_KEY"),
        ("CTRL_TOKN", "CTRL_TOKEN"),
        ("BITMART_DEM0", "BITMART_DEMO"),
        ("bitmart_demo", "BITMART_DEMO"),
        ("BITMART_APIKEY", "BITMART_API_KEY"),
        ("STATE_DIRS", "STATE_DIR"),
        ("CALLBACK_ALOW", "CALLBACK_ALLOW"),
        ("TRADING_APP_SHARED_SECRETS", "TRADING_APP_SHARED_SECRET"),
        ("BITMART_API_KEY:", "BITMART_API_KEY"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_one_that_was_meant(
    tmp_path: Path, name: str, meant: str
) -> None:
    error = refused(tmp_path, f"{name}=hush\n")
    assert error.endswith(f"unknown variable {name}; did you mean {meant}?")
    assert str(tmp_path / ".env") in error


@pytest.mark.parametrize("name", ["BITMART_COLOUR", "CTRL_X", "TRADING_APP_NAME"])
def test_an_unknown_name_of_ours_is_refused_in_the_file(tmp_path: Path, name: str) -> None:
    assert f"unknown variable {name}" in refused(tmp_path, f"{name}=\n")


def test_other_programs_may_have_theirs_in_the_file(tmp_path: Path) -> None:
    text = "POSTGRES_PASSWORD=x\nexport PATH=/bin\nBITMART_ENGINE_URL=http://127.0.0.1:1\nCTRL_TOKEN=t\n"
    assert read(tmp_path, text).control_token == "t"


@pytest.mark.parametrize("name", ["BITMART_API_KYE", "CTRL_TOKN", "BITMART_DEM0", "STATE_DRI"])
def test_a_misspelling_in_the_environment_is_refused(tmp_path: Path, name: str) -> None:
    assert "did you mean" in refused(tmp_path, "", **{name: "hush"})


def test_what_looks_like_ours_in_the_environment_and_is_not_is_only_said(tmp_path: Path) -> None:
    others = {
        "BITMART_API_URL": "x",
        "BITMART_API_KEY_2": "x",
        "CTRL_C": "x",
        "STATE_DIRECTORY": "x",
    }
    settings = read(tmp_path, "", **others)
    assert settings.origin.strange == ("BITMART_API_KEY_2", "BITMART_API_URL", "CTRL_C")


def test_signals_without_their_secret_are_an_error_and_not_silently_off(tmp_path: Path) -> None:
    error = refused(tmp_path, "TRADING_APP_BASE_URI=http://app\n")
    assert "TRADING_APP_SHARED_SECRET is not set" in error
    both = "TRADING_APP_BASE_URI=http://app\nTRADING_APP_SHARED_SECRET=s\n"
    assert read(tmp_path, both).order_signal_url


def test_it_is_known_which_file_was_read_and_what_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.from_environment({}).origin.env_file is None
    (tmp_path / ".env").write_text("CTRL_TOKEN=t\nBITMART_DEMO=\n")
    origin = Settings.from_environment({"STATE_DIR": "x"}).origin
    assert origin.env_file == tmp_path / ".env"
    assert origin.given == {"CTRL_TOKEN", "STATE_DIR"}


def test_where_the_journal_is_is_said_absolutely_and_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(state_dir="state").state_shown == str(tmp_path / "state")
    assert Settings(state_dir=IN_MEMORY).state_shown == IN_MEMORY
    odd = os.fsdecode(b"sp\xe4t")
    assert Settings(state_dir=odd).state_shown == f"{tmp_path}/sp\\xe4t"
    assert shown_path(odd).encode()


@pytest.mark.parametrize(("mode", "warned"), [("live", True), ("demo", True), ("paper", False)])
async def test_a_live_start_with_nothing_kept_says_so(
    tmp_path: Path, mode: str, warned: bool
) -> None:
    nowhere = {"rest_uri": "http://127.0.0.1:1", "public_ws_uri": "ws://127.0.0.1:1"}
    settings = Settings(state_dir=str(tmp_path / os.fsdecode(b"\xff")), mode=mode, **nowhere)
    assert is_new(settings)
    for first in (True, False):
        with structlog.testing.capture_logs() as logs:
            async with open_engine(settings):
                pass
        said = [each for each in logs if each["event"] == "state_directory_new"]
        assert bool(said) is (warned and first)
        assert not said or said[0]["log_level"] == "warning"
    assert not is_new(settings)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("172.16.0.0/12", ["172.16.0.0/12"]),
        (" 10.1.0.0/16 , 192.168.1.5,", ["10.1.0.0/16", "192.168.1.5/32"]),
        ("127.0.0.0/8,169.254.0.0/16", ["127.0.0.0/8", "169.254.0.0/16"]),
        ("fd00:1::/32,fe80::/10,::1", ["fd00:1::/32", "fe80::/10", "::1/128"]),
        ("", []),
    ],
)
def test_private_networks_may_be_let_in(tmp_path: Path, written: str, meant: list[str]) -> None:
    assert [str(each) for each in read(tmp_path, f"CTRL_ALLOW={written}\n").control_allow] == meant
    assert [str(each) for each in Settings(control_allow=meant).control_allow] == meant


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("0.0.0.0/0", "not within a private, loopback or link-local range"),
        ("::/0", "not within a private"),
        ("172.16.0.0/11", "not within a private"),
        ("10.0.0.0/8,8.8.8.8", "8.8.8.8/32 is not within"),
        ("100.64.0.0/10", "not within a private"),
        ("::ffff:10.0.0.0/104", "not within a private"),
        ("2001:db8::/32", "not within a private"),
        ("172.17.0.1/16", "write 172.17.0.0/16"),
        ("app", "is no network; write 172.16.0.0/12"),
        ("172.16.*", "is no network"),
        ("10.0.0.0/8;172.16.0.0/12", "is no network"),
    ],
)
def test_a_network_that_others_have_addresses_in_is_refused(
    tmp_path: Path, written: str, why: str
) -> None:
    error = refused(tmp_path, f"CTRL_ALLOW={written}\n")
    assert error.startswith(f"CTRL_ALLOW={written}: ")
    assert why in error


def test_further_settings_of_requests_are_read(tmp_path: Path) -> None:
    text = "CTRL_HOSTS=Engine.Internal, b.c\nQUANTITY_UNIT=Contracts\nSUBSCRIBE_LENIENT=1\n"
    settings = read(tmp_path, text)
    assert settings.control_hosts == ("engine.internal", "b.c")
    assert (settings.quantity_unit, settings.subscribe_lenient) == ("contracts", True)
    assert (Settings().quantity_unit, Settings().subscribe_lenient) == ("base", False)
    assert "must be base or contracts" in refused(tmp_path, "QUANTITY_UNIT=lots\n")
    assert "without ports" in refused(tmp_path, "CTRL_HOSTS=a.b:80\n")
    assert "must be 1 or 0" in refused(tmp_path, "SUBSCRIBE_LENIENT=maybe\n")
