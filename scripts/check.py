"""All that must hold before a change goes in: `python scripts/check.py`, or only the named steps of it.

A step that fails does not stop the others, so that one run shows everything. The static steps run two at a time; the
tests come after them and have the machine to themselves, so that no verdict depends on a busy neighbour.
"""

import ast
import json
import os
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
INDENT = 8 * " "
BIN = Path(sys.executable).parent
CODE = [folder for folder in ("src", "tests", "examples", "bench", "scripts") if (ROOT / folder).is_dir()]

MEASURED = ("tests/core", "tests/inspection")
PURE_BRANCHES = 95.0  # percent of the branches of the pure rooms that their own tests must take
SHORT = 25  # lines of a function's body, its docstring not counted
SHORT_BODIES = 90.0  # percent of the bodies that must be short

PIN = r"[a-z0-9][a-z0-9-]*(\[[a-z0-9,-]+\])?==[\w.!+]+( ; [\w .'<>=!()]+)? \\"
HASH = r"    --hash=sha256:[0-9a-f]{64}( \\)?"


@dataclass(frozen=True)
class Verdict:
    ok: bool
    figure: str = ""
    output: str = ""


@dataclass(frozen=True)
class Step:
    name: str
    run: Callable[[], Verdict]

    def timed(self) -> tuple[Verdict, float]:
        start = time.perf_counter()
        try:
            verdict = self.run()
        except Exception:  # noqa: BLE001 - a step that breaks has failed; the others still run
            verdict = Verdict(False, output=traceback.format_exc())
        return verdict, time.perf_counter() - start


def main(names: list[str]) -> int:
    steps = [step.name for step in STATIC + TESTS]
    if unknown := set(names).difference(steps):
        sys.exit(f"No step is named {', '.join(sorted(unknown))}; there are {', '.join(steps)}.")
    start = time.perf_counter()
    failed = [step.name for step, verdict in run(names) if not verdict.ok]
    outcome = f"FAILED: {', '.join(failed)}" if failed else "all good"
    print(f"{outcome} ({time.perf_counter() - start:.0f} s)")
    return 1 if failed else 0


def run(names: list[str]) -> Iterator[tuple[Step, Verdict]]:
    for steps, width in ((STATIC, 2), (TESTS, 1)):
        chosen = [step for step in steps if step.name in names or not names]
        with ThreadPoolExecutor(width) as pool:
            for step, (verdict, seconds) in zip(chosen, pool.map(Step.timed, chosen), strict=True):
                report(step, verdict, seconds)
                yield step, verdict


def report(step: Step, verdict: Verdict, seconds: float) -> None:
    line = f"{'ok' if verdict.ok else 'FAILED':8}{step.name:10}{seconds:6.1f} s   {verdict.figure}"
    print(line.rstrip(), flush=True)
    if not verdict.ok:
        print(verdict.output.strip(), flush=True)


def tool(name: str, *arguments: str) -> Verdict:
    if not (BIN / name).exists():
        return Verdict(False, output=f"{name} is not installed beside {sys.executable}: run `make check`")
    command = [str(BIN / name), *arguments]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return Verdict(done.returncode == 0, output=done.stdout)


def locks() -> Verdict:
    """Lock files hold names, versions and hashes: nothing that names a host, an index or a machine."""
    files = sorted((ROOT / "requirements").glob("*.lock"))
    strangers = [
        f"{file.relative_to(ROOT)}:{number}: {line}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if not re.fullmatch(f"{PIN}|{HASH}", line)
    ]
    return Verdict(bool(files) and not strangers, f"{len(files)} files", "\n".join(strangers[:20]))


def bodies() -> Verdict:
    """Nearly every function is short enough to be read at a glance."""
    found = sorted(
        (body_length(node), f"{file.relative_to(ROOT)}:{node.lineno} {node.name}")
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_length(node)
    )
    long = [f"{length:5} lines  {place}" for length, place in reversed(found) if length > SHORT]
    share = 100 * (1 - len(long) / len(found)) if found else 0.0
    longest = f"; the longest has {found[-1][0]}" if found else ""
    figure = f"{share:.1f} % of {len(found)} function bodies have at most {SHORT} lines{longest}"
    return Verdict(share >= SHORT_BODIES, figure, "\n".join(long))


def body_length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from the first statement to the last; 0 for a signature without a body, as Protocols have them."""
    statements = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in statements):
        return 0
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


def pure() -> Verdict:
    """The tests of the pure rooms, and how many of the branches there they take."""
    tool("coverage", "erase")
    passed = pytest(*MEASURED, under=("coverage", "run", "-m"))
    tool("coverage", "combine", "--quiet")
    with TemporaryDirectory() as folder:
        written = Path(folder) / "coverage.json"
        measured = tool("coverage", "json", "-o", str(written))
        if not (passed.ok and measured.ok):
            return Verdict(False, passed.figure, passed.output + measured.output)
        totals = json.loads(written.read_text(encoding="utf-8"))["totals"]
    share = 100 * totals["covered_branches"] / max(totals["num_branches"], 1)
    taken = f"{share:.1f} % of the pure rooms' {totals['num_branches']} branches taken, {PURE_BRANCHES:.0f} % needed"
    return Verdict(share >= PURE_BRANCHES, f"{passed.figure}\n{INDENT}{taken}", tool("coverage", "report").output)


def tests() -> Verdict:
    """All other tests. Nothing is measured here: it would take these twice as long and teach little."""
    return pytest(*(f"--ignore={folder}" for folder in MEASURED))


def pytest(*arguments: str, under: tuple[str, ...] = ()) -> Verdict:
    workers = str(1 + (os.cpu_count() or 1))  # one more than processors: many tests wait for processes
    verdict = tool(*under, "pytest", "-n", workers, "--dist", "worksteal", "-q", *arguments)
    summary = re.findall(r"^.+ in \d+\.\d+s.*$", verdict.output, re.MULTILINE)[-1:]
    # what did not run is shown also when all is well
    skipped = re.findall(r"^(?:LEFT OUT .+|SKIPPED (?!.*: make thorough$).+)$", verdict.output, re.MULTILINE)
    return Verdict(verdict.ok, f"\n{INDENT}".join(line.strip("= ") for line in summary + skipped), verdict.output)


STATIC = [
    Step("format", lambda: tool("ruff", "format", "--check", ".")),
    Step("lint", lambda: tool("ruff", "check", ".")),
    Step("types", lambda: tool("mypy", "--strict", *CODE)),
    Step("imports", lambda: tool("lint-imports", "--no-logo")),
    Step("locks", locks),
    Step("bodies", bodies),
]
TESTS = [
    Step("pure", pure),
    Step("tests", tests),
]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
