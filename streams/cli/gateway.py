"""``leadheat gateway``: take events over HTTP until told to stop."""

from __future__ import annotations

from streams.settings import load_settings


def gateway() -> None:
    """Take events over HTTP until told to stop (SIGTERM or Ctrl-C).

    Every event that is answered with 2xx is in Kafka. The routes, each with an example to try, are at /docs.
    Settings: LEADHEAT_GATEWAY_HOST, LEADHEAT_GATEWAY_PORT, LEADHEAT_BROKERS, LEADHEAT_PREFIX, LEADHEAT_WRITE_KEYS_FILE
    (see `leadheat keys`); those of your mail provider's webhook stand at its route. Without write keys only this
    machine may send.

    Examples:
      leadheat gateway
      LEADHEAT_GATEWAY_HOST=0.0.0.0 LEADHEAT_WRITE_KEYS=site=s3cret-key leadheat gateway
    """
    from streams.gateway.serve import run_gateway
    from streams.logs import set_up_logs

    settings = load_settings()
    set_up_logs(settings)
    run_gateway(settings)
