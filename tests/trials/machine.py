"""A state machine over push, lost answers, replays and pulls, with a model of what must be there.

The model merges naively: of each author only the last answer to an item counts, unless somebody
answered on top of it. The phones' clocks run true here; those that lie are tried elsewhere.
"""

from __future__ import annotations

import itertools
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, multiple, rule

from api import ids
from api.clock import bangkok_date
from tests.trials.house import Server
from tests.trials.lines import head
from tests.trials.phones import HELD
from tests.trials.scenes import INSPECTORS, bearer
from tests.world import answer, encode, gate, now

ITEMS = ("E08", "B10", "B11")
phones = st.sampled_from(INSPECTORS)
answers = st.dictionaries(
    st.sampled_from(ITEMS), st.sampled_from(["pass", "fail"]), min_size=1, max_size=3
)


@dataclass
class Told:
    """One operation as the model knows it; `result` is the first that arrived."""

    who: str
    raw: bytes
    answers: dict[str, tuple[str, str | None]]
    place: int
    result: dict[str, Any] | None = None


@dataclass
class Copy:
    """A phone's copy of the records, and its cursor."""

    cursor: str = ""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)


def machine(
    server: Server, people: dict[str, tuple[str, str]], premises: str
) -> Callable[[], RuleBasedStateMachine]:
    class Phones(RuleBasedStateMachine):
        """Two phones of one team on one visit."""

        sent: Bundle[str] = Bundle("sent")
        unheard: Bundle[str] = Bundle("unheard")

        def __init__(self) -> None:
            super().__init__()
            self.http = httpx.Client(base_url=server.url, timeout=20)
            self.visit, self.clock = str(ids.new()), itertools.count(1)
            self.told: dict[str, Told] = {}
            self.copies = {who: Copy() for who in INSPECTORS}
            plan = {
                "premises": premises,
                "planned_on": bangkok_date(now()).isoformat(),
                "lead": people["inspector"][0],
                "team": [people["inspector-2"][0]],
            }
            done = self.http.put(
                f"/v1/visits/{self.visit}",
                content=encode(plan),
                headers=bearer(people["head"][1]),
            )
            assert done.status_code == 200, done.text
            self.begun = datetime.now(UTC) - timedelta(hours=5)
            start = self.make("inspector", {}, start=gate(self.begun))
            self.push("inspector", [start])
            for who in INSPECTORS:
                self.pull(who, 500)

        # --- what phones do ---

        def make(self, who: str, values: dict[str, str], **parts: Any) -> str:
            known = {
                a["item"]: a["operation"]
                for a in self.copies[who].records.get(self.visit, {}).get("answers", [])
            }
            place = next(self.clock)
            said = []
            for item, value in values.items():
                base = {"base": known[item]} if item in known else {}
                moment = self.begun + timedelta(minutes=place)
                said.append(answer(item, value, **base) | {"answered_at": moment})
            op = {"op": "visit.record", "id": ids.new(), "visit": self.visit, "answers": said}
            self.told[str(op["id"])] = Told(
                who,
                encode(op | parts),
                {item: (value, known.get(item)) for item, value in values.items()},
                place,
            )
            return str(op["id"])

        def push(self, who: str, operations: list[str]) -> None:
            raws = b",".join(self.told[id].raw for id in operations)
            done = self.http.post(
                "/v1/sync",
                content=b'{"operations":[' + raws + b"]}",
                headers=bearer(people[who][1]),
            )
            assert done.status_code == 200, done.text
            heard = set[str]()
            for id, result in zip(operations, done.json()["results"], strict=True):
                told = self.told[id]
                assert result["status"] in HELD, result
                replayed = result.pop("replayed", False)
                if told.result is not None:
                    assert replayed and result == told.result, "a replay says something else"
                assert replayed or id not in heard
                heard.add(id)
                told.result = result

        @rule(target=sent, who=phones, values=answers)
        def answers_items(self, who: str, values: dict[str, str]) -> str:
            made = self.make(who, values)
            self.push(who, [made])
            return made

        @rule(target=sent, who=phones, several=st.lists(answers, min_size=2, max_size=4))
        def answers_in_a_batch(self, who: str, several: list[dict[str, str]]) -> Any:
            made = [self.make(who, values) for values in several]
            self.push(who, [*made, made[0]])
            return multiple(*made)

        @rule(target=unheard, who=phones, values=answers)
        def loses_the_line_while_it_sends(self, who: str, values: dict[str, str]) -> str:
            made = self.make(who, values)
            body = b'{"operations":[' + self.told[made].raw + b"]}"
            with socket.create_connection(("127.0.0.1", server.port)) as line:
                line.sendall(head(people[who][1], len(body)) + body)
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return made

        @rule(target=sent, id=consumes(unheard))
        def sends_again_what_was_not_answered(self, id: str) -> str:
            self.push(self.told[id].who, [id])
            return id

        @rule(id=sent)
        def sends_again_what_was_answered(self, id: str) -> None:
            self.push(self.told[id].who, [id])

        @rule(who=phones, limit=st.sampled_from([1, 3, 500]))
        def pulls(self, who: str, limit: int) -> None:
            self.pull(who, limit)

        @rule(who=phones)
        def pulls_everything_again(self, who: str) -> None:
            self.pull(who, 500)
            before = self.copies[who].records
            self.copies[who] = Copy()
            self.pull(who, 500)
            after = self.copies[who].records
            assert after.keys() >= before.keys()
            assert after[self.visit]["version"] >= before[self.visit]["version"]

        def pull(self, who: str, limit: int) -> None:
            copy = self.copies[who]
            for _ in range(10_000):
                query = {"limit": str(limit), "kinds": "visit"}
                query |= {"cursor": copy.cursor} if copy.cursor else {}
                page = self.http.get(
                    "/v1/sync", params=query, headers=bearer(people[who][1])
                ).json()
                for change in page["changes"]:
                    if change.get("gone"):
                        copy.records.pop(change["id"], None)
                        continue
                    had = copy.records.get(change["id"], {}).get("version", 0)
                    assert change["record"]["version"] >= had, "an older version came later"
                    copy.records[change["id"]] = change["record"]
                copy.cursor = page["next"]
                if not page["more"]:
                    return
            raise AssertionError("the feed has no end")

        # --- what must be there ---

        def expected(self) -> dict[str, tuple[list[str], bool]]:
            """Item → the values that stand, and whether they conflict."""
            found = {}
            for item in ITEMS:
                versions = {i: t for i, t in self.told.items() if item in t.answers}
                over = {t.answers[item][1] for t in versions.values()}
                last = {t.who: i for i, t in sorted(versions.items(), key=lambda v: v[1].place)}
                values = {versions[i].answers[item][0] for i in last.values() if i not in over}
                if values:
                    found[item] = (sorted(values), len(values) > 1)
            return found

        def teardown(self) -> None:
            for id, told in self.told.items():
                if told.result is None:
                    self.push(told.who, [id])
            for who in INSPECTORS:
                version = self.http.get(
                    f"/v1/visits/{self.visit}", headers=bearer(people[who][1])
                ).json()["version"]
                for _ in range(200):
                    self.pull(who, 500)
                    if self.copies[who].records[self.visit]["version"] == version:
                        break
            one, two = (self.copies[who].records[self.visit] for who in INSPECTORS)
            assert one == two, "two phones that pulled everything differ"
            seen = {}
            for a in one["answers"]:
                values = sorted([a["value"], *(o["value"] for o in a.get("others", []))])
                seen[a["item"]] = (values, a.get("conflict", False))
            assert seen == self.expected()
            failing = {i for i, (values, _) in seen.items() if "fail" in values}
            open_ = {f["item"] for f in one["findings"] if f["state"] != "withdrawn"}
            assert open_ == failing
            self.http.close()

    return Phones
