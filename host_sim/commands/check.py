# SPDX-License-Identifier: MIT
"""`raygate check`: what is wrong with a configuration, all of it at once, and what it means."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import click

from host_sim import config as compiler
from host_sim.config.capacities import PROFILES
from host_sim.printing import json_text, printable

FINE, FINDINGS, BAD_FILE = 0, 1, 2


def _as_json(findings: list[compiler.Diagnostic]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(finding) for finding in findings]


def _core_findings(blob: bytes, profile: str) -> list[compiler.Diagnostic]:
    """The core has the last word; without a compiled core the host's rules stand alone."""
    try:
        from host_sim.config.expectations import core_refusal

        refusal = core_refusal(blob, profile)
    except ImportError:
        click.echo("note: the core is not built, so only the host's rules were checked", err=True)
        return []
    return [compiler.Diagnostic(0, 0, "core", refusal)] if refusal else []


def _summary(config: compiler.Config) -> str:
    counts = (
        ("services", config.services),
        ("routes", config.routes),
        ("limits", config.limits),
        ("quotas", config.quotas),
        ("tenants", config.tenants),
        ("policies", config.policies),
        ("price books", config.file.cost),
        ("promises", config.file.sla),
        ("alerts", config.file.alert),
        ("pools", config.file.pool),
        ("guards", config.file.resilience),
        ("schemas", config.file.schema_),
        ("transforms", config.file.transform),
        ("credentials", [*config.file.api_key, *config.file.basic, *config.file.bearer]),
        ("issuers", config.file.jwt),
        ("tests", config.tests),
    )
    rows = ", ".join(f"{len(rows)} {what}" for what, rows in counts)
    return f"{rows}; {len(config.blob)} bytes\nhash {config.hash}"


def _count(findings: list[compiler.Diagnostic]) -> str:
    return "1 error" if len(findings) == 1 else f"{len(findings)} errors"


def _run_tests(config: compiler.Config, profile: str) -> dict[str, Any]:
    from host_sim.config.expectations import coverage, run

    outcomes = run(config, profile=profile)
    rows = [{"passed": outcome.passed, **dataclasses.asdict(outcome)} for outcome in outcomes]
    return {
        "tests": rows,
        "uncovered": dataclasses.asdict(coverage(config, outcomes)),
    }


def _print_tests(name: str, result: dict[str, Any]) -> None:
    for outcome in result["tests"]:
        click.echo(f"{'ok  ' if outcome['passed'] else 'FAIL'}  {printable(outcome['name'])}")
        for difference in outcome["differences"]:
            click.echo(f"      {printable(difference)}")
    held = sum(outcome["passed"] for outcome in result["tests"])
    click.echo(f"{name}: {held} of {len(result['tests'])} expectations hold")
    for what, rows in result["uncovered"].items():
        if rows:
            verb = "reaches" if what == "routes" else "is held back by"
            click.echo(f"no expectation {verb} these {what}: {printable(', '.join(rows))}")


@click.command("check", short_help="Check a configuration and run its expectations.")
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@click.option("--tests", is_flag=True, help="Run the [[test]] rows through the real core.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file and end.")
@click.option("--reference", is_flag=True, help="Print docs/config.md and end.")
@click.option(
    "--profile", type=click.Choice(sorted(PROFILES)), default="seed", show_default=True,
    help="Capacity profile whose tables the file must fit.",
)  # fmt: skip
def command(
    file: str | None, tests: bool, as_json: bool, schema: bool, reference: bool, profile: str
) -> None:
    """Checks FILE whole and names every error as file:line:column: code: message. What is not TOML
    has no other errors yet, and the core looks at a file without any.

    Ends with 0 when all is fine, 1 when an expectation failed, 2 when the file is bad.
    """
    if schema or reference:
        from host_sim.config.schema import reference as reference_text
        from host_sim.config.schema import schema_text

        click.echo(schema_text() if schema else reference_text(), nl=False)
        return
    if file is None:
        raise click.UsageError("which FILE?")
    sys.exit(_check(file, tests, as_json, profile))


def _check(file: str, tests: bool, as_json: bool, profile: str) -> int:
    try:
        found = compiler.examine(Path(file).read_bytes(), room=PROFILES[profile],
                                 folder=Path(file).parent, now_ns=time.time_ns())
    except OSError as error:
        raise click.UsageError(f"cannot read {printable(file)}: {error.strerror}") from error
    findings, config = found.findings, None
    if not findings:
        config = compiler.load(file, profile=profile)
        findings = _core_findings(config.blob, profile)
    result = _run_tests(config, profile) if config and tests and not findings else None
    if as_json:
        report = _report(file, findings, found.notes, config, result)
        click.echo(json_text(report, indent=2))
    else:
        for finding in [*findings, *found.notes]:
            click.echo(finding.text(file))
        name = printable(file)
        click.echo(f"{name}: {_count(findings)}" if findings or config is None else
                   f"{name}: fine: {_summary(config)}")  # fmt: skip
        if result is not None:
            _print_tests(name, result)
    if findings:
        return BAD_FILE
    failed = result is not None and not all(outcome["passed"] for outcome in result["tests"])
    return FINDINGS if failed else FINE


def _report(
    file: str,
    findings: list[compiler.Diagnostic],
    notes: list[compiler.Diagnostic],
    config: compiler.Config | None,
    result: dict[str, Any] | None,
) -> dict[str, Any]:
    report: dict[str, Any] = {
        "file": file,
        "ok": not findings,
        "findings": _as_json(findings),
        "notes": _as_json(notes),
    }
    if config is not None:
        report |= {"hash": config.hash, "bytes": len(config.blob)}
    return report | (result or {})
