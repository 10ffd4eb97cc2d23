"""The runner of the guides finds what it is there to find."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.pages import broken_links, programs_of, run

PRINTS = '```python\nprint("a", 1)\n```\n'


def page(place: Path, text: str) -> Path:
    written = place / "page.md"
    written.write_text(f"# Page\n\n{text}", "utf-8")
    return written


def played(place: Path, text: str) -> None:
    for program in programs_of(page(place, text)):
        run(program, ModuleType("guide"), place)


@pytest.mark.parametrize(
    "shown",
    [
        "```text\na 1\n```\n",
        "\nprose\n\n```text\na …\n```\n",
        "<!-- continues -->\n```python\n```\n```text\na 1\n```\n",
    ],
    ids=["as shown", "anything within a line", "shown below another block"],
)
def test_what_is_shown_is_what_is_printed(tmp_path: Path, shown: str) -> None:
    if "continues" in shown:
        with pytest.raises(AssertionError, match=r"page\.md:4 prints\na 1"):
            played(tmp_path, PRINTS + shown)
    else:
        played(tmp_path, PRINTS + shown)


@pytest.mark.parametrize(
    "shown", ["", "```text\na 2\n```\n", "```text\na 1\nb\n```\n"], ids=["nothing", "other", "more"]
)
def test_what_is_printed_and_not_shown_is_a_mistake(tmp_path: Path, shown: str) -> None:
    with pytest.raises(AssertionError, match=r"page\.md:4 prints\na 1\n"):
        played(tmp_path, PRINTS + shown)


def test_a_block_goes_on_with_the_names_of_the_one_before_it(tmp_path: Path) -> None:
    played(tmp_path, "```python\na = 1\n```\n<!-- continues -->\n```python\nprint(a)\n```\n```text\n1\n```\n")
    with pytest.raises(NameError):
        played(tmp_path, "```python\na = 1\n```\n```python\nprint(a)\n```\n")


@pytest.mark.parametrize(
    "block",
    ["```\nplain\n```\n", "```bash\nls\n```\n", "```text\nof nothing\n```\n", "<!-- skip -->\n```python\n1\n```\n"],
    ids=["no kind", "another kind", "output of nothing", "a mark that means nothing"],
)
def test_a_block_that_nothing_runs_is_refused(tmp_path: Path, block: str) -> None:
    with pytest.raises(ValueError, match=r"page\.md:\d"):
        programs_of(page(tmp_path, block))


def test_a_process_exits_as_it_says(tmp_path: Path) -> None:
    dies = (
        '```python\nimport os, sys\nfirst = not os.path.exists("x")\nopen("x", "w").close()\nsys.exit(3 * first)\n```\n'
    )
    played(tmp_path, f"<!-- as a process, exits 3, then 0 -->\n{dies}")
    with pytest.raises(AssertionError, match="exited 0, not 3"):
        played(tmp_path, f"<!-- as a process, exits 3 -->\n{dies}")


def test_a_command_shows_its_lines_and_exits_as_it_says(tmp_path: Path) -> None:
    begun = "```python\n```\n```console\n$ saga ls"
    with pytest.raises(AssertionError, match=r"page\.md:6: saga ls does not show \['to be seen'\]"):
        played(tmp_path, f"{begun}              # exits 7\nsaga: there is no database …\nto be seen\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:6: saga ls exits 7"):
        played(tmp_path, f"{begun}\n```\n")


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    text = "[a](#page) [b](#elsewhere) [c](page.md#page) [d](nothing.md) [e](https://example.org/nothing)"
    assert broken_links(page(tmp_path, text)) == ["#elsewhere", "nothing.md"]
