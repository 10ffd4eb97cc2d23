"""The guides as programs: the blocks of a page, which of them belong together, and what it takes to run them.

    ```python               begins a program; it runs in an empty directory
    <!-- continues -->      above a block: it goes on with the names, and in the directory, of the program before it
    <!-- as a process, exits 9, then 0 -->    above a block: it is run so often, each time as a process of its own
    ```console              commands of `saga`, in the directory of the program before them, on its `journeys.db`
    ```text                 what the block before it prints; "…" is anything, within its line

Whatever a block prints that no text block shows is a mistake, and so is a block of any other kind but mermaid.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from tests.cli.stage import Cli, environment

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^(?:<!-- ([^\n]*) -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROCESS = re.compile(r"as a process, exits (\d+)((?:, then \d+)*)")


@dataclass
class Block:
    """One block of a page: what it says, and what it is to print. `line` is that of its first line."""

    kind: str
    mark: str | None
    text: str
    line: int
    prints: str | None = None

    @property
    def exits(self) -> list[int] | None:
        """The exit status of each run as a process; None for a block that runs here."""
        found = _PROCESS.fullmatch(self.mark or "")
        return [int(code) for code in re.findall(r"\d+", found[0])] if found else None


@dataclass
class Program:
    """Blocks that belong together."""

    page: Path
    blocks: list[Block] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.page.stem}:{self.blocks[0].line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _BLOCK.finditer(text):
        yield Block(found[2], found[1], found[3], 1 + text.count("\n", 0, found.start(3)))


def programs_of(page: Path) -> list[Program]:
    """The programs of a page. Raises ValueError for a block that belongs to none and is no picture."""
    programs: list[Program] = []
    for block in blocks_of(page):
        last = programs[-1].blocks[-1] if programs else None
        where = f"{page.name}:{block.line}"
        if block.kind == "text" and last is not None and last.kind == "python" and last.prints is None:
            last.prints = block.text
        elif block.kind == "python" and block.mark != "continues":
            if block.mark is not None and block.exits is None:
                raise ValueError(f"{where}: {block.mark!r} means nothing")
            programs.append(Program(page, [block]))
        elif block.kind in ("python", "console") and programs:
            programs[-1].blocks.append(block)
        elif block.kind != "mermaid":
            raise ValueError(f"{where}: a block of {block.kind or 'no kind'} that nothing runs")
    return programs


def run(program: Program, module: ModuleType, place: Path) -> None:
    """Runs its blocks, one after the other. Raises AssertionError where one does not do what the page says."""
    for block in program.blocks:
        where = f"{program.page}:{block.line}"
        if block.kind == "console":
            _console(block, Cli(place), where)
        elif block.exits is not None:
            _is(_as_processes(block, place, where), block.prints or "", where)
        else:
            _is(_here(block, program.page, module), block.prints or "", where)


def _here(block: Block, page: Path, module: ModuleType) -> str:
    """In this process; a traceback names the line of the page."""
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, module.__dict__)  # noqa: S102 - our own pages
    return printed.getvalue()


def _as_processes(block: Block, place: Path, where: str) -> str:
    """What the last of its runs prints."""
    program = place / "program.py"
    program.write_text(block.text, "utf-8")
    done = None
    for code in block.exits or ():
        done = subprocess.run(
            [sys.executable, program.name],
            cwd=place,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, f"{where}: exited {done.returncode}, not {code}\n{done.stderr}"
        assert not done.stderr, f"{where}: {done.stderr}"
    assert done is not None
    return done.stdout


def _console(block: Block, cli: Cli, where: str) -> None:
    """Each command does what is said, and shows the lines under it, in that order, among others."""
    for words, code, lines in commands_of(block):
        done = cli(*words)
        assert done.code == code, f"{where}: saga {shlex.join(words)} exits {done.code}\n{done.said}"
        said = iter(done.said.splitlines())
        missing = [line for line in lines if not any(_shows(one, line) for one in said)]
        assert not missing, f"{where}: saga {shlex.join(words)} does not show {missing}\n{done.said}"


def commands_of(block: Block) -> list[tuple[list[str], int, list[str]]]:
    """The commands of a console block: the words after `saga`, the exit code, the lines that it shows."""
    found: list[tuple[list[str], int, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ saga "):
            command, _, code = line.removeprefix("$ saga ").partition(" # exits ")
            found.append((shlex.split(command), int(code or 0), []))
        else:
            found[-1][2].append(line)
    return found


def _is(printed: str, expected: str, where: str) -> None:
    came, wanted = printed.splitlines(), expected.splitlines()
    told = len(came) == len(wanted) and all(map(_shows, came, wanted))
    assert told, f"{where} prints\n{printed}\nand the page says\n{expected}"


def _shows(line: str, shown: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in shown.rstrip().split("…"))
    return re.fullmatch(pattern, line.rstrip()) is not None


# --- what else a page has --------------------------------------------------------------------------------------------


def prose_of(page: Path) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", page.read_text("utf-8"))


def broken_links(page: Path) -> list[str]:
    """Links inside the repository that lead nowhere: no such file, no such heading."""
    found = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        if "://" in link:
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in headings_of(target)):
            found.append(link)
    return found


def headings_of(page: Path) -> set[str]:
    """The anchors of its headings."""
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def rows_under(page: Path, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head."""
    text = page.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]
