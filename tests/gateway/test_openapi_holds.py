"""What the OpenAPI description says can be sent, right or wrong, is never answered with a failure of ours."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

from streams.gateway.app import create_gateway
from streams.settings import Settings
from tests.gateway.conftest import NOW_MS, FakeProducer
from tests.gateway.providers import TOPIC, sendgrid_key
from tests.share import PROFILE

KEY = "abc123"

_app = create_gateway(
    Settings(
        write_keys=f"site={KEY}",
        events_per_s=0,
        sendgrid_key=sendgrid_key()[1],
        mailgun_key="key",
        postmark_login="a:b",
        ses_topics=TOPIC,
        resend_secret="whsec_c2VjcmV0",
        hubspot_secret="secret",
        hubspot_token="token",
        salesforce_key="a key of some length",
        salesforce_organisation="00D000000000001",
    ),
    FakeProducer(),
    clock=lambda: NOW_MS,
)
_schema = schemathesis.openapi.from_asgi("/openapi.json", _app)
_QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}


@pytest.mark.share
@_schema.parametrize()
@settings(max_examples=6 if PROFILE == "quick" else 200, **_QUIET)
def test_no_request_that_can_be_made_of_the_description_fails(case):
    answer = case.call(headers={"Authorization": f"Bearer {KEY}"})
    case.validate_response(answer, checks=[not_a_server_error])
