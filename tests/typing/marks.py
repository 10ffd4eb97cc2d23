"""What a type checker must say of `accepted.py` and `mistakes.py`: it rejects the marked lines, and no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHECKED = [HERE / "accepted.py", HERE / "mistakes.py"]
MARK = re.compile(r"# rejected(?: by (?P<checker>\w+))?: (?P<mistake>.+)$")


class Line(NamedTuple):
    file: str
    number: int

    @classmethod
    def of(cls, file: str | Path, number: int) -> Line:
        """The same line, whether the checker names files from the root or from the directory it runs in."""
        return cls((ROOT / file).relative_to(ROOT).as_posix(), number)

    def __str__(self) -> str:
        return f"{self.file}:{self.number}"


def marked(checker: str) -> dict[Line, str]:
    """The mistakes that this checker must see, by their lines."""
    return {
        Line.of(file, number): mark["mistake"]
        for file in CHECKED
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if (mark := MARK.search(text)) and mark["checker"] in (None, checker)
    }


def misjudged(checker: str, complaints: Mapping[Line, str]) -> list[str]:
    """Mistakes that were not rejected, and right usage that was; none when all is well."""
    mistakes = marked(checker)
    assert mistakes, "no line is marked"
    missed = [f"{line}: {checker} does not reject: {mistakes[line]}" for line in sorted(mistakes.keys() - complaints)]
    strange = [f"{line}: {checker} rejects: {complaints[line]}" for line in sorted(complaints.keys() - mistakes)]
    return missed + strange
