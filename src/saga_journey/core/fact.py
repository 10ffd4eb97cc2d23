"""How events and commands are declared: values that never change after they were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=True)
def fact(cls: type[T]) -> type[T]:
    """A frozen dataclass for type checkers; at run time freezing would double the cost of making one, per attempt."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
