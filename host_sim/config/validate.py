# SPDX-License-Identifier: MIT
"""From raw TOML values to models, one row at a time, so that one bad key hides no other finding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from host_sim.config.diagnostics import Diagnostic, did_you_mean, nearest
from host_sim.config.expected import Expectation
from host_sim.config.fields import Model
from host_sim.config.model import (
    Defaults,
    File,
    Headers,
    IdentityRule,
    Limit,
    Quota,
    Route,
    Service,
    Tenant,
    Trust,
)
from host_sim.config.model_alert import Alert
from host_sim.config.model_auth import ApiKey, Auth, Basic, Bearer, Jwt, Role
from host_sim.config.model_cost import Billing, Cost
from host_sim.config.model_policy import Policies, Policy
from host_sim.config.model_pool import Pool
from host_sim.config.model_queue import Queue, Sla
from host_sim.config.model_resilience import Resilience
from host_sim.config.model_transform import SchemaField, Transform
from host_sim.config.positions import Path, Positions

TABLES: dict[str, type[Model]] = {
    "defaults": Defaults,
    "trust": Trust,
    "headers": Headers,
    "policies": Policies,
    "queue": Queue,
    "billing": Billing,
    "auth": Auth,
    "role": Role,
}
NAMED: dict[str, type[Model]] = {
    "service": Service,
    "tenant": Tenant,
    "sla": Sla,
    "pool": Pool,
    "resilience": Resilience,
    "cost": Cost,
    "transform": Transform,
}
LISTS: dict[str, type[Model]] = {
    "route": Route,
    "identity": IdentityRule,
    "limit": Limit,
    "quota": Quota,
    "policy": Policy,
    "alert": Alert,
    "api_key": ApiKey,
    "basic": Basic,
    "bearer": Bearer,
    "jwt": Jwt,
    "test": Expectation,
}
SCALARS = ("version", "timezone", "mode")
Say = Callable[[Path, str, str, bool], None]
_TYPES = {
    "int_type": "a whole number without quotes",
    "bool_type": "true or false, without quotes",
    "string_type": "text in quotes",
    "list_type": "a list in [ ]",
    "dict_type": "a table in { }",
    "model_type": "a table in { }",
    "model_attributes_type": "a table in { }",
    "datetime_type": "an instant as 2026-01-01T00:00:00Z, or what the key says besides",
    "datetime_from_date_parsing": "an instant as 2026-01-01T00:00:00Z",
    "int_from_float": "a whole number without quotes",
}


def _keys_of(model: type[Model]) -> dict[str, str]:
    """A model's field by the key it has in a file: a word of Python's own has an alias."""
    return {known.alias or name: name for name, known in model.model_fields.items()}


def _fields_at(model: type[Model], path: Path) -> list[str]:
    """The keys known where an unknown one was found: walks annotations as far as they are
    models."""
    current: type[Model] = model
    for part in path:
        if not isinstance(part, str) or part not in _keys_of(current):
            continue
        inner = _model_in(current.model_fields[_keys_of(current)[part]].annotation)
        if inner is None:
            return []
        current = inner
    return list(_keys_of(current))


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_in(inner)
        if found is not None:
            return found
    return None


def _explain(error: ErrorDetails, model: type[Model], path: Path) -> tuple[str, str, bool]:
    """Code, sentence, and whether the finding stands at the key (else at the value)."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    inner = path[1:]
    if kind == "extra_forbidden":
        return (
            "unknown-key",
            f'no key "{path[-1]}" here; '
            + did_you_mean(str(path[-1]), _fields_at(model, inner[:-1])),
            True,
        )
    if kind == "missing":
        return "missing-key", f'"{path[-1]}" is missing and has no default; add it', True
    if kind == "literal_error":
        words = [
            word.strip().strip("'")
            for word in str(context.get("expected", "")).replace(" or ", ", ").split(",")
        ]
        near = nearest(value, words) if isinstance(value, str) else None
        advice = f'did you mean "{near}"?' if near else f"use one of: {', '.join(words)}"
        return "bad-choice", f'{value!r} is no choice for "{_last_word(path)}"; {advice}', False
    if kind in _TYPES:
        return (
            "wrong-type",
            f'"{_last_word(path)}" is {_TYPES[kind]}, not {_kind_word(value)}',
            False,
        )
    bounds = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}
    if kind in bounds:
        key, words_for = bounds[kind]
        return (
            "out-of-range",
            f'"{_last_word(path)}" must be {words_for} {context[key]}, not {value}',
            False,
        )
    if kind in ("too_short", "too_long"):
        short = kind == "too_short"
        word, most = ("at least", "min_length") if short else ("at most", "max_length")
        return (
            "out-of-range",
            f'"{_last_word(path)}" has {word} {context[most]} entries, '
            f"not {context['actual_length']}",
            False,
        )
    if kind == "int_parsing_size":
        return "out-of-range", f'"{_last_word(path)}" does not fit 64 bits', False
    return kind, error["msg"], False


def _last_word(path: Path) -> str:
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _kind_word(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return f'the text "{value[:40]}"'
    return f"{type(value).__name__} {value}"


def check_row(model: type[Model], raw: Any, path: Path, say: Say) -> Any:
    """The row as a model. What is wrong is said; wrong or absent required keys are None in what
    comes back."""
    if not isinstance(raw, dict):
        say(path, "wrong-type", f'"{_last_word(path)}" is a table, not {_kind_word(raw)}', False)
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        details = error.errors(include_url=False)
    bad = set()
    for detail in details:
        inner = tuple(
            part for part in detail["loc"] if not (isinstance(part, str) and part.startswith("<"))
        )
        bad.add(inner[0] if inner else "")
        say(path + inner, *_explain(detail, model, path + inner))
    row = model.model_construct()
    for name, known in model.model_fields.items():
        if known.is_required():
            setattr(row, name, None)
    for key, name in _keys_of(model).items():
        if key in raw and key not in bad:
            model.__pydantic_validator__.validate_assignment(row, name, raw[key])
    return row


def check_file(raw: dict[str, Any], positions: Positions, findings: list[Diagnostic]) -> File:
    """Every section by its model; appends every finding. Rows that are no tables are left out of
    the lists as None."""

    def say(path: Path, code: str, message: str, at_key: bool) -> None:
        place = positions.of_key(path) if at_key else positions.of_value(path)
        findings.append(Diagnostic(*place, code, message))

    file = File.model_construct()
    file.version = 0
    for key in SCALARS:
        if key in raw:
            try:
                File.__pydantic_validator__.validate_assignment(file, key, raw[key])
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    say((key,), *_explain(detail, File, (key,)))
        elif key == "version":
            findings.append(
                Diagnostic(1, 1, "missing-key", '"version" is missing; add: version = 1')
            )
    for section, value in raw.items():
        path: Path = (section,)
        if section in SCALARS:
            continue
        if section in TABLES:
            row = check_row(TABLES[section], value, path, say)
            if row is not None:
                setattr(file, section, row)
        elif section in NAMED:
            _check_named(file, section, value, say)
        elif section == "schema":
            _check_schemas(file, value, say)
        elif section in LISTS:
            _check_list(file, section, value, say)
        else:
            known = [*TABLES, *NAMED, *LISTS, *SCALARS, "schema"]
            say(
                path,
                "unknown-section",
                f'no section or key "{section}"; {did_you_mean(section, known)}',
                True,
            )
    return file


def _check_named(file: File, section: str, value: Any, say: Say) -> None:
    if not isinstance(value, dict):
        say(
            (section,),
            "wrong-type",
            f"write [{section}.NAME] once for each, not {_kind_word(value)}",
            False,
        )
        return
    rows = {
        name: check_row(NAMED[section], row, (section, name), say) for name, row in value.items()
    }
    setattr(
        file, section, {name: row or NAMED[section].model_construct() for name, row in rows.items()}
    )


def _check_schemas(file: File, value: Any, say: Say) -> None:
    """[schema.NAME]: any key is a member, and each is a row of its own."""
    if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
        say(("schema",), "wrong-type", "write [schema.NAME] once for each", False)
        return
    file.schema_ = {
        name: {
            word: check_row(SchemaField, one, ("schema", name, word), say)
            or SchemaField.model_construct(type="string")
            for word, one in row.items()
        }
        for name, row in value.items()
    }


def _check_list(file: File, section: str, value: Any, say: Say) -> None:
    if not isinstance(value, list):
        say(
            (section,),
            "wrong-type",
            f"write [[{section}]] once for each, not {_kind_word(value)}",
            False,
        )
        return
    setattr(
        file,
        section,
        [check_row(LISTS[section], row, (section, index), say) for index, row in enumerate(value)],
    )
