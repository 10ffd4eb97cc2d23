"""What is written comes back as it was: every character that is allowed, at every place, and a lot of them."""

from __future__ import annotations

import functools
import random

from saga_journey.core.canonical import MAX_BYTES, Json, encode
from saga_journey.core.codec import encode_turn
from saga_journey.core.commands import Answer
from saga_journey.core.events import MilestoneCompleted
from saga_journey.ports import Message, OutboxRow, Search
from saga_journey.testing.conformance.chapter import Chapter
from saga_journey.testing.conformance.stage import Run, Stage

TEXTS = (
    "plain",
    " spaces at both ends ",
    "\U0001f9ed\U0001f469\u200d\U0001f52c \U0001f1e9\U0001f1ea",  # a compass, a scientist, a flag
    "\U0010ffff\ufffe\uffff\ufdd0\ue000",  # the last one of all, and such as are no characters
    "\ud7ff\ue000\ufeff\u2028\u2029\u0085\x7f\x1f\x01\t\r\n",
    "' '' \" \\ \\\\ \\n \\u0000 \\x00 \\' $1 ?1 :name %s %% {0} ; -- /* */",
    'null true {"a": [1, 2.50, "\\u00e9"]} []',
    "e\u0301 \u00e9 \u212b \u00c5 \ufb01 \u1e9e \u0130 \u0131",  # no normal form, no case
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u202e\u65e5\u672c\u8a9e",
)
WILD = "".join(chr(random.Random(7).randrange(0x10000, 0x110000)) for _ in range(500))
"""As long as a key may be, four bytes each, and nothing that could be compressed."""


@functools.cache
def full(kind: str = "x") -> Json:
    """A value as large as one may be: half of it does not compress, the rest takes four bytes for each character."""
    noise = random.Random(kind).randbytes(MAX_BYTES // 4).hex()
    return encode(noise + "\U0001f9ed" * ((MAX_BYTES - len(noise)) // 4 - 1))


class Texts(Chapter):
    """By one process."""

    async def test_in_the_journal(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        values = [encode(text) for text in TEXTS] + [encode(WILD), full(), Json('{"a":1.0,"b":[1e3,-0.0],"a b":null}')]
        whos = [*TEXTS, *TEXTS][: len(values)]
        turns = [encode_turn([MilestoneCompleted("pack", v, who)]) for v, who in zip(values, whos, strict=True)]
        for place, turn in enumerate(turns):
            write = stage.turn(run._replace(seq=2 + place))
            write.events = turn
            await stage.store.commit(write)
        assert [row.events for row in await stage.store.load(run.key)][1:] == turns

    async def test_in_a_start(self, stage: Stage) -> None:
        checkout = await stage.journey()
        for value in [*(encode(text) for text in TEXTS), full()]:
            turn = stage.new(checkout).turn.replace('{"sku":"A-1001"}', value)
            parent = stage.new(checkout, turn=turn)
            parent.children = [stage.child(parent.saga_id, checkout, turn=turn)]
            await stage.store.start(parent)
            for new in (parent, *parent.children):
                record = await stage.store.find("acme", new.saga_id)
                assert record is not None
                assert [row.events for row in await stage.store.load(record.key)] == [turn]

    async def test_in_a_key(self, stage: Stage) -> None:
        checkout = await stage.journey()
        for text in (*TEXTS, WILD):
            new = stage.new(checkout, text, bytes(range(256))[:16])
            assert (await stage.store.start(new)).existing is None
            again = await stage.store.start(stage.new(checkout, text, bytes(range(256))[:16]))
            assert (again.existing, again.same) == (new.saga_id, True)

    async def test_in_the_name_of_a_tenant(self, stage: Stage) -> None:
        for text in (*TEXTS, WILD[:200]):
            journey = await stage.journey(text)
            run = await stage.start(journey)
            assert (await stage.record(journey, run)).tenant == text
            assert [record.tenant for record in await stage.store.search(text, Search())] == [text]
            assert [one.tenant for one in await stage.store.in_flight(tenant=text)] == [text]

    async def test_in_a_command_and_its_answer(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        texts = (*TEXTS, WILD[:200])
        for text in texts:
            await stage.store.send(run.key, text, text, encode(text))
            stage.clock.advance(1)
        await stage.store.send(run.key, "full", "full", full())
        came = await stage.store.commands_for(worker.owner)
        assert [one[1:] for one in came] == [*((t, t, encode(t)) for t in texts), ("full", "full", full())]
        answers = [(text, Answer(True, text, text)) for text in texts]
        await stage.store.commit(stage.turn(run, answers=[*answers, ("full", Answer(False, "full", full()))]))
        for text, answer in answers:
            assert await stage.store.answer_to(run.key, text) == answer
        assert await stage.store.answer_to(run.key, "full") == Answer(False, "full", full())

    async def test_in_what_a_turn_brings_along(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run, friend = await stage.start(checkout, worker), await stage.start(checkout, worker)
        values = [*(encode(text) for text in TEXTS), full()]
        for place, value in enumerate(values):
            child = stage.child(run.saga_id, checkout, place)
            child.turn = child.turn.replace("null", value)
            said = [Message(friend.saga_id, f"m-{place}", "recall", value)]
            await stage.store.commit(stage.turn(run._replace(seq=2 + place), starts=[child], messages=said))
            record = await stage.store.find("acme", child.saga_id)
            assert record is not None
            assert [row.events for row in await stage.store.load(record.key)] == [child.turn]
            stage.clock.advance(1)
        assert [one.body for one in await stage.store.commands_for(worker.owner)] == values

    async def test_in_an_event_for_the_outside(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        rows = [OutboxRow(2, item, text, encode(text)) for item, text in enumerate(TEXTS)]
        rows.append(OutboxRow(2, len(rows), "full", full()))
        await stage.store.commit(stage.turn(run, outbox=rows))
        assert await self.outbox(stage.store, run.key) == rows

    async def test_in_what_a_claim_gives(self, stage: Stage) -> None:
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout)
        text = "".join(TEXTS)
        await stage.store.send(run.key, text, text, encode(text))
        await stage.store.commit(stage.turn(run, text))
        (claimed,) = (await worker.claim(checkout)).runs
        assert claimed.rows == await stage.store.load(run.key)
        assert [one[1:] for one in claimed.commands] == [(text, text, encode(text))]
        assert Run.of(claimed).seq == 3

    async def test_a_turn_of_many_large_values(self, stage: Stage) -> None:
        """Nothing limits a turn but the values in it."""
        checkout, worker = await stage.journey(), await stage.worker()
        run = await stage.start(checkout, worker)
        write = stage.turn(run)
        write.events = encode_turn([MilestoneCompleted("pack", full(str(number))) for number in range(4)])
        await stage.store.commit(write)
        assert (await stage.store.load(run.key))[-1].events == write.events
