"""Every check of this project, one command.

    python3 tests/check.py            everything; what a change must pass
    python3 tests/check.py fast       what needs no server: the tree, lint, types, imports, vectors, unit tests
    python3 tests/check.py NAME...    only these

On a machine with only Python 3.11 or newer it first makes `.venv` with the project and its development tools in it. What
runs servers also wants, as root on Debian, the distribution's PostgreSQL 15, npm and restic, and fetches the other majors by
other_majors.py and servers of buckets by bucket_programs.py, Spark by engines.py. Whatever it installs is said before. Standard library only.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LOCK = ROOT / ".ci" / "requirements.lock"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
POSTGRES_15 = Path("/usr/lib/postgresql/15/bin/postgres")
PYTHON_TREES = ("vault", "tests", "benchmarks", "spec")
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
SIZE_EXEMPT = {"spec/reader.py"}
"""One file by design: a user keeps it beside the repository."""
MAJORS = (13, 14, 15, 16, 17, 18)
ON_NEWEST_MINORS = tuple(
    f"tests/scenarios/test_{name}"
    for name in (
        "details.py::test_every_row_of_the_catalogs_comes_back",
        "capture_labels.py",
        "members.py",
        "restore_damaged_zoo.py::test_each_table_comes_into_an_empty_database_alone",
        "majors.py::test_zoo_restored_into_its_own_major_equals_its_source",
        "majors.py::test_zoo_moves_to_a_later_major",
    )
)
TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "vault", "tests", "spec", "benchmarks"}
HEAVY_MODULES = ("psycopg", "cryptography", "backports", "blake3", "pyfastcdc", "msgpack", "rich")
HELP_MODULES_MAX = 200
"""Of `pgvault --help`, of which an empty Python has 70."""
WITHOUT_SERVER = ("tests/architecture", "tests/unit", "tests/properties", "tests/vectors", "tests/conformance")
WORKERS_PER_CORE = 2
"""A test waits for its server more than half of the time; three a core took longer."""
WORKERS_MAX = 8
FAULTS_TRIED = 60
FAULTS_NOTICED_PERCENT = 65
"""About 80 % were noticed when this was written, 25 % before these tests. A sample of 60, which is another whenever a module
changes, strays by 15 in one case of five hundred; tests that lost their bite stray by more."""
GROUPS_IN_TURN = ("crypto", "format", "pipeline", "repo", "store")
FAULTS_TRIED_IN_TURN = 12
"""Of another group whenever the code changes: what its tests reach has to be learned each time, which takes a minute or two."""
FAST = "fast"
failed_tests: list[str] = []
"""Said last of all: whoever sees only the end of the output learns what to mend."""


class CheckFailed(Exception):
    """The text to print under the check's line."""


def main() -> int:
    """Run the named checks, or all. Returns the exit code."""
    described = f"checks: {' '.join(CHECKS)}; {FAST}: all that need no server"
    parser = argparse.ArgumentParser(description="Run the project's checks.", epilog=described)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"run only these; {FAST} is what needs no server")
    selected = select(parser.parse_args().names)
    if isinstance(selected, str):
        parser.error(selected)
    os.chdir(ROOT)
    prepare_environment(servers=bool(SERVER_CHECKS & set(selected)))
    started = time.monotonic()
    failed = run_side_by_side([name for name in selected if name not in TEST_CHECKS])
    failed += [name for name in selected if name in TEST_CHECKS and not run_check(name)]
    summary = f"{len(selected) - len(failed)} of {len(selected)} checks passed in {time.monotonic() - started:.0f} s"
    print(f"\n{summary}" + (f"; failed: {' '.join(failed)}" if failed else ""), *failed_tests, sep="\n", flush=True)
    return 1 if failed else 0


def select(names: list[str]) -> list[str] | str:
    """The checks to run, in the order of the table; or what is wrong with `names`."""
    unknown = [name for name in names if name not in CHECKS and name != FAST]
    if unknown:
        return f"no check named {', '.join(unknown)}; there are: {FAST} {' '.join(CHECKS)}"
    if not names:
        return [name for name in CHECKS if name != "unit"]  # pytest runs those too
    return [name for name in CHECKS if name in names or (FAST in names and name not in SERVER_CHECKS)]


def run_side_by_side(names: list[str]) -> list[str]:
    """Run checks that print nothing of their own; returns those that failed."""
    with ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        return [name for name, passed in zip(names, pool.map(run_check, names), strict=True) if not passed]


def run_check(name: str) -> bool:
    started = time.monotonic()
    try:
        CHECKS[name]()
    except CheckFailed as failure:
        print(f"FAIL  {name:<12} {time.monotonic() - started:6.1f} s\n{failure}", flush=True)
        return False
    print(f"ok    {name:<12} {time.monotonic() - started:6.1f} s", flush=True)
    return True


# --- the environment -----------------------------------------------------------------------------


def prepare_environment(*, servers: bool) -> None:
    """Make `.venv` current with pyproject.toml and, for `servers`, look for one of every supported major."""
    if sys.version_info < (3, 11):  # noqa: UP036 (this file may meet an older one)
        sys.exit(f"pgvault needs Python 3.11 or newer; this is {sys.version.split()[0]}")
    stamp = VENV / "installed-for"
    interpreter = f"{ROOT} {sys.version}"
    wanted = f"{hashlib.sha256((ROOT / 'pyproject.toml').read_bytes() + LOCK.read_bytes()).hexdigest()} {interpreter}"
    stamped = stamp.read_text() if stamp.is_file() else ""
    if stamped != wanted:
        say_what_pip_installs()
        if stamped.partition(" ")[2] != interpreter:
            create_venv()
        install = [str(BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run_or_exit([*install, "--require-hashes", "--requirement", str(LOCK)])
        run_or_exit([*install, "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
        stamp.write_text(wanted)
    if not servers:
        return
    install_postgres()
    for program in ("npm", "restic"):
        if not shutil.which(program) and os.geteuid() == 0 and shutil.which("apt-get"):
            apt_install(program)
    if not shutil.which("fusermount3") and os.geteuid() == 0 and shutil.which("apt-get"):
        apt_install("fuse3")  # mounts that it cannot make are skipped, and named
    for fetching in ("other_majors.py", "newest_minors.py", "bucket_programs.py", "engines.py"):
        run_or_exit([str(BIN / "python"), str(ROOT / "tests" / fetching)])


def say_what_pip_installs() -> None:
    import tomllib  # an older Python gets as far as being told that it is too old

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(one for name in sorted(extras) for one in extras[name])]
    print(
        f"making {VENV} with Python {sys.version.split()[0]}; pip installs into it, as {LOCK.name} pins them: {', '.join(wanted)}",
        flush=True,
    )


def create_venv() -> None:
    if VENV.is_symlink():
        VENV.unlink()  # what it leads to is another tree's, and is not emptied
    done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if done.returncode != 0 and os.geteuid() == 0 and shutil.which("apt-get"):
        apt_install("python3-venv")
        done = subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"could not create {VENV}:\n{done.stdout}{done.stderr}")


def install_postgres() -> None:
    """Debian's PostgreSQL 15, beside the embedded 18; says so where it cannot be had."""
    if POSTGRES_15.exists():
        return
    if os.geteuid() == 0 and shutil.which("apt-get") and apt_install("postgresql-15") and POSTGRES_15.exists():
        return
    print("MISSING: PostgreSQL 15 is not installed and could not be; the tests that need it will fail", flush=True)


def apt_install(package: str) -> bool:
    """Returns whether apt reported success. RUNLEVEL=1 keeps the package from starting a server of its own."""
    print(f"installing {package} with apt-get", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", package]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr.strip().splitlines()[-1:] or ["apt-get failed"], flush=True)
    return done.returncode == 0


def run_or_exit(command: list[str]) -> None:
    if (code := subprocess.run(command).returncode) != 0:
        sys.exit(f"{' '.join(command)} failed with exit code {code}")


# --- checks that run a tool ----------------------------------------------------------------------


def tool(*command: str) -> Callable[[], None]:
    """A check that runs a program of `.venv` and shows its output only if it fails."""

    def check() -> None:
        done = subprocess.run([str(BIN / command[0]), *command[1:]], capture_output=True, text=True)
        if done.returncode != 0:
            raise CheckFailed((done.stdout + done.stderr).rstrip())

    return check


def pytest(*arguments: str) -> Callable[[], None]:
    """Tests, side by side. Their output goes through, so that pytest's own closing line is seen."""

    def check() -> None:
        workers = min(WORKERS_MAX, WORKERS_PER_CORE * (os.cpu_count() or 1))
        spread = ("-n", str(workers), "--dist", "worksteal", "--durations=10", "--durations-min=5")
        with tempfile.TemporaryDirectory() as place:
            record = Path(place) / "record.xml"
            done = subprocess.run(
                [str(BIN / "python"), "-m", "pytest", "-q", *spread, f"--junitxml={record}", *arguments]
            )
            if done.returncode != 0:
                failed_tests.extend(failed_in(record))
                raise CheckFailed(f"pytest: exit code {done.returncode}")

    return check


def failed_in(record: Path) -> list[str]:
    """A line for each file of tests: what failed in it. `record` is what pytest wrote, as JUnit's XML."""
    by_file: dict[str, list[str]] = {}
    for case in ElementTree.parse(record).iter("testcase") if record.exists() else ():
        if case.find("failure") is not None or case.find("error") is not None:
            by_file.setdefault(case.get("classname", ""), []).append(case.get("name", ""))
    return [f"{file.removeprefix('tests.')}: {' '.join(names)}" for file, names in sorted(by_file.items())]


def check_minors() -> None:
    """The scenarios that look at every catalog, on the newest minors that could be had beside the usual ones."""
    newest = {
        int(place.name.partition("-")[0])
        for place in (VENV / "postgres").glob("*-newest")
        if (place / "bin" / "postgres").exists()
    }
    if not newest:
        print("SKIPPED: no newer minor of any major than the one that all tests run on", flush=True)
        return
    same = set(MAJORS) - newest
    moves = [f"[{before}-{after}]" for before in same for after in same]
    without = " or ".join([*(f"[{major}]" for major in same), *moves])
    told = (", ".join(map(str, sorted(majors))) for majors in (newest, same))
    print("newest minors of PostgreSQL {}; no newer one of {}".format(*told), flush=True)
    os.environ["PGVAULT_TEST_MINORS"] = "newest"
    try:
        pytest("-k", f"not ({without})", *ON_NEWEST_MINORS)()
    finally:
        del os.environ["PGVAULT_TEST_MINORS"]


# --- checks of the tree --------------------------------------------------------------------------


def tracked_files() -> list[str]:
    """Paths below the root that git tracks; without git, all that are not ignored by name."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [
            str(path.relative_to(ROOT)) for tree in sorted(TOP_LEVEL) for path in [ROOT / tree, *(ROOT / tree).rglob("*")]
            if path.is_file() and "__pycache__" not in path.parts
        ]  # fmt: skip
    return [os.fsdecode(name) for name in listed.split(b"\0") if name and (ROOT / os.fsdecode(name)).exists()]


def check_layout() -> None:
    extra = sorted({path.split("/")[0] for path in tracked_files()} - TOP_LEVEL)
    extra = [name for name in extra if not name.startswith(".")]
    lacking = sorted(name for name in TOP_LEVEL if not (ROOT / name).exists())
    if extra or lacking:
        raise CheckFailed(f"not part of the layout: {extra or 'nothing'}; missing: {lacking or 'nothing'}")


def check_sizes() -> None:
    long = [finding for path in python_files() for finding in oversized(path)]
    if long:
        raise CheckFailed("\n".join(long))


def python_files() -> Iterator[Path]:
    for tree in PYTHON_TREES:
        for path in sorted((ROOT / tree).rglob("*.py")):
            if str(path.relative_to(ROOT)) not in SIZE_EXEMPT:
                yield path


def oversized(path: Path) -> Iterator[str]:
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    if (lines := text.count("\n")) > FILE_LINES_MAX:
        yield f"{name}: {lines} lines, at most {FILE_LINES_MAX}"
    for node in ast.walk(ast.parse(text, str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            length = node.end_lineno - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {FUNCTION_LINES_MAX}"


# --- checks of the command line ------------------------------------------------------------------


def check_startup() -> None:
    """`pgvault --help` loads nothing heavy, and little at all: a count of modules is the same on a busy machine."""
    probe = (
        "import sys\nfrom vault.cli.main import main\nsys.argv = ['pgvault', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\nprint(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([str(BIN / "python"), "-c", probe], capture_output=True, text=True)
    if done.returncode != 0:
        raise CheckFailed(done.stderr)
    loaded = done.stderr.split()
    heavy = sorted({name.partition(".")[0] for name in loaded} & set(HEAVY_MODULES))
    if heavy:
        raise CheckFailed(f"pgvault --help imports {', '.join(heavy)}")
    if len(loaded) > HELP_MODULES_MAX:
        raise CheckFailed(f"pgvault --help imports {len(loaded)} modules, at most {HELP_MODULES_MAX}")


def check_documented() -> None:
    """Every command of the group is shown, as it is typed, in README.md, the pages for users or the spec."""
    lister = "from vault.cli.command_names import COMMANDS; print(*COMMANDS)"
    done = subprocess.run([str(BIN / "python"), "-c", lister], capture_output=True, text=True)
    if done.returncode != 0 or not done.stdout.split():
        raise CheckFailed(done.stderr or "the command line has no commands")
    pages = [ROOT / "README.md", *(ROOT / "vault" / "docs").glob("*.md"), *(ROOT / "spec").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    missing = [name for name in done.stdout.split() if f"pgvault {name}" not in text]
    if missing:
        raise CheckFailed(f"in none of README.md, vault/docs/ and spec/: {', '.join(missing)}")


def check_dependencies() -> None:
    """None of the core's dependencies has a known vulnerability; what it says goes through, for it may be that nobody could tell."""
    done = subprocess.run([str(BIN / "python"), "tests/dependencies.py"], capture_output=True, text=True)
    if done.returncode != 0:
        raise CheckFailed((done.stdout + done.stderr).rstrip())
    print(done.stdout.rstrip(), flush=True)


def check_mutation() -> None:
    """Of the faults that were chosen the fast tests notice all, of a sample of every small change their usual share."""
    if os.name == "nt":
        print("SKIPPED: mutation forks a process for every fault, which Windows cannot", flush=True)
        return
    tool("python", "tests/planted_faults.py")()
    for group, tried in (("plan", FAULTS_TRIED), (_group_in_turn(), FAULTS_TRIED_IN_TURN)):
        sample = ("--groups", group, "--sample", str(tried), "--floor", str(FAULTS_NOTICED_PERCENT))
        tool("python", "tests/mutation.py", *sample)()


def _group_in_turn() -> str:
    code = b"".join(path.read_bytes() for path in sorted((ROOT / "vault").rglob("*.py")))
    return GROUPS_IN_TURN[hashlib.sha256(code).digest()[0] % len(GROUPS_IN_TURN)]


CHECKS: dict[str, Callable[[], None]] = {
    "layout": check_layout,
    "sizes": check_sizes,
    "format": tool("ruff", "format", "--check", "."),
    "lint": tool("ruff", "check", "."),
    "types": tool("mypy"),
    "imports": tool("lint-imports"),
    "startup": check_startup,
    "documented": check_documented,
    "vectors": tool("python", "spec/vectors/generate.py", "--check"),
    "dependencies": check_dependencies,
    "mutation": check_mutation,
    "unit": pytest("-m", "not postgres and not slow", *WITHOUT_SERVER),
    "pytest": pytest(),
    "minors": check_minors,
}
TEST_CHECKS = {"unit", "pytest", "minors"}
SERVER_CHECKS = {"pytest", "minors"}


if __name__ == "__main__":
    sys.exit(main())
