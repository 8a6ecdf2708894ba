"""``rayscribe usage`` and ``rayscribe wallet``. They work whether the service runs or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

from serve_app.commands.options import ConfigOption, JsonOption
from serve_app.commands.table import print_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from serve_app.access.usage import UsageReport, UsageTotal
    from serve_app.access.users import User
    from serve_app.commands.stores import Stores

wallet = typer.Typer(help="Show wallets, and put money in.", no_args_is_help=True)

_LARGEST_AMOUNT = Decimal(1_000_000_000)
_NOTE_CHARACTERS = 500


def usage(
    user: Annotated[str | None, typer.Option(help="One user's.", show_default="everybody's")] = None,
    days: Annotated[int, typer.Option(help="UTC days, today among them.", min=1, max=36_500)] = 30,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say how much was transcribed, and what it cost."""
    import json

    from serve_app.commands.stores import run_with_stores

    today = datetime.now(UTC).date()

    async def read(stores: Stores) -> UsageReport:
        user_id = None if user is None else (await stores.users.find(user)).id
        return await stores.ledger.usage(user_id, today - timedelta(days=days - 1), today)

    report = run_with_stores(config, read)
    if as_json:
        typer.echo(json.dumps(_report_fields(report), indent=2))
    else:
        _print_report(report)


@wallet.command()
def top_up(
    user: Annotated[str, typer.Argument(help="Whose wallet.", metavar="USER")],
    amount: Annotated[
        str,
        typer.Argument(help="In your currency; a mistake is taken back by: top-up USER -- -AMOUNT", metavar="AMOUNT"),
    ],
    note: Annotated[str, typer.Option(help="Kept with it in the ledger.")] = "",
    config: ConfigOption = None,
) -> None:
    """Put money into a user's wallet."""
    from serve_app.commands.stores import run_with_stores

    amount_micros = _parse_amount(amount)
    if len(note) > _NOTE_CHARACTERS:
        raise typer.BadParameter(f"at most {_NOTE_CHARACTERS} characters", param_hint="--note")

    async def add(stores: Stores) -> int:
        owner = await stores.users.find(user)
        return await stores.ledger.top_up(owner.id, amount_micros, note)

    balance_micros = run_with_stores(config, add)
    typer.echo(f"{user} has {_money(balance_micros)}.")


@wallet.command()
def show(
    user: Annotated[str | None, typer.Argument(help="Whose wallet.", metavar="USER", show_default="all")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what is in the wallets."""
    import json

    from serve_app.commands.stores import run_with_stores

    async def read(stores: Stores) -> Sequence[User]:
        return await stores.users.list() if user is None else [await stores.users.find(user)]

    users = run_with_stores(config, read)
    rows = [(user.name, user.plan_name, _money(user.balance_micros)) for user in users]
    if as_json:
        typer.echo(json.dumps([dict(zip(("user", "plan", "balance"), row, strict=True)) for row in rows], indent=2))
    else:
        print_table(("user", "plan", "balance"), rows, numbers=1)


def _parse_amount(amount: str) -> int:
    from serve_app.access.pricing import to_micros

    try:
        micros = to_micros(Decimal(amount))
    except (InvalidOperation, ValueError):
        raise typer.BadParameter("give an amount such as 25 or 0.5, with six decimals at most") from None
    if micros == 0 or abs(Decimal(amount)) > _LARGEST_AMOUNT:
        raise typer.BadParameter(f"give something else than 0, up to {_LARGEST_AMOUNT:,}")
    return micros


def _report_fields(report: UsageReport) -> dict[str, object]:
    return {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "total": _total_fields(report.total),
        "days": [{"day": day.isoformat(), **_total_fields(total)} for day, total in report.by_day.items()],
        "dialects": [{"dialect": name, **_total_fields(total)} for name, total in report.by_dialect.items()],
    }


def _total_fields(total: UsageTotal) -> dict[str, object]:
    return {
        "requests": total.requests,
        "audio_s": round(total.audio_s, 3),
        "billable_s": round(total.billed_s, 3),
        # As text: a float would not be the same amount.
        "charged": _money(total.charged_micros),
    }


def _print_report(report: UsageReport) -> None:
    if not report.rows:
        typer.echo(f"Nothing from {report.since} to {report.until} (UTC).", err=True)
        return
    days = [(day.isoformat(), total) for day, total in report.by_day.items()]
    _print_totals("day (UTC)", [*days, ("total", report.total)])
    typer.echo()
    _print_totals("dialect", report.by_dialect.items())


def _print_totals(heading: str, totals: Iterable[tuple[str, UsageTotal]]) -> None:
    rows = []
    for name, total in totals:
        audio = (f"{total.audio_s:.1f}", f"{total.billed_s:.1f}")
        rows.append((name, str(total.requests), *audio, _money(total.charged_micros)))
    print_table((heading, "requests", "audio s", "billable s", "charged"), rows, numbers=4)


def _money(micros: int) -> str:
    from serve_app.access.pricing import from_micros

    return f"{from_micros(micros):f}"
