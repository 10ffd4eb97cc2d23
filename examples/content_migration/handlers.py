"""A folder of files moves from the inbox into a store: copied, indexed, transformed, compared. All of it on the disk.

What an action is about to make is noted under its key before it makes it. So an undo that knows nothing else removes
exactly that, and neither a crash between two files nor a file that was there before can confuse it.
"""

from __future__ import annotations

import hashlib
import html
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from saga_journey import Context, Curator, Refused

TABLES = """
CREATE TABLE IF NOT EXISTS made (key TEXT, path TEXT, PRIMARY KEY (key, path));
CREATE TABLE IF NOT EXISTS closed (key TEXT PRIMARY KEY);
"""
SAMPLES = {
    "notes.txt": b"one & two\r\nthree\r\n",
    "readme.md": b"# Spring\n",
    "deep/list.txt": "caf\u00e9\n".encode("latin-1"),
}


@dataclass(frozen=True, slots=True)
class Move:
    """The folder of the inbox that moves."""

    folder: str


class Store:
    """The inbox, the store, and the book of what was made under which key."""

    def __init__(self, place: Path) -> None:
        self._inbox, self._store, self._book = place / "inbox", place / "store", place / "made.db"
        self._store.mkdir(exist_ok=True)
        with closing(sqlite3.connect(self._book)) as book:
            book.executescript(TABLES)

    def upload(self, ctx: Context[Move]) -> list[str]:
        content = self._content(ctx.input.folder)
        strangers = [name for name in content if Path(name).suffix not in ctx.params["suffixes"]]
        large = [name for name, raw in content.items() if len(raw) > ctx.params["largest_file"]]
        if not content or strangers or large:
            raise Refused(f"cannot be migrated: {', '.join(strangers + large) or 'the folder is empty'}")
        self._make(ctx, {f"originals/{name}": raw for name, raw in content.items()})
        return sorted(content)

    def analyse(self, ctx: Context[Move]) -> dict[str, str]:
        index = {name: _hash(self._original(ctx, name)) for name in ctx.result("upload")}
        self._make(ctx, {"index.json": json.dumps(index, indent=2).encode()})
        return index

    def transform(self, ctx: Context[Move]) -> str:
        form = ctx.params["format"]
        names = ctx.result("upload")
        self._make(ctx, {f"{form}/{name}.{form}": _transformed(self._original(ctx, name), form) for name in names})
        return str(form)

    def validate(self, ctx: Context[Move]) -> int:
        """What is in the inbox now, what was indexed, and what lies in the store must be the same."""
        form, index, inbox = ctx.result("transform"), ctx.result("analyse"), self._content(ctx.input.folder)
        for name, digest in index.items():
            made = self._folder(ctx) / form / f"{name}.{form}"
            if {_hash(self._original(ctx, name)), _hash(inbox.get(name, b""))} != {digest}:
                raise Refused(f"{name} has changed meanwhile")
            if made.read_bytes() != _transformed(inbox[name], form):
                raise Refused(f"{made.name} is not what {name} gives")
        return len(index)

    def remove(self, ctx: Context[Move], result: object) -> None:
        """The undo of all of them: what was made under the action's key goes, and the key is closed."""
        key = ctx.action_key
        with self._opened() as book:
            book.execute("INSERT OR IGNORE INTO closed VALUES (?)", (key,))
            for (name,) in book.execute("SELECT path FROM made WHERE key = ? ORDER BY path DESC", (key,)).fetchall():
                path = Path(name)
                with suppress(OSError):  # a folder in which somebody else has put something stays
                    path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
            book.execute("DELETE FROM made WHERE key = ?", (key,))

    # --- files ---

    def _folder(self, ctx: Context[Move]) -> Path:
        return self._store / ctx.input.folder

    def _content(self, folder: str) -> dict[str, bytes]:
        source = self._inbox / folder
        if Path(folder).name != folder or not source.is_dir():
            raise Refused(f"there is no folder {folder!r} in the inbox")
        files = sorted(file for file in source.rglob("*") if file.is_file())
        return {file.relative_to(source).as_posix(): file.read_bytes() for file in files}

    def _original(self, ctx: Context[Move], name: str) -> bytes:
        return (self._folder(ctx) / "originals" / name).read_bytes()

    def _make(self, ctx: Context[Move], files: Mapping[str, bytes]) -> None:
        folder = self._folder(ctx)
        wanted = {folder / name: content for name, content in files.items()}
        with self._opened() as book:
            self._note(book, ctx.idempotency_key, wanted)
        with self._opened() as book:
            _must_be_open(book, ctx.idempotency_key)
            for path, content in wanted.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)

    def _note(self, book: sqlite3.Connection, key: str, wanted: Mapping[Path, bytes]) -> None:
        """The files, and the folders that they need: none of them may be there but what this key has made."""
        _must_be_open(book, key)
        mine = {path for (path,) in book.execute("SELECT path FROM made WHERE key = ?", (key,))}
        if taken := [path.name for path in wanted if path.exists() and str(path) not in mine]:
            raise Refused(f"there already: {', '.join(taken)}")
        folders = {folder for path in wanted for folder in path.parents if not folder.exists()}
        notes = [(key, str(path)) for path in (*folders, *wanted)]
        book.executemany("INSERT OR IGNORE INTO made VALUES (?, ?)", notes)

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._book, timeout=30, isolation_level=None)) as book, book:
            book.execute("BEGIN IMMEDIATE")
            yield book


def _must_be_open(book: sqlite3.Connection, key: str) -> None:
    if book.execute("SELECT 1 FROM closed WHERE key = ?", (key,)).fetchone():
        raise Refused("too late: it was removed")


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _transformed(content: bytes, form: str) -> bytes:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    text = text.replace("\r\n", "\n")
    return (f"<pre>\n{html.escape(text)}</pre>\n" if form == "html" else text).encode("utf-8")


def curator(place: Path) -> Curator:
    """The handlers over the inbox and the store in that directory; the inbox gets a folder `spring` to begin with."""
    for name, content in SAMPLES.items():
        sample = place / "inbox" / "spring" / name
        if not sample.exists():
            sample.parent.mkdir(parents=True, exist_ok=True)
            sample.write_bytes(content)
    store, found = Store(place), Curator()
    for handler in (store.upload, store.analyse, store.transform, store.validate):
        found.register(handler)
    for undo in ("remove_upload", "remove_analysis", "remove_transformed"):
        found.register(store.remove, undo)
    return found


def standing(place: Path) -> list[str]:
    """Everything in the inbox and in the store, each file with its hash."""
    every = [path for root in ("inbox", "store") for path in sorted((place / root).rglob("*"))]
    return [f"{p.relative_to(place)} {_hash(p.read_bytes())[:8] if p.is_file() else ''}".strip() for p in every]
