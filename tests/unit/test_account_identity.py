"""Which account a domain, an address of a site or an id stands for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.account_identity import account_key, account_of_domain


@pytest.mark.parametrize(
    ("domain", "account"),
    [
        ("acme.com", "acme.com"),
        (" Mail.EU.Acme.Com. ", "acme.com"),
        ("acme.co.uk", "acme.co.uk"),
        ("shop.acme.co.uk", "acme.co.uk"),
        ("http://acme.com", "acme.com"),
        ("HTTPS://jo@www.acme.com:8080/a/b?c=d#e", "acme.com"),
        ("www.acme.com/about", "acme.com"),
        ("ann@acme.com", "acme.com"),
        ("larkspire.example", "larkspire.example"),
        ("www.larkspire.example", "larkspire.example"),
        ("münchen.de", "xn--mnchen-3ya.de"),
        ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de"),
        ("acme.github.io", "acme.github.io"),
        ("www.acme.github.io", "acme.github.io"),
        ("www.github.io", "github.io"),
        ("acme.uk.com", "acme.uk.com"),
    ],
)
def test_a_company_is_where_the_names_begin_that_it_registered(domain: str, account: str) -> None:
    assert account_of_domain(domain) == f"domain:{account}"


@pytest.mark.parametrize("domain", ["gmail.com", "GMail.com", "mail.gmail.com", "https://gmx.de/", "yahoo.co.uk"])
def test_free_mail_is_nobodys_company(domain: str) -> None:
    assert account_of_domain(domain) == ""


NO_DOMAINS = ["", " ", "com", "co.uk", "localhost", "192.0.2.1", "192.0.2.1:80", "[2001:db8::1]", "2001:db8::1"]
NO_HOSTS = ["a..com", "acme com", "-acme.com", "acme.com-", "Acme Inc.", "n/a", "x" * 64 + ".com", "a." * 130 + "com"]
NO_TEXTS = ["a\x00b.com", "http://", "@", ".", "\ud800.com", "☃️\u200d.com"]


@pytest.mark.parametrize("domain", [*NO_DOMAINS, *NO_HOSTS, *NO_TEXTS], ids=ascii)
def test_what_nobody_can_have_registered_is_no_account(domain: str) -> None:
    assert account_of_domain(domain) == ""


def test_an_id_goes_before_a_domain_and_nothing_has_no_key() -> None:
    assert account_key("acme.com", "example.org") == "account:acme.com"
    assert account_key(None, "www.example.org") == account_key("", "example.org") == "domain:example.org"
    assert account_key(None, None) == account_key("", "") == account_key(None, "gmail.com") == ""


@given(st.text() | st.from_regex(r"\A(www\.|a\.)?[a-z]{1,5}\.(com|co\.uk|example|github\.io|de)\Z"))
def test_any_text_has_an_account_or_none_and_an_accounts_domain_is_its_own(text: str) -> None:
    account = account_of_domain(text)
    if account:
        assert account_of_domain(account.removeprefix("domain:")) == account
        assert account_of_domain(f"https://www.{account.removeprefix('domain:')}/") == account
