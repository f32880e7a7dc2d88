"""``leadheat up``: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.embedded.kafka import EmbeddedKafka
    from streams.embedded.stack import Stack
    from streams.embedded.supervisor import ChildEvent


def up(
    brokers: Annotated[
        str | None,
        typer.Option(envvar="LEADHEAT_BROKERS", help="A Kafka that runs already (host:port); else one is started."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=16, help="How many workers share the partitions.")] = 1,
    kafka_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the Kafka that is started; 0: any.")
    ] = 9092,
) -> None:
    """Run Kafka, Redis, workers, projector, gateway with its dashboard, and delivery on this machine until Ctrl-C.

    What Kafka holds is kept in LEADHEAT_DATA_DIR (./data) for the next time. Alerts are delivered where
    LEADHEAT_DELIVERY names a delivery file.

    Example: leadheat up --workers 2
    """
    from streams.delivery.config import load_delivery
    from streams.embedded.kafka import EmbeddedKafka
    from streams.embedded.stack import run_until_signal

    settings = load_settings(brokers=brokers)
    if settings.delivery:
        load_delivery(Path(settings.delivery))  # a fault is told now, and not by a child that keeps ending
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # they end us as Ctrl-C does, also while Kafka starts
    try:
        with ExitStack() as at_end:
            kafka = None
            if brokers is None:
                kafka = EmbeddedKafka(settings.data_dir / "kafka", port=kafka_port)
                at_end.callback(_stop, kafka)
                kafka.start(lambda text: _say("kafka", text))
            run_until_signal(_stay(settings, workers, kafka))
    except KeyboardInterrupt:
        pass  # while Kafka was starting: it has been ended
    typer.echo("Stopped.")


async def _stay(settings: Settings, workers: int, kafka: EmbeddedKafka | None) -> None:
    from streams.embedded.stack import running_stack

    async with running_stack(settings, workers=workers, kafka=kafka, on_event=_show) as stack:
        typer.echo(_where_everything_is(stack))
        await stack.wait()


def _where_everything_is(stack: Stack) -> str:
    own_key = "" if stack.settings.write_keys else "  (without a key from this machine only: LEADHEAT_WRITE_KEYS)"
    places = [
        ("Dashboard", stack.dashboard_url or "none, since there is no Redis"),
        ("Gateway", stack.gateway_url + own_key),
        ("Its routes", stack.docs_url),
        ("Delivery", stack.settings.delivery or "none: LEADHEAT_DELIVERY names no delivery file"),
        ("Brokers", stack.settings.brokers),
        ("Topics", f"{stack.settings.prefix}.*"),
        ("Metrics", "  ".join((f"{stack.gateway_url}/metrics", *stack.metrics_urls))),
    ]
    lines = [f"  {typer.style(f'{name:<11}', bold=True)}{place}" for name, place in places]
    return "\n".join(["", "Leadheat runs.", *lines, "Ctrl-C stops everything.", ""])


def _stop(kafka: EmbeddedKafka) -> None:
    if kafka.is_alive():
        _say("kafka", "stopping")
    kafka.stop()


def _show(event: ChildEvent) -> None:
    _say(event.child, event.text)


def _say(who: str, text: str) -> None:
    typer.echo(f"{typer.style(f'{who:<9}', fg=typer.colors.CYAN)} {text}")
