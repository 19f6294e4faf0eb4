"""An interrupt is raised where it does no harm, and comes even if Python swallowed it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

IMPORTING = "<frozen importlib._bootstrap>"


@pytest.mark.parametrize(
    ("name", "file", "is_at_once"),
    [
        ("cb", IMPORTING, False),
        ("__enter__", "/somewhere/pool.py", False),
        ("__exit__", "/somewhere/pool.py", False),
        ("notify_all", threading.__file__, False),
        ("wait", threading.__file__, True),
        ("join", threading.__file__, True),
        ("take", "/somewhere/backup.py", True),
    ],
)
def test_it_waits_where_a_lock_would_stay_taken(name: str, file: str, is_at_once: bool) -> None:
    script = f"""
import signal, threading, time
from types import SimpleNamespace
from vault.cli import interrupting
interrupting.install()
code = SimpleNamespace(co_name={name!r}, co_filename={file!r}, co_varnames=())
frame = SimpleNamespace(f_code=code, f_back=None)
try:
    interrupting.interrupt(signal.SIGTERM, frame)
except KeyboardInterrupt:
    print("at once")
else:
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("soon")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ("at once" if is_at_once else "soon")


SWALLOWED = """
import os, signal, sys, time, weakref
from vault.cli import interrupting
interrupting.install()
swallowed, ours = [], sys.unraisablehook
sys.unraisablehook = lambda raised: (swallowed.append(raised.exc_type), ours(raised))

class Thing: ...

def gone(reference):
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass

thing = Thing()
reference = weakref.ref(thing, gone)
try:
    del thing
    time.sleep(60)
except KeyboardInterrupt:
    print(swallowed, "and raised all the same")
"""


def test_one_that_python_swallowed_comes_again() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, check=True)
    assert done.stdout == "[<class 'KeyboardInterrupt'>] and raised all the same\n"
    assert done.stderr == ""


HELD = """
import os, signal, time
from vault.cli import interrupting
interrupting.install()
interrupting.hold()
child = os.fork()
for number in (signal.SIGTERM, signal.SIGINT):
    os.kill(os.getpid(), number)
    time.sleep(0.01)
os.write(1, b"held ")
try:
    interrupting.let()
except KeyboardInterrupt:
    os.write(1, b"let ")
interrupting.let()
if child:
    os.waitpid(child, 0)
"""


def test_one_that_is_held_comes_when_it_is_let_and_in_a_forked_process_too() -> None:
    done = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["held", "held", "let", "let"]
    assert done.stderr == ""


EXECUTED = """
import os, signal, sys, time
from vault.cli import interrupting
interrupting.install()
try:
    exec("os.kill(os.getpid(), signal.SIGTERM)\\nfor _ in range(100): pass")
    time.sleep(60)
except KeyboardInterrupt:
    interrupting.over()
    sys.exit(130)
"""


def test_one_within_the_execution_of_a_text_does_not_change_the_exit_code(tmp_path: Path) -> None:
    """CPython remembers it, and looks at it at the end of a module that was run by -m."""
    (tmp_path / "executed.py").write_text(EXECUTED)
    done = subprocess.run([sys.executable, "-m", "executed"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")


NAMED = """
import os, signal, time
from vault.cli import interrupting
interrupting.install()

def below():
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000): pass

class Member:
    def __set_name__(self, owner, name):
        below()

try:
    class Owner:
        member = Member()
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_one_while_a_class_names_its_members_is_no_other_error() -> None:
    """Before 3.12 Python wraps what `__set_name__` raises, and enums have one."""
    done = subprocess.run([sys.executable, "-c", NAMED], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


WAITING = """
import dis, signal, sys, threading
from vault.cli import interrupting
interrupting.install()
waiting = threading.Condition.wait.__code__

def follow(frame, event, _):
    global before, left
    if frame.f_code is not waiting:
        return None
    frame.f_trace_opcodes = True
    if event == "opcode":
        # After these the interpreter looks for signals.
        left -= dis.opname[waiting.co_code[before]].startswith(("CALL", "RESUME", "JUMP_BACKWARD"))
        before = frame.f_lasti
        if left == 0:
            sys.settrace(None)
            frame.f_trace = None
            interrupting.interrupt(signal.SIGTERM, frame)
    return follow

at = raised = 0
while True:
    at += 1
    condition, left, before = threading.Condition(%s), at, 0
    interrupting._raised_s[0] = interrupting._NEVER_S
    sys.settrace(follow)
    try:
        with condition:
            condition.wait(0.2)
            condition.wait(0.2)
    except KeyboardInterrupt:
        raised += 1
    sys.settrace(None)
    assert condition.acquire(blocking=False), at
    condition.release()
    if left > 0:
        break
print(at, raised)
"""


@pytest.mark.parametrize("lock", ["threading.Lock()", "threading.RLock()"])
def test_no_moment_of_a_wait_leaves_its_lock_as_it_was_not(lock: str) -> None:
    done = subprocess.run([sys.executable, "-c", WAITING % lock], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    moments, raised = map(int, done.stdout.split())
    assert moments > 12
    assert 0 < raised < moments


def test_what_the_caller_had_ignored_stays_ignored() -> None:
    script = "import signal; from vault.cli import interrupting; interrupting.install(); print(signal.getsignal(signal.SIGINT))"
    ignoring = ["/bin/sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, script]
    done = subprocess.run(ignoring, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(signal.SIG_IGN)
