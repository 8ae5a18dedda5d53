"""The merge of answers: two phones converge whatever the order in which their pushes arrive."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.inspection.visits import merge
from api.inspection.visits.model import Version

A, B = UUID(int=1), UUID(int=2)
NOON = datetime(2026, 11, 22, 5, tzinfo=UTC)
ITEMS = ("E08", "H04", "A06")


def version(
    number: int, author: UUID, value: object, *seen: int, item: str = "E08", outcome: str = "pass"
) -> Version:
    return Version(
        item=item,
        operation=UUID(int=number),
        author=author,
        answered_at=NOON + timedelta(minutes=number),
        received_at=NOON,
        value=value,
        outcome=outcome,
        supersedes=tuple(UUID(int=n) for n in seen),
    )


class Phone:
    """Knows what it sent and what it pulled; answers on top of what it knows."""

    def __init__(self, author: UUID) -> None:
        self.author = author
        self.known: list[Version] = []

    def answer(self, number: int, item: str, value: object, rng: random.Random) -> Version:
        mine = [v for v in self.known if v.item == item]
        seen = merge.standing(mine)[:1] if mine and rng.random() < 0.9 else []
        made = Version(
            item=item,
            operation=UUID(int=number),
            author=self.author,
            answered_at=NOON + timedelta(minutes=rng.randint(0, 50)),
            received_at=NOON,
            value=value,
            outcome="fail" if value == "fail" else "pass",
            supersedes=tuple(v.operation for v in seen),
        )
        self.known.append(made)
        return made

    def pull(self, sent: list[Version]) -> None:
        held = {v.operation for v in self.known}
        self.known += [v for v in sent if v.operation not in held]


def history(rng: random.Random) -> list[Version]:
    phones = [Phone(A), Phone(B)]
    sent: list[Version] = []
    for number in range(1, rng.randint(2, 14)):
        phone = rng.choice(phones)
        if rng.random() < 0.3:
            phone.pull(sent)
        value = rng.choice(["pass", "fail", "na", 7, 7.0, 8.5])
        sent.append(phone.answer(number, rng.choice(ITEMS), value, rng))
    return sent


def test_ten_thousand_random_histories_of_two_phones_converge() -> None:
    rng = random.Random(20261122)
    in_conflict = 0
    for _ in range(10_000):
        sent = history(rng)
        first = merge.current(sent)
        shuffled = sent[:]
        rng.shuffle(shuffled)
        assert merge.current(shuffled) == first
        assert merge.current(sent[::-1]) == first
        in_conflict += any(a.conflict for a in first.values())
    assert 500 < in_conflict < 9_500, "the histories must contain conflicts and agreements"


def test_nobodys_last_word_is_lost_unless_somebody_answered_on_top_of_it() -> None:
    rng = random.Random(11)
    for _ in range(2_000):
        sent = history(rng)
        superseded = {(v.item, operation) for v in sent for operation in v.supersedes}
        last: dict[tuple[str, UUID], Version] = {}
        for v in sorted(sent, key=lambda v: (v.answered_at, v.operation.int)):
            last[v.item, v.author] = v
        for item, answer in merge.current(sent).items():
            shown = [answer.value, *(other.value for other in answer.others)]
            for (at, _), v in last.items():
                if at == item and (item, v.operation) not in superseded:
                    assert v.value in shown


def test_sending_a_version_twice_changes_nothing() -> None:
    rng = random.Random(7)
    for _ in range(500):
        sent = history(rng)
        assert merge.current([*sent, *sent]) == merge.current(sent)


def test_different_items_of_two_officers_both_stand() -> None:
    found = merge.current([version(1, A, "pass"), version(2, B, "fail", item="H04")])
    assert [(a.item, a.value, a.conflict) for a in found.values()] == [
        ("E08", "pass", False),
        ("H04", "fail", False),
    ]


def test_the_same_item_with_different_values_keeps_both_in_conflict() -> None:
    found = merge.current([version(1, A, "pass"), version(2, B, "fail")])["E08"]
    assert found.conflict
    assert {found.value, *(o.value for o in found.others)} == {"pass", "fail"}


def test_the_same_value_from_two_officers_is_no_conflict() -> None:
    found = merge.current([version(1, A, 7), version(2, B, 7.0)])["E08"]
    assert not found.conflict


def test_an_answer_that_was_seen_and_replaced_no_longer_counts() -> None:
    found = merge.current([version(1, A, "fail", outcome="fail"), version(2, B, "pass", 1)])["E08"]
    assert (found.value, found.conflict, found.was_fail) == ("pass", False, True)


def test_a_later_answer_of_the_same_author_replaces_their_own_without_saying_so() -> None:
    found = merge.current([version(1, A, "pass"), version(2, A, "fail")])["E08"]
    assert (found.value, found.conflict) == ("fail", False)


def test_settling_ends_a_conflict() -> None:
    sent = [version(1, A, "pass"), version(2, B, "fail"), version(3, A, "fail", 1, 2)]
    found = merge.current(sent)["E08"]
    assert (found.value, found.conflict) == ("fail", False)


@pytest.mark.parametrize("late", [1, 2])
def test_an_answer_that_arrives_after_its_successor_stays_superseded(late: int) -> None:
    sent = [version(1, A, "pass"), version(2, B, "fail", 1)]
    order = sorted(sent, key=lambda v: v.operation.int == late)
    assert merge.current(order)["E08"].value == "fail"


def test_an_answer_that_its_author_replaced_does_not_come_back_later() -> None:
    forgot_to_say = [version(1, A, 6), version(2, A, 7)]
    found = merge.current([*forgot_to_say, version(3, B, 8, 2)])["E08"]
    assert (found.value, found.conflict) == (8, False)


def test_what_rests_on_a_later_answer_stands_although_its_authors_clock_ran_back() -> None:
    sent = [version(9, A, 6), version(3, B, 7, 9), version(2, A, 8, 3)]
    found = merge.current(sent)["E08"]
    assert (found.value, found.conflict) == (8, False)


def test_an_officer_alone_whose_clock_ran_back_keeps_what_rests_on_the_later_answer() -> None:
    first, correction = version(9, A, "fail"), version(3, A, "pass", 9)
    assert merge.standing([first, correction]) == [correction]


@pytest.mark.parametrize("authors", [(A, A), (A, B)])
def test_answers_that_claim_to_replace_each_other_leave_something_standing(
    authors: tuple[UUID, UUID],
) -> None:
    circle = [version(1, authors[0], "pass", 2), version(2, authors[1], "fail", 1)]
    assert merge.current(circle)["E08"].value == "fail"
    assert merge.current(circle[::-1]) == merge.current(circle)
    assert merge.current([version(1, A, "pass"), version(2, A, "fail", 2)])["E08"].value


def test_every_answer_that_nothing_replaced_is_a_head_even_where_two_agree() -> None:
    sent = [version(1, A, "pass"), version(2, B, "pass"), version(3, UUID(int=3), "fail")]
    assert {v.operation.int for v in merge.heads(sent)} == {1, 2, 3}
    assert {v.operation.int for v in merge.standing(sent)} == {2, 3}
