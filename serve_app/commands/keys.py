"""``rayscribe keys`` and ``rayscribe webhook-secret``. They work whether the service runs or not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from serve_app.commands.options import ConfigOption, JsonOption
from serve_app.commands.table import print_table

if TYPE_CHECKING:
    from serve_app.access.keys import KeyRecord, NewKey
    from serve_app.access.users import User
    from serve_app.commands.stores import Stores

keys = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

_DAY_S = 86400.0


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="What the key is for.", metavar="NAME")],
    user: Annotated[str, typer.Option(help="Whose key it is; made where there is none of this name.")] = "default",
    plan: Annotated[
        str | None,
        typer.Option(help="Plan to put the user on.", show_default="as it is; access.default_plan for a new user"),
    ] = None,
    expires_days: Annotated[float | None, typer.Option(help="Days that it is good for.", min=0)] = None,
    config: ConfigOption = None,
) -> None:
    """Make a key and print it: this once, since only its hash is stored."""
    import time

    from serve_app.commands.stores import run_with_stores

    expires_at_s = None if expires_days is None else time.time() + expires_days * _DAY_S

    async def make(stores: Stores) -> tuple[User, NewKey]:
        owner = await stores.users.ensure(user, plan)
        return owner, await stores.keys.create(owner, name, expires_at_s)

    owner, key = run_with_stores(config, make)
    # The key alone goes to stdout, as scripts like it.
    typer.echo(f"{key.id} of user {owner.name}, plan {owner.plan_name}. Keep it: it cannot be shown again.", err=True)
    typer.echo(key.key)


@keys.command(name="list")
def list_keys(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the keys: everything but the keys themselves."""
    import json
    import time

    from serve_app.commands.stores import run_with_stores

    records = run_with_stores(config, lambda stores: stores.keys.list())
    now_s = time.time()
    if as_json:
        typer.echo(json.dumps([_fields(record, now_s) for record in records], indent=2, ensure_ascii=False))
    elif records:
        headings = ("id", "key", "user", "name", "status", "created", "expires")
        print_table(headings, [_cells(record, now_s) for record in records])
    else:
        typer.echo("There are no keys. Make one with: rayscribe keys create NAME", err=True)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, its prefix, or the key itself.", metavar="ID")],
    config: ConfigOption = None,
) -> None:
    """Revoke a key. A running service notices within seconds (access.key_cache_s)."""
    from serve_app.commands.stores import run_with_stores

    record = run_with_stores(config, lambda stores: stores.keys.revoke(key))
    typer.echo(f"{record.id} ({record.name}) of user {record.user_name} is revoked.")


def webhook_secret(
    user: Annotated[str, typer.Option(help="Whose webhooks.")] = "local",
    config: ConfigOption = None,
) -> None:
    """Print the secret that signs a user's webhooks, to verify them with (Standard Webhooks)."""
    from serve_app.access.users import LOCAL_USER
    from serve_app.commands.stores import run_with_stores

    async def find(stores: Stores) -> User:
        # That user comes with the first start of the service; its secret may be wanted before.
        return await (stores.users.ensure(user) if user == LOCAL_USER else stores.users.find(user))

    typer.echo(run_with_stores(config, find).webhook_secret)


def _fields(record: KeyRecord, now_s: float) -> dict[str, str | None]:
    return {
        "id": record.id,
        "prefix": record.prefix,
        "user": record.user_name,
        "name": record.name,
        "status": record.status(now_s),
        "created_at": _timestamp(record.created_at_s),
        "expires_at": _timestamp(record.expires_at_s),
        "revoked_at": _timestamp(record.revoked_at_s),
    }


def _cells(record: KeyRecord, now_s: float) -> tuple[str, ...]:
    days = (_timestamp(at_s) or "" for at_s in (record.created_at_s, record.expires_at_s))
    return (
        record.id,
        f"{record.prefix}…",
        record.user_name,
        record.name,
        record.status(now_s),
        *(day[: len("2026-01-31")] for day in days),
    )


def _timestamp(at_s: float | None) -> str | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
