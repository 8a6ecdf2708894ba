"""``rayscribe serve``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from serve_app.commands.options import ConfigOption

if TYPE_CHECKING:
    from serve_app.commands.serve_progress import ProgressView
    from serve_app.settings import Settings
    from serve_app.stop_signal import StopSignal


_WATCH_INTERVAL_S = 2.0


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of the file's.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, instead of the file's.", min=1, max=65535)
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show the logs of Ray and of the replicas.")] = False,
) -> None:
    """Start the service and run it until Ctrl-C.

    On a Ray of its own, or on the cluster that RAY_ADDRESS names.
    """
    from serve_app.commands.serve_progress import progress_view
    from serve_app.local_ray import prepare_environment
    from serve_app.stop_signal import StopSignal

    started_s = time.monotonic()
    if "RAY_ADDRESS" not in os.environ:
        prepare_environment()
    with (
        progress_view() as view,
        StopSignal(
            on_first=lambda number: view.note(_stopping(number)),
            on_second=lambda number: _kill_all_and_exit(128 + number),
        ) as stop,
    ):
        exit_code = _run(config, host, port, verbose=verbose, view=view, stop=stop, started_s=started_s)
    raise typer.Exit(exit_code)


def _run(
    path: Path | None,
    host: str | None,
    port: int | None,
    *,
    verbose: bool,
    view: ProgressView,
    stop: StopSignal,
    started_s: float,
) -> int:
    from deployments.errors import RayscribeError
    from serve_app.launcher import LaunchError, LaunchStopped, base_url, check_port_free, launched
    from serve_app.serve_config import DEFAULT_CONFIG, ConfigError, load_config, load_settings

    try:
        config = load_config(path or DEFAULT_CONFIG, host=host, port=port)
        http = config.http_options
        needs_key = _check_way_in(load_settings(path or DEFAULT_CONFIG), http.host)
        if "RAY_ADDRESS" not in os.environ:
            check_port_free(http.host, http.port)
        with launched(
            config, report=view.show, wait=stop.wait, after_ray_init=stop.install, verbose=verbose
        ) as is_alive:
            url = base_url(http.host, http.port) + http.root_path
            view.ready(url, time.monotonic() - started_s, needs_key=needs_key)
            _show_metrics_and_logs(view)
            while not stop.wait(_WATCH_INTERVAL_S):
                if not is_alive():
                    view.error("Ray died under the service.")
                    _kill_all_and_exit(1)
    except (ConfigError, LaunchError, RayscribeError) as error:
        view.error(str(error))
        return 1
    except LaunchStopped:
        return 130
    view.note("Stopped.")
    return 0


def _show_metrics_and_logs(view: ProgressView) -> None:
    from serve_app.cluster import logs_folder, metrics_urls

    for url in metrics_urls():
        view.note(f"Metrics: {url}")
    view.note(f"Logs: {logs_folder()}")


def _check_way_in(settings: Settings, host: str) -> bool:
    """Whether callers need a key.

    Raises:
        EngineUnavailable: they do, and there is none. Said now, in one line, and not by the ingress, after half a
            minute and three attempts.
    """
    from serve_app.access.openness import is_open

    if is_open(settings.access, host):
        return False
    from serve_app.opening import check_way_in

    asyncio.run(check_way_in(settings, host))
    return True


def _stopping(number: int) -> str:
    return f"{signal.Signals(number).name}: stopping … (once more to force)"


def _kill_all_and_exit(exit_code: int) -> None:
    """End without asking anybody; Ray's log files stay, for whoever wants to know."""
    from serve_app.local_ray import descendants

    for process in descendants():
        with contextlib.suppress(Exception):
            process.send_signal(signal.SIGKILL)
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(exit_code)
