"""Who an event is about: the order of identities, their bounds, and how addresses are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.errors import EventError
from scoring.identity import normalise_email, strongest_identity


def refusal(email: str | None = None, user_id: str | None = None, anonymous_id: str | None = None) -> EventError:
    with pytest.raises(EventError) as raised:
        strongest_identity(email, user_id, anonymous_id)
    return raised.value


def test_an_email_is_stronger_than_a_user_and_a_user_than_a_visitor() -> None:
    assert strongest_identity("ann@example.com", "42", "a-1") == "email:ann@example.com"
    assert strongest_identity("ann@example.com", None, "a-1") == "email:ann@example.com"
    assert strongest_identity(None, "42", "a-1") == "user:42"
    assert strongest_identity(None, None, "a-1") == "anon:a-1"


def test_without_an_identity_there_is_no_lead() -> None:
    error = refusal()
    assert (error.reason, error.field) == ("missing_field", "email")
    assert "email, user_id and anonymous_id" in str(error)


@pytest.mark.parametrize(
    ("identities", "field"),
    [(("", "42", None), "email"), ((None, "", "a-1"), "user_id"), ((None, None, ""), "anonymous_id")],
)
def test_an_empty_identity_is_refused_even_beside_a_good_weaker_one(
    identities: tuple[str | None, str | None, str | None], field: str
) -> None:
    error = refusal(*identities)
    assert (error.reason, error.field) == ("bad_identity", field)
    assert str(error).startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ("  ann@example.com\n", "ann@example.com"),
        ("ann+news@example.com", "ann+news@example.com"),
        ("a.n.n@example.com", "a.n.n@example.com"),
        ("ÄNN@EXAMPLE.COM", "änn@example.com"),
        ("ann@mail.example.co.uk", "ann@mail.example.co.uk"),
    ],
)
def test_an_address_is_stripped_and_lowered_and_keeps_its_tags_and_dots(text: str, email: str) -> None:
    assert normalise_email(text) == email


@pytest.mark.parametrize(
    "text",
    ["", " ", "ann", "ann@", "@example.com", "ann@example", "ann@.com", "ann@com.", "a@b@example.com", "a n@b.com"],
)
def test_what_is_no_address_is_refused_with_its_text(text: str) -> None:
    error = refusal(email=text)
    assert (error.reason, error.field) == ("bad_identity", "email")
    assert repr(text) in str(error)


def test_the_text_of_a_refused_address_is_cut_short() -> None:
    assert len(str(refusal(email="x" * 10_000))) < 200


@pytest.mark.parametrize(("field", "prefix"), [("user_id", "user:"), ("anonymous_id", "anon:")])
def test_an_identity_may_have_255_characters_and_no_more(field: str, prefix: str) -> None:
    longest = "x" * 255
    user_id, anonymous_id = (longest, None) if field == "user_id" else (None, longest)
    assert strongest_identity(None, user_id, anonymous_id) == prefix + longest
    error = refusal(**{field: longest + "x"})
    assert (error.reason, error.field) == ("bad_identity", field)
    assert "255" in str(error)


def test_the_longest_address_that_mail_knows_is_taken() -> None:
    longest = "a" * 64 + "@" + "b" * 185 + ".com"
    assert len(longest) == 254
    assert strongest_identity(longest, None, None) == "email:" + longest
    assert refusal(email="a" * 300 + "@example.com").reason == "bad_identity"


@given(st.none() | st.text(max_size=300), st.none() | st.text(max_size=300), st.none() | st.text(max_size=300))
def test_any_text_is_an_identity_or_an_event_error(
    email: str | None, user_id: str | None, anonymous_id: str | None
) -> None:
    try:
        lead = strongest_identity(email, user_id, anonymous_id)
    except EventError as error:
        reason = error.reason
    else:
        reason = ""
    assert reason in ("", "missing_field", "bad_identity")
    if reason:
        return
    prefix = "email:" if email is not None else "user:" if user_id is not None else "anon:"
    assert lead.startswith(prefix)
    assert len(lead) > len(prefix)


@given(st.emails())
def test_normalising_twice_changes_nothing(address: str) -> None:
    try:
        once = normalise_email(address)
    except EventError:
        return
    assert normalise_email(once) == once
