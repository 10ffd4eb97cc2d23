"""What the process behind `tests.forks` has imported and built before it forks; nobody else imports this."""

# ruff: noqa: F401

import email.utils
import importlib.metadata
import pwd
import secrets
import zoneinfo

import asyncpg
import cel
import pydantic.json_schema
import pydantic.plugin._loader
import pydantic.types
import typer._adapters
import typer._click.decorators

import saga_journey.blocking
import saga_journey.cli.sqlite_file
import saga_journey.core.design
import saga_journey.core.request
import saga_journey.stores.postgres.store
import saga_journey.stores.sqlite.migrations
import saga_journey.testing.clock
import tests.acceptance.exchange
import tests.acceptance.programs.apps
import tests.acceptance.programs.day_after
import tests.forks
from saga_journey.cli import app

app.command()
