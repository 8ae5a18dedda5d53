"""By what a PC knows its server: what its identity, or a successor, has signed, and no more."""

from __future__ import annotations

import secrets
from datetime import timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from reader_bridge import messages
from reader_bridge.messages import Kind, SealingKey, ServerKeys
from reader_bridge.server_keys import Foreign, enrolment_fingerprint, followed
from tests.bridge.papers import AUDIENCE, IDENTITY, KEYS, PIN, SEALING, SINCE, shown

LATER = SINCE + timedelta(days=1)
NEXT, LAST, STRANGER = (Ed25519PrivateKey.generate() for _ in range(3))


def other_key() -> SealingKey:
    return SealingKey("other", X25519PrivateKey.generate().public_key().public_bytes_raw())


def public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def test_a_later_sealing_key_of_the_same_server_is_taken_and_an_earlier_one_never() -> None:
    later = other_key()
    known = followed(PIN, shown(sealing=later, since=LATER), AUDIENCE)
    assert (known.identity, known.key) == (PIN.identity, later)
    for older in (KEYS, shown(sealing=other_key(), since=LATER)):
        with pytest.raises(Foreign, match="older key"):
            followed(known, older, AUDIENCE)


@pytest.mark.parametrize(
    "lie",
    [
        shown(STRANGER, other_key(), since=LATER),
        msgspec.structs.replace(
            KEYS, sealing=shown(STRANGER, other_key(), since=LATER).sealing
        ),  # says that it is ours
        shown(STRANGER, other_key(), since=LATER, after=(NEXT,)),
        shown(IDENTITY, other_key(), since=LATER, audience="http://another.example"),
        ServerKeys(PIN.identity, messages.sign(IDENTITY, Kind.succession, PIN)),
        ServerKeys(PIN.identity, messages.sign(IDENTITY, Kind.asked, SEALING)),
        ServerKeys(bytes(32), shown(STRANGER).sealing),
    ],
    ids=["another", "pretends", "heir of another", "other audience", "kind", "shape", "no key"],
)
def test_what_our_server_has_not_signed_is_not_taken_and_both_fingerprints_are_told(
    lie: ServerKeys,
) -> None:
    with pytest.raises(Foreign) as refused:
        followed(PIN, lie, AUDIENCE)
    assert PIN.fingerprint in str(refused.value)
    assert messages.fingerprint(lie.identity) in str(refused.value)
    assert len(str(refused.value)) < 600  # whole in a note


def test_a_pc_that_was_away_for_long_follows_a_server_that_has_changed_its_identity_twice() -> None:
    after = shown(LAST, since=LATER, after=(IDENTITY, NEXT))
    known = followed(PIN, after, AUDIENCE)
    assert known.identity == public(LAST)
    assert followed(known, after, AUDIENCE) == known
    # Who began in the middle, and has also been told what went before.
    middle = followed(PIN, shown(NEXT, since=LATER, after=(IDENTITY,)), AUDIENCE)
    assert followed(middle, after, AUDIENCE).identity == public(LAST)


def test_once_it_has_followed_the_identity_before_counts_no_more() -> None:
    known = followed(PIN, shown(NEXT, after=(IDENTITY,)), AUDIENCE)
    for back in (KEYS, shown(sealing=other_key(), since=LATER)):
        with pytest.raises(Foreign):
            followed(known, back, AUDIENCE)
    stolen = shown(STRANGER, other_key(), since=LATER, after=(IDENTITY,))
    with pytest.raises(Foreign):
        followed(known, stolen, AUDIENCE)


def test_a_chain_with_a_link_missing_leads_nowhere() -> None:
    whole = shown(LAST, after=(IDENTITY, NEXT))
    for some in (whole.successions[:1], whole.successions[1:], whole.successions[::-1]):
        with pytest.raises(Foreign):
            followed(PIN, msgspec.structs.replace(whole, successions=some), AUDIENCE)


def test_the_fingerprint_of_an_enrolment_differs_with_each_key_and_with_the_code() -> None:
    device, code = secrets.token_bytes(32), "ABCD-EFGH"
    right = enrolment_fingerprint(device, PIN.identity, code)
    assert len(right.replace(" ", "")) == 20
    assert right != enrolment_fingerprint(secrets.token_bytes(32), PIN.identity, code)
    assert right != enrolment_fingerprint(device, public(STRANGER), code)
    assert right != enrolment_fingerprint(device, PIN.identity, "ABCD-EFGJ")
