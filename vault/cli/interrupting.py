"""Signals that interrupt, raised as KeyboardInterrupt where somebody can catch it.

Raised within the import system, or within a lock's own `__enter__`, it would leave that lock taken for ever, and another thread waiting for
it; so there it waits a moment. So it does below two things of CPython, as dataclasses and enums have them: `exec` of a text, after which
the process ends by SIGINT whatever the exit code, and `__set_name__`, which before 3.12 makes a RuntimeError of whatever is raised. Raised within a destructor or a weak reference's callback it is swallowed by Python; then it comes again.
Signals that come in a row are one interrupt: what it makes the command put in order is not itself interrupted by an impatient hand.
Between `hold` and `let` none is raised: who has made a record of itself writes its end into it, whenever it is told to end.
"""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import FrameType

NAMES: Final = ("SIGINT", "SIGTERM", "SIGHUP")
_SOON_S: Final = 0.005
_ROW_S: Final = 0.5
_IMPORT_SYSTEM: Final = "<frozen importlib"
_TEXT: Final = ("<module>", "<string>")
_NAMING: Final = "__set_name__"
_CLOSED: Final = frozenset({"__enter__", "__exit__", "__del__"})
"""Functions that are to run to their end."""
_WAITING: Final = frozenset({"wait", "wait_for", "join", "_wait_for_tstate_lock", "acquire"})
"""Functions of the library's threads that may take long, and are made to be left."""
_RELEASED: Final = "gotit"
"""What `Condition.wait` notes between giving its lock up and the block that takes it back: without it a caller would release what it has not."""
_NEVER_S: Final = float("-inf")
_raised_s: Final = [_NEVER_S]
"""When the last one was raised, by the clock that never goes back."""
_held: Final = [False]
_waits: Final = [False]


def install() -> None:
    """What the caller had ignored stays ignored, as by nohup, here and in what is started from here."""
    for name in NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)
    sys.unraisablehook = _swallowed


def hold() -> None:
    """From now on, also in a process forked from this one, an interrupt waits for `let`."""
    _held[0] = True


def let() -> None:
    """Raises  KeyboardInterrupt: one came since `hold`"""
    _held[0] = False
    if _waits[0]:
        _waits[0] = False
        _raised_s[0] = time.monotonic()
        raise KeyboardInterrupt


def over() -> None:
    """The command has ended and its exit code stands: who interrupts from now on ends the process at once, with nothing said."""
    for name in NAMES:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is interrupt:
            signal.signal(number, signal.SIG_DFL)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _swallowed(raised: Any) -> None:
    """What Python calls with an exception that nobody can catch."""
    _raised_s[0] = _NEVER_S
    if not (issubclass(raised.exc_type, KeyboardInterrupt) and _comes_again()):
        sys.__unraisablehook__(raised)


def interrupt(number: int, frame: FrameType | None) -> None:
    """A handler of signals. Raises  KeyboardInterrupt, now or soon, unless it was raised a moment ago, or waits for `let`"""
    if _held[0]:
        _waits[0] = True
        return
    now_s = time.monotonic()
    if now_s - _raised_s[0] < _ROW_S:
        return
    if frame is None or _may_be_left(frame) or not _comes_again():
        _raised_s[0] = now_s
        raise KeyboardInterrupt


def _may_be_left(frame: FrameType) -> bool:
    name, file = frame.f_code.co_name, frame.f_code.co_filename
    threads = sys.modules.get("threading")
    if threads is not None and file == threads.__file__:
        if name == "wait" and _RELEASED in frame.f_code.co_varnames:
            return _RELEASED in frame.f_locals
        return name in _WAITING
    return (
        not _is_below_what_turns_it(frame)
        and name not in _CLOSED
        and not file.startswith(_IMPORT_SYSTEM)
        and file != __file__
    )


def _is_below_what_turns_it(frame: FrameType) -> bool:
    """Into something else than a KeyboardInterrupt. What is run by -c is no text within a text."""
    while frame.f_back is not None:
        code = frame.f_code
        if code.co_name == _NAMING or (code.co_name, code.co_filename) == _TEXT:
            return True
        frame = frame.f_back
    return False


def _comes_again() -> bool:
    """Whether the system can send the signal of a clock."""
    if not hasattr(signal, "setitimer"):
        return False
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, _SOON_S)
    return True
