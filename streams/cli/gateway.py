"""``leadheat gateway``: take events over HTTP, and serve dashboard and query API, until told to stop."""

from __future__ import annotations

import time

from streams.settings import load_settings


def gateway() -> None:
    """Take events over HTTP, and serve the dashboard and the query API, until told to stop (SIGTERM or Ctrl-C).

    Every event that is answered with 2xx is in Kafka. The routes, each with an example to try, are at /docs.
    Settings: LEADHEAT_GATEWAY_HOST, LEADHEAT_GATEWAY_PORT, LEADHEAT_BROKERS, LEADHEAT_PREFIX, LEADHEAT_WRITE_KEYS_FILE
    (see `leadheat keys`); those of your mail provider's webhook stand at its route. Without write keys only this
    machine may send. With a Redis (LEADHEAT_REDIS_URL) that a projector fills, the dashboard is at /, and the query API
    below /api; who may is said by LEADHEAT_API_KEYS, LEADHEAT_SIGN_IN or LEADHEAT_TRUSTED_USER_HEADER, and without them
    this machine alone.

    Examples:
      leadheat gateway
      LEADHEAT_GATEWAY_HOST=0.0.0.0 LEADHEAT_WRITE_KEYS=site=s3cret-key leadheat gateway
    """
    from scoring.model import load_model
    from streams.dashboard.app import Dashboard
    from streams.gateway.serve import run_gateway
    from streams.logs import set_up_logs
    from streams.model_news import KeptNews

    settings = load_settings()
    set_up_logs(settings)
    model = load_model(settings.model)
    news = KeptNews(settings, time.monotonic)
    run_gateway(settings, lambda producer: [Dashboard(settings, model, producer, news=news)])
