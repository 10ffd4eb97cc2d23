"""What a handler's annotations say, and the way between its values and JSON.

A declared type (dataclass, pydantic model, TypedDict …) is validated in both directions; plain JSON types are only
checked. Results travel as JSON text, so every reader gets a copy of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import lru_cache
from types import NoneType, SimpleNamespace, UnionType
from typing import TYPE_CHECKING, Any, Union, cast, get_args, get_origin, get_type_hints

from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import ValidationError

from saga_journey.core.canonical import NULL, Json, decode, encode
from saga_journey.errors import CannotDecode, InvalidInput

if TYPE_CHECKING:
    from pydantic import TypeAdapter

UNDECLARED: Any = inspect.Signature.empty
_PLAIN = (str, int, float, bool, dict, list, NoneType, Any, object, UNDECLARED)


class Shape:
    """One declared type: `dump` and `load` between its values and JSON text."""

    __slots__ = ("_adapter", "_exact", "is_plain", "name")

    def __init__(self, declared: Any) -> None:
        self.name: str = getattr(declared, "__name__", str(declared))
        self.is_plain: bool = _is_plain(declared)
        self._exact = _exact_type(declared)  # a value of exactly this type needs no further check
        self._adapter = None if declared in (Any, object, UNDECLARED) else _adapter(declared)

    def dump(self, value: object, what: str) -> Json:
        """Raises InvalidInput when the value does not fit the type, NotJson when it cannot be recorded."""
        if self._adapter is None or type(value) is self._exact:
            return encode(value, what)
        try:
            value = self._adapter.validate_python(value)
        except ValidationError as error:
            raise InvalidInput(f"{what} does not fit {self.name}: {_first_problem(error)}") from None
        return encode(value if self.is_plain else self._adapter.dump_python(value, mode="json", warnings=False), what)

    def dump_result(self, value: object, what: str) -> Json | None:
        """As `dump`, but a handler that returned nothing, and may, has no result."""
        if type(value) is self._exact:
            return encode(value, what)
        if value is None and self._adapter is None:
            return None
        text = self.dump(value, what)
        return None if text == NULL else text

    def load(self, text: Json, what: str) -> Any:
        """Raises CannotDecode when the text does not fit the type."""
        if self._adapter is None or self._exact is not None:
            value = decode(text)
            if self._adapter is None or type(value) is self._exact:
                return value
        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            raise CannotDecode(f"{what} does not fit {self.name}: {_first_problem(error)}") from None
        except Exception as error:
            raise CannotDecode(f"{what} cannot be read as {self.name}: {error!r}") from error  # its own validator


@lru_cache(maxsize=4096)
def shape_of(declared: Any) -> Shape:
    """The shape of a type, made once. Raises TypeError for a type that has no JSON form."""
    try:
        return Shape(declared)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise TypeError(f"{declared!r} has no JSON form: {str(error).splitlines()[0]}") from None


def result_type(fn: Callable[..., Any]) -> Any:
    """The declared type of what a handler returns. Raises TypeError when its annotation does not resolve."""
    return _resolve(fn, "return")


def input_type(fn: Callable[..., Any]) -> Any:
    """`Order` in `def handler(ctx: Context[Order])`; UNDECLARED when it does not say."""
    first = next(iter(_parameters(fn)), None)
    arguments = get_args(_resolve(fn, first)) if first else ()
    return arguments[0] if len(arguments) == 1 else UNDECLARED


def undo_argument_type(fn: Callable[..., Any]) -> Any:
    """`Hold` in `def undo(ctx, hold: Hold | None)`."""
    names = _parameters(fn)
    declared = _resolve(fn, names[1]) if len(names) > 1 else UNDECLARED
    if get_origin(declared) in (Union, UnionType):
        members = [m for m in get_args(declared) if m is not NoneType]
        return members[0] if len(members) == 1 else Union[tuple(members)]  # noqa: UP007 - built at run time
    return declared


def _parameters(fn: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(fn).parameters)


def _resolve(fn: Callable[..., Any], name: str) -> Any:
    plain = inspect.unwrap(fn)
    plain = getattr(plain, "__func__", plain)
    annotations = getattr(plain, "__annotations__", {})
    if name not in annotations:
        return UNDECLARED
    alone = SimpleNamespace(__annotations__={name: annotations[name]})
    try:
        return get_type_hints(alone, getattr(plain, "__globals__", {}), _closure(plain)).get(name, UNDECLARED)
    except NameError as error:
        raise TypeError(
            f"its annotation {annotations[name]!r} does not resolve ({error}): define it at module level"
        ) from None


def _closure(fn: Any) -> dict[str, Any]:
    cells = zip(
        getattr(fn, "__code__", SimpleNamespace(co_freevars=())).co_freevars, fn.__closure__ or (), strict=False
    )
    found = {}
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not filled yet
            continue
    return found


def _is_plain(declared: Any) -> bool:
    if declared in _PLAIN:
        return True
    return get_origin(declared) in (dict, list) and all(_is_plain(a) for a in get_args(declared))


def _exact_type(declared: Any) -> type | None:
    """`dict` for dict, dict[str, Any] and the like: every JSON value of that kind fits."""
    if declared in (str, int, float, bool, dict, list):
        return cast("type", declared)
    origin, arguments = get_origin(declared), get_args(declared)
    if (origin is dict and arguments in ((str, Any), (str, object))) or (
        origin is list and arguments in ((Any,), (object,))
    ):
        return cast("type", origin)
    return None


def _adapter(declared: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # 20 ms: whoever declares a type pays, not every import

    return TypeAdapter(declared)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(p) for p in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place + ': ' if place else ''}{first['msg']}{more}"


PLAIN = shape_of(UNDECLARED)
"""Nothing declared: any JSON."""
