"""House rules that no linter holds. Each rule lists what breaks it, so it can be seen to fail."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import striate

ROOT = Path(__file__).resolve().parents[1]
PUBLIC_SURFACE = ROOT / "tests" / "vectors" / "public_surface.txt"

MAX_FILE_LINES = 400
MAX_ARCHITECTURE_LINES = 120
MAX_TRACKED_BYTES = 2_000_000
LOST_AND_FOUND = {"util", "utils", "helper", "helpers", "common", "misc"}
ROOMS_WITH_EXAMPLES = {"atlas", "image", "methods", "network"}

# Written in pieces, so that this file does not break its own rule.
MACHINE_FOLDERS = "work|root|home|Users|opt"
REGISTRY_HOSTS = "|".join(["python" + "hosted", r"pypi\." + "org", r"registry\." + "npmjs"])
NAMES_A_MACHINE = re.compile(
    rf"(?<![\w.~>)}}*-])/(?:{MACHINE_FOLDERS})/\w[^\s\"'`]*|\b(?:{REGISTRY_HOSTS})\b".encode()
)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def tracked_files() -> list[Path]:
    """Whatever git has, or would have after ``git add .``."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert run.returncode == 0, f"git ls-files failed: {run.stderr.decode()}"
    files = (ROOT / name.decode() for name in sorted(set(run.stdout.split(b"\0"))) if name)
    return [path for path in files if path.is_file()]


def report(rule: str, breaches: list[str]) -> None:
    assert not breaches, f"{rule}:\n  " + "\n  ".join(breaches)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


# --- files -----------------------------------------------------------------------------------


def too_long(path: Path, limit: int) -> list[str]:
    count = len(path.read_text(encoding="utf-8").splitlines())
    return [f"{name_of(path)} has {count} lines"] if count > limit else []


def lost_and_found(path: Path) -> list[str]:
    parts = {Path(part).stem for part in Path(name_of(path)).parts}
    return [f"{name_of(path)}: say what is in it" for _ in parts & LOST_AND_FOUND]


def names_a_machine(path: Path) -> list[str]:
    content = path.read_bytes()
    breaches = []
    for found in NAMES_A_MACHINE.finditer(content):
        line = 1 + content.count(b"\n", 0, found.start())
        breaches.append(f"{name_of(path)}:{line}: {found.group().decode(errors='replace')}")
    return breaches


def test_no_python_file_is_too_long() -> None:
    files = python_files("src", "tests", "benchmarks", "examples")
    breaches = [breach for path in files for breach in too_long(path, MAX_FILE_LINES)]
    report(f"A Python file stops at {MAX_FILE_LINES} lines; split by what it is about", breaches)


def test_no_module_is_a_lost_and_found_box() -> None:
    files = python_files("src", "tests", "benchmarks", "examples")
    report("A module is named after what is in it", [b for f in files for b in lost_and_found(f)])


def test_architecture_stays_short_enough_to_be_read() -> None:
    breaches = too_long(ROOT / "ARCHITECTURE.md", MAX_ARCHITECTURE_LINES)
    report(f"ARCHITECTURE.md stops at {MAX_ARCHITECTURE_LINES} lines", breaches)


def test_no_tracked_file_is_big() -> None:
    sizes = {path: path.stat().st_size for path in tracked_files()}
    breaches = [f"{name_of(p)}: {n} bytes" for p, n in sizes.items() if n > MAX_TRACKED_BYTES]
    report(f"A tracked file stops at {MAX_TRACKED_BYTES} bytes", breaches)


def test_no_tracked_file_names_a_machine() -> None:
    breaches = [breach for path in tracked_files() for breach in names_a_machine(path)]
    report("No paths of one machine and no registry hosts in the repository", breaches)


def test_the_file_rules_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "utils.py"
    path.write_text("fine = 1\n" * 400, encoding="utf-8")
    assert not too_long(path, MAX_FILE_LINES)
    path.write_text("long = 1\n" * 401, encoding="utf-8")
    assert too_long(path, MAX_FILE_LINES) == ["utils.py has 401 lines"]
    assert lost_and_found(path)
    assert lost_and_found(ROOT / "src" / "striate" / "common" / "thing.py")
    assert not lost_and_found(ROOT / "src" / "striate" / "image" / "grid.py")


@pytest.mark.parametrize(
    ("text", "breaks"),
    [
        ("see /" + "work/main/x.py", True),
        ('"/' + 'home/someone/model.pt"', True),
        ("file:///" + "root/model.pt", True),
        ("from files.python" + "hosted.org", True),
        ("https://pypi." + "org/simple", True),
        ("https://example.com/" + "work/of/art", False),
        ("~/" + "work/thing and ../shared/" + "work/x", False),
        ("GET /" + "home", False),
    ],
)
def test_the_machine_rule_can_fail(tmp_path: Path, text: str, breaks: bool) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"first line\n{text}\n", encoding="utf-8")
    found = names_a_machine(path)
    assert bool(found) is breaks
    assert all(breach.startswith("page.md:2: ") for breach in found)


# --- docstrings ------------------------------------------------------------------------------

Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, Documented]]:
    """Public functions and classes, and the public methods of those classes."""
    for node in body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        marks = {ast.unparse(mark).rpartition(".")[2] for mark in node.decorator_list}
        if marks & {"overload", "override", "setter"}:
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{prefix}{node.name}.")


def undocumented(source: str) -> list[str]:
    found = public_definitions(ast.parse(source).body)
    return [name for name, node in found if not (ast.get_docstring(node) or "").strip()]


def lacks_source(source: str) -> bool:
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return re.search(r"^Source:", docstring, re.MULTILINE) is None


def lacks_example(docstring: str | None) -> bool:
    return ">>>" not in (docstring or "") and "Example" not in (docstring or "")


def test_each_public_name_in_src_is_documented() -> None:
    breaches = [
        f"{name_of(path)}: {name}"
        for path in python_files("src")
        for name in undocumented(path.read_text(encoding="utf-8"))
    ]
    report("A public function, class or method has a docstring", breaches)


def test_each_method_cites_its_source() -> None:
    files = [f for f in python_files("src/striate/methods") if f.name != "__init__.py"]
    breaches = [name_of(f) for f in files if lacks_source(f.read_text(encoding="utf-8"))]
    report("A method's module docstring has a 'Source:' paragraph", breaches)


def test_each_public_function_shows_an_example() -> None:
    breaches = []
    for name in striate.__all__:
        value = getattr(striate, name)
        if not inspect.isfunction(value):
            continue
        room = value.__module__.removeprefix("striate.").partition(".")[0]
        if room in ROOMS_WITH_EXAMPLES and lacks_example(value.__doc__):
            breaches.append(f"{value.__module__}.{name}")
    report("A function of the public surface has an Example in its docstring", breaches)


def test_the_docstring_rules_can_fail() -> None:
    bare = "class Thing:\n    'A thing.'\n    def act(self): ...\n    def _hide(self): ...\n"
    assert undocumented(bare) == ["Thing.act"]
    assert undocumented("def act():\n    'Act.'\n") == []
    assert undocumented("@typing.overload\ndef act(): ...\n") == []
    assert lacks_source("'No citation. Its Source: is not a paragraph.'")
    assert not lacks_source("'''A method.\n\nSource:\n    Somebody, 2014.\n'''")
    assert lacks_example(None)
    assert not lacks_example("Act.\n\n>>> act()")


# --- the public surface ----------------------------------------------------------------------


def test_the_public_surface_is_locked() -> None:
    locked = PUBLIC_SURFACE.read_text(encoding="utf-8").split()
    assert locked == sorted(set(locked)), f"{name_of(PUBLIC_SURFACE)} is not sorted"
    breaches = [f"new: {name}" for name in sorted(set(striate.__all__) - set(locked))]
    breaches += [f"gone: {name}" for name in sorted(set(locked) - set(striate.__all__))]
    report(f"striate.__all__ is what {name_of(PUBLIC_SURFACE)} says; change both", breaches)
    assert len(striate.__all__) == len(locked), "striate.__all__ lists a name twice"


def test_each_public_name_resolves() -> None:
    breaches = [name for name in striate.__all__ if getattr(striate, name, None) is None]
    report("Each name of striate.__all__ resolves", breaches)


# --- what must not import torch --------------------------------------------------------------

HELP = """
import sys
from striate.cli.main import main
sys.argv = ["striate", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, f"striate --help exits {stop.code}"
"""


@pytest.mark.parametrize(
    ("code", "imports_torch"),
    [("import striate", False), (HELP, False), ("import torch", True)],
    ids=["import-striate", "striate-help", "self-test"],
)
def test_what_imports_torch(code: str, imports_torch: bool) -> None:
    verdict = "\nimport sys\nprint('torch' in sys.modules, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", code + verdict],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr.split()[-1] == str(imports_torch), f"torch imported by: {code.strip()}"
