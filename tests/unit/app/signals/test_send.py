"""Pings and webhooks against real servers, good and bad: delivered, told, and never waited for beyond their time."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.http_server import Behaviour, answers, deaf, drips, hangs, measured_s, serving, talks_nonsense
from vault.app.settings.signals import SignalSettings
from vault.app.signals import post
from vault.app.signals.outcome import Outcome
from vault.app.signals.post import HttpRequest, Sending
from vault.app.signals.prometheus import Measured
from vault.app.signals.send import Endpoint, Sender, Signals
from vault.errors import UsageError

SECRET = "0e0b37a2-secret"
GOOD = Outcome(source="app", exit_code=0, text="snapshot 3fa2b1 saved", line={"type": "result", "rows": 7})
BAD = Outcome(source="app", exit_code=6, text="no connection", line={"type": "error", "code": "SOURCE_UNREACHABLE"})
MEASURED = Measured(ended_s=1_800_000_000, duration_s=1, exit_code=0, good=True)
BOUND_S = post.DEADLINE_S + 3
"""For all that one run sends, with room for a slow machine."""


def signals(told: list[str], *, environment: Mapping[str, str] | None = None, **settings: str) -> Signals:
    return Signals(
        SignalSettings(**settings),
        environment or {},
        sender=Sender(name="app", host="ada", program="pgvault 1"),
        entropy=lambda length: bytes(range(length)),
        tell=told.append,
    )


def run(signalled: Signals, outcome: Outcome) -> None:
    signalled.start()
    signalled.ended(outcome, MEASURED, repository="/srv/backups")
    signalled.finish(exit_code=outcome.exit_code, tail="the end of the log")


def secret(url: str) -> str:
    return f"{url}/{SECRET}"


def test_a_good_run_is_told_at_both_ends_under_one_id(tmp_path: Path) -> None:
    told: list[str] = []
    with serving(answers(200)) as server, serving(answers(204)) as hook:
        file = tmp_path / "x.prom"
        run(
            signals(told, ping_url=secret(server.url), webhook_url=hook.url, prometheus_file=str(file)),
            GOOD,
        )
    rid = "00010203-0405-4607-8809-0a0b0c0d0e0f"
    assert server.paths() == [f"/{SECRET}/start?rid={rid}", f"/{SECRET}?rid={rid}"]
    assert server.got[1].body == "app: snapshot 3fa2b1 saved (exit code 0)"
    assert json.loads(hook.got[0].body)["result"] == {"type": "result", "rows": 7}
    assert hook.got[0].headers["Content-Type"] == "application/json"
    assert "pgvault_last_exit_code" in file.read_text()
    assert told == []


def test_a_failed_run_says_why_and_shows_the_log() -> None:
    told: list[str] = []
    with serving(answers(200)) as server:
        run(signals(told, ping_url=secret(server.url)), BAD)
    assert server.paths()[1].startswith(f"/{SECRET}/fail?rid=")
    assert server.got[1].body == "app: no connection (exit code 6)\n\nthe end of the log"
    assert told == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (hangs, "no answer within 5 s"),
        (drips, "no answer within 5 s"),
        (answers(500), "it answered 500"),
        (answers(404), "it answered 404"),
        (talks_nonsense, "it answered no HTTP"),
    ],
    ids=["hangs", "drips", "500", "404", "nonsense"],
)
def test_what_goes_wrong_is_told_by_the_host_alone_within_its_time(behaviour: Behaviour, words: str) -> None:
    told: list[str] = []
    with serving(behaviour) as server, measured_s() as taken:
        run(signals(told, ping_url=secret(server.url), webhook_url=secret(server.url)), GOOD)
        host = server.url.removeprefix("http://")
    assert taken[0] < BOUND_S
    assert any(f"signals.ping_url: {host}: {words}" in text for text in told), told
    assert any(f"signals.webhook_url: {host}: {words}" in text for text in told), told
    assert SECRET not in "".join(told)


def test_a_server_that_hangs_does_not_hold_up_the_start() -> None:
    with serving(hangs) as server:
        signalled = signals([], ping_url=secret(server.url))
        with measured_s() as taken:
            signalled.start()
        signalled.finish(exit_code=0)
    assert taken[0] < 2


def test_nobody_there_nobody_known_nobody_who_reads() -> None:
    with deaf() as url:
        refused = "http://127.0.0.1:9"
        for place, words in ((url, "no answer"), (refused, "Connection refused"), ("http://no.such.host.invalid", "")):
            with measured_s() as taken:
                why = Sending(HttpRequest(what="signals.ping_url", url=f"{place}/{SECRET}"), {}, deadline_s=2).outcome()
            assert words in why
            assert why.startswith(f"signals.ping_url: {place.removeprefix('http://')}: ")
            assert SECRET not in why
            assert taken[0] < 2 + 2


def test_a_redirect_is_not_followed_and_is_told() -> None:
    with serving(answers(200)) as other, serving(answers(302, Location=f"{other.url}/elsewhere")) as server:
        why = Sending(HttpRequest(what="signals.ping_url", url=f"{server.url}/{SECRET}"), {}).outcome()
        assert other.got == []
        assert len(server.got) == 1
    assert "it answered 302; redirects are not followed" in why


def test_a_server_that_fails_once_is_asked_again() -> None:
    seen: list[int] = []

    def recovers(handler: object, over: object) -> None:
        seen.append(1)
        answers(503 if len(seen) == 1 else 200)(handler, over)  # type: ignore[arg-type]

    with serving(recovers) as server:
        assert Sending(HttpRequest(what="x", url=server.url), {}).outcome() == ""
        assert len(server.got) == 2


def test_proxies_of_the_environment_are_not_asked() -> None:
    with serving(answers(200)) as proxy, serving(answers(200)) as server:
        environment = dict.fromkeys(("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"), proxy.url)
        assert Sending(HttpRequest(what="x", url=server.url), environment).outcome() == ""
        assert proxy.got == []
        assert len(server.got) == 1


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_certificates_are_verified(tls: tuple[ssl.SSLContext, Path]) -> None:
    context, certificate = tls
    with serving(answers(200), tls=context) as server:
        why = Sending(HttpRequest(what="x", url=f"{server.url}/{SECRET}"), {}).outcome()
        assert "its certificate is not accepted" in why
        assert SECRET not in why
        assert server.got == []
        assert Sending(HttpRequest(what="x", url=server.url), {"SSL_CERT_FILE": str(certificate)}).outcome() == ""
        assert len(server.got) == 1


def test_a_user_in_the_url_is_sent_as_such() -> None:
    with serving(answers(200)) as server:
        url = server.url.replace("http://", "http://ada:pass%20word@")
        assert Sending(HttpRequest(what="x", url=url), {}).outcome() == ""
        assert server.got[0].headers["Authorization"] == "Basic YWRhOnBhc3Mgd29yZA=="


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hc-ping.com/x",
        "ftp://h/x",
        "file:///etc/passwd",
        "http://",
        "http://h:99999/",
        "http://h/a b",
        "http://h/\n",
    ],
)
def test_what_is_no_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError) as refused:
        HttpRequest(what="signals.ping_url", url=url)
    assert "signals.ping_url" in refused.value.message
    assert not url or url not in f"{refused.value.message}{refused.value.why}{refused.value.hint}"


def test_an_address_comes_from_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("https://hc-ping.com/x\n")
    read: list[Callable[[], str]] = [
        lambda: Endpoint(key="k", url="env(HC)").read({"HC": "https://hc-ping.com/x"}),
        lambda: Endpoint(key="k", file=file).read({}),
        lambda: Endpoint(key="k", url="https://hc-ping.com/x").read({}),
    ]
    assert [one() for one in read] == ["https://hc-ping.com/x"] * 3
    with pytest.raises(UsageError, match="no URL") as refused:
        Endpoint(key="k", url="env(HC)").read({})
    assert "HC is not set" in refused.value.why
    with pytest.raises(UsageError, match="cannot read"):
        Endpoint(key="k_", file=tmp_path / "none").read({})


def test_what_cannot_be_addressed_is_told_and_stops_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    with ExitStack() as stack:
        server = stack.enter_context(serving(answers(200)))
        run(
            signals(
                told,
                ping_url="env(NOT_SET)",
                webhook_url=server.url,
                prometheus_file=str(tmp_path / "no" / "x.prom"),
            ),
            GOOD,
        )
        assert len(server.got) == 1
    assert sum("NOT_SET is not set" in text for text in told) == 2
    assert sum("metrics cannot be written" in text for text in told) == 1
