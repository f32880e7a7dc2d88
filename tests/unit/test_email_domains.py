"""What an address says by its domain."""

from __future__ import annotations

import pytest

from scoring.email_domains import domain_of, is_free_mail


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("ann@acme.com", "acme.com"),
        (" Ann.Lee+x@Mail.ACME.com ", "mail.acme.com"),
        ("ann@acme.com.", "acme.com"),
        ("ann", ""),
        ("", ""),
        ("@acme.com", ""),
        ("ann@acme", ""),
        ("ann@b@acme.com", ""),
        ("ann lee@acme.com", ""),
        (f"{'a' * 255}@acme.com", ""),
    ],
)
def test_the_domain_is_what_stands_behind_the_at_of_an_address(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize(
    "domain", ["gmail.com", "GMail.com", "outlook.com", "yahoo.co.uk", "gmx.de", "ziggo.nl", "qq.com"]
)
def test_a_domain_where_anybody_has_a_mailbox_is_free_mail(domain: str) -> None:
    assert is_free_mail(domain)


@pytest.mark.parametrize(
    "domain", ["", "acme.com", "mail.acme.com", "notgmail.com", "gmail.com.evil.org", "microsoft.com"]
)
def test_the_domain_of_a_company_is_no_free_mail(domain: str) -> None:
    assert not is_free_mail(domain)
