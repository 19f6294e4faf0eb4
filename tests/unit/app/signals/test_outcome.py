"""Texts of pings and webhooks."""

from __future__ import annotations

import json

import pytest

from vault.app.signals.outcome import Outcome, ping_text, ping_url, webhook_text

RUN = "0e0b37a2-8f9d-4a43-9a2f-3b1a3a8f8a10"
GOOD = Outcome(source="app", exit_code=0, text="snapshot 3fa2b1 saved")
BAD = Outcome(source="crm", exit_code=6, text="no connection to db.example.org")


@pytest.mark.parametrize(
    ("base", "word", "url"),
    [
        ("https://hc-ping.com/UUID", "start", f"https://hc-ping.com/UUID/start?rid={RUN}"),
        ("https://hc-ping.com/UUID", "", f"https://hc-ping.com/UUID?rid={RUN}"),
        ("https://hc-ping.com/UUID/", "fail", f"https://hc-ping.com/UUID/fail?rid={RUN}"),
        ("https://hc-ping.com/KEY/{source}?create=1", "", f"https://hc-ping.com/KEY/app%2F1?create=1&rid={RUN}"),
        ("http://u:p@10.0.0.1:8000/ping/UUID#x", "fail", f"http://u:p@10.0.0.1:8000/ping/UUID/fail?rid={RUN}"),
    ],
)
def test_the_word_goes_into_the_path_and_the_run_into_the_query(base: str, word: str, url: str) -> None:
    assert ping_url(base, source="app/1", word=word, run=RUN) == url


def test_a_ping_of_failure_ends_with_the_end_of_the_log() -> None:
    log = "".join(f"line {number} ✅\n" for number in range(5000))
    text = ping_text([GOOD, BAD], exit_code=6, tail=log)
    assert text.startswith(
        "app: snapshot 3fa2b1 saved (exit code 0)\ncrm: no connection to db.example.org (exit code 6)\n\n"
    )
    assert text.endswith("line 4999 ✅\n")
    assert 9_000 < len(text.encode()) < 10_300
    assert ping_text([GOOD], exit_code=0, tail=log) == "app: snapshot 3fa2b1 saved (exit code 0)"
    assert ping_text([], exit_code=1, tail=log).endswith("line 4999 ✅\n")


def test_a_webhook_holds_the_result_and_a_sentence() -> None:
    one = Outcome(source="app", exit_code=3, text="saved", line={"type": "result", "rows": 7})
    assert json.loads(webhook_text(one, run=RUN, host="ada", program="pgvault 1")) == {
        "event": "backup",
        "run": RUN,
        "source": "app",
        "host": "ada",
        "program": "pgvault 1",
        "exit_code": 3,
        "text": "pgvault: app on ada: saved",
        "result": {"type": "result", "rows": 7},
    }
