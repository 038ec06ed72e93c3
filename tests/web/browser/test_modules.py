"""The page's modules: they parse, their types hold, and they keep to what the policy allows."""

import json
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "src" / "striate" / "web" / "static"
MAX_LINES = 150
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None, reason="no node on the PATH: install Node.js 20 or newer"
)


def modules() -> list[Path]:
    found = sorted(STATIC.glob("*.js"))
    assert found, f"no modules in {STATIC}"
    return found


@cache
def compiler() -> list[str]:
    """The TypeScript compiler that package.json pins; skips where npm cannot get it."""
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("no npx on the PATH: install Node.js 20 or newer, with npm")
    pin = json.loads((ROOT / "package.json").read_text())["devDependencies"]["typescript"]
    command = [npx, "--yes", "-p", f"typescript@{pin}", "tsc"]
    asked = subprocess.run(
        [*command, "--version"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if asked.returncode:
        pytest.skip(f"npm cannot get typescript@{pin}: {asked.stderr.strip()[-300:]}")
    assert pin in asked.stdout
    return command


@pytest.mark.slow
def test_the_types_hold() -> None:
    run = subprocess.run(
        [*compiler(), "--noEmit", "-p", str(ROOT)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.slow
def test_the_check_of_types_can_fail(tmp_path: Path) -> None:
    options = json.loads((ROOT / "tsconfig.json").read_text())
    options["include"] = ["*.js"]
    (tmp_path / "tsconfig.json").write_text(json.dumps(options))
    wrong = "/** @param {number} x */\nexport const half = (x) => x / 2;\nhalf('four');\n"
    (tmp_path / "wrong.js").write_text(wrong)
    run = subprocess.run(
        [*compiler(), "-p", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert "wrong.js(3,6): error TS2345" in run.stdout, run.stdout + run.stderr


PARSE = """
const { readFileSync } = require("node:fs"), { SourceTextModule } = require("node:vm");
for (const path of process.argv.slice(1)) {
  try { new SourceTextModule(readFileSync(path, "utf8"), { identifier: path }); }
  catch (error) { console.log(`${path}: ${error}`); }
}
"""


def parse(files: list[Path]) -> list[str]:
    command = [str(NODE), "--no-warnings", "--experimental-vm-modules", "-e", PARSE, "--"]
    run = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@needs_node
def test_modules_parse(tmp_path: Path) -> None:
    assert parse(modules()) == []
    wrong = tmp_path / "wrong.js"
    wrong.write_text("export const x = ;\n")
    assert len(parse([*modules(), wrong])) == 1


MARKUP = (
    r"(?:inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
)
CODE = r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]|javascript:"
INLINE = r"\sstyle\s*=|\son\w+\s*=|<style|<script(?![^>]*\ssrc=)"


def breaches_of(name: str, text: str) -> list[str]:
    """What in a module, style sheet or page is against the house's rules."""
    own = {".js": breaches_of_module, ".html": breaches_of_page}
    rules = own.get(Path(name).suffix, lambda _: [])
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    places = re.findall(r"(?:https?:)?//[\w-]+\.[\w./-]+", text)
    elsewhere = [f"{p} is elsewhere" for p in places if not p.startswith(NAMESPACES)]
    found = [*re.findall(f"{MARKUP}|{CODE}", code), *rules(text), *elsewhere]
    return [f"{name}: {breach}" for breach in found]


def breaches_of_module(text: str) -> list[str]:
    count = len(text.splitlines())
    long = [f"{count} lines; split it by what it is about"] if count > MAX_LINES else []
    checked = [] if text.startswith("// @ts-check\n") else ["does not begin with // @ts-check"]
    places = re.findall(r"""(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']""", text)
    allowed = r"\./[\w-]+\.js|\.\./messages\.js"
    strange = [
        f"imports {place}; a module imports ./NAME.js"
        for place in places
        if not re.fullmatch(allowed, place)
    ]
    return long + checked + strange


def breaches_of_page(text: str) -> list[str]:
    places = re.findall(r"""\b(?:href|src)\s*=\s*["']([^"']*)""", text)
    absolute = [f"{place} is not relative" for place in places if re.match(r"/|\w+:", place)]
    return absolute + [f"{hit} in the page itself" for hit in re.findall(INLINE, text)]


def test_static_files_keep_to_the_rules() -> None:
    files = [p for p in STATIC.iterdir() if p.suffix in {".js", ".css", ".html"}]
    breaches = [b for p in sorted(files) for b in breaches_of(p.name, p.read_text("utf-8"))]
    assert not breaches, "\n".join(breaches)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.js", "// @ts-check\n" + "1;\n" * MAX_LINES),
        ("a.js", "export {};\n"),
        ("a.js", "// @ts-check\nnode.innerHTML = name;\n"),
        ("a.js", "// @ts-check\nimport { x } from 'https://cdn.example.com/x.js';\n"),
        ("a.js", "// @ts-check\nimport '../x.js';\n"),
        ("a.js", "// @ts-check\nconst module = await import('/static/x.js');\n"),
        ("a.css", "@import url(//fonts.example.com/x.css);\n"),
        ("a.html", '<p style="color: red">'),
        ("a.html", '<a href="/images">'),
        ("a.html", "<script>1</script>"),
    ],
)
def test_the_rules_can_fail(name: str, text: str) -> None:
    assert len(breaches_of(name, text)) >= 1


def test_the_rules_let_good_files_pass() -> None:
    module = '// @ts-check\nimport { h } from "./dom.js";\n// see https: and so on\n'
    page = '<script type="module" src="static/main.js"></script><a href="#/images">'
    assert not breaches_of("a.js", module)
    assert not breaches_of("a.html", page)
    assert not breaches_of("a.js", f"// @ts-check\nconst svg = '{NAMESPACES[0]}';\n")
