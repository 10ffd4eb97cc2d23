"""The verbs: what they do to a saga that a real worker owns, that nobody owns, and whose worker is killed meanwhile."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.stage import Cli, Done, Worker
from tests.cli.test_looking import keys

Hire = Callable[..., Worker]
WHY = ("--reason", "why not")


def stuck(cli: Cli, worker: Worker) -> str:
    """A saga whose second undo was refused, and would be done the next time."""
    saga = worker.start("order", ship="refuse", refund_card=["refuse", "ok"])
    assert cli.outcome(saga) == 12
    return saga


def orphan(cli: Cli, hire: Hire) -> str:
    """A saga whose worker was killed in the middle of a call."""
    worker = hire()
    saga = worker.start("order", ship=["gate", "ok"])
    worker.until("called ship 1")
    worker.kill()
    return saga


def events(cli: Cli, saga: str) -> list[str]:
    return [event["event"] for event in cli("history", saga, "--json").lines()]


# --- the verbs on a saga that waits for a person ----------------------------------------------------------------------


def test_retry(cli: Cli, worker: Worker) -> None:
    saga = stuck(cli, worker)
    done = cli("retry", saga, *WHY, "--user", "ada", "--json")
    assert done.code == 0
    assert set(done.json()) == keys("every verb") - {"applied", "no_change", "deferred", "stored"}
    assert (done.json()["command"], done.json()["code"]) == ("retry", "applied")
    assert cli.outcome(saga) == 11
    retried = next(e for e in cli("history", saga, "--json").lines() if e["event"] == "milestone_retried")
    assert retried["fields"] == {"milestone": "charge_card", "op": "undo", "who": "ada", "reason": "why not"}


@pytest.mark.parametrize("how", ["word", "file", "stdin"])
def test_retry_with_an_edited_input(cli: Cli, worker: Worker, how: str, tmp_path: Path) -> None:
    saga = worker.start("steps", reserve_stock="refuse")
    assert cli.outcome(saga) == 12
    (tmp_path / "edited.json").write_text('{"charge_card": "ok"}')
    edited = {"word": '{"charge_card": "ok"}', "file": "@edited.json", "stdin": "@-"}[how]
    done = cli("retry", saga, *WHY, "--input", edited, stdin='{"charge_card": "ok"}')
    assert done.code == 0, done.err
    assert cli.outcome(saga) == 0


def test_an_undo_sees_the_input_that_its_action_saw(cli: Cli, worker: Worker) -> None:
    refused = cli("retry", stuck(cli, worker), *WHY, "--input", "{}")
    assert (refused.code, "an undo sees the input its action saw" in refused.err) == (4, True)


def test_skip_an_undo(cli: Cli, worker: Worker) -> None:
    saga = stuck(cli, worker)
    done = cli("skip", saga, *WHY, "-y")
    assert "the undo of charge_card is left out: what charge_card did still stands" in done.err
    assert "then the undo of reserve_stock is called" in done.err
    assert (done.code, cli("watch", saga).code) == (0, 10)


def test_skip_an_action_with_a_result(cli: Cli, worker: Worker) -> None:
    saga = worker.start("sale", ship="refuse")
    assert cli.outcome(saga) == 12
    done = cli("skip", saga, "ship", "--result", '"by hand"', *WHY, "-y")
    assert 'ship is left out, with the result "by hand"' in done.err
    assert "then the saga is completed" in done.err
    assert cli.outcome(saga) == 0


def test_mark_undone(cli: Cli, worker: Worker) -> None:
    saga = stuck(cli, worker)
    assert cli("mark-undone", saga, *WHY, "--evidence", "ticket 1", "-y").code == 0
    assert cli.outcome(saga) == 11
    stated = next(e for e in cli("history", saga, "--json").lines() if e["event"] == "fact_stated")
    assert (stated["fields"]["fact"], stated["fields"]["evidence"]) == ("undone", "ticket 1")


def test_resolve(cli: Cli, worker: Worker) -> None:
    saga = stuck(cli, worker)
    done = cli("resolve", saga, *WHY, "-y")
    assert "then the saga is resolved; left as they are: reserve_stock, charge_card" in done.err
    assert cli("get", saga, "--exit-status").code == 10
    assert "= resolved: why not; left as they are: reserve_stock, charge_card" in cli("get", saga).out
    assert cli("resolve", saga, *WHY).out.endswith("no change, the saga is resolved\n")  # and nothing is asked


@pytest.mark.parametrize(("verb", "code"), [("it-happened", 0), ("it-did-not-happen", 11)])
def test_state_what_became_of_a_pivot(cli: Cli, worker: Worker, verb: str, code: int) -> None:
    saga = worker.start("sale", charge_card="fail")
    assert cli.outcome(saga) == 12
    assert cli("cancel", saga, *WHY, "-y").code == 4
    assert cli(verb, saga, "charge_card", *WHY).code == 0
    assert cli("watch", saga).code == code


def test_a_participant_that_turns_us_away(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", reserve_stock=["misconfigured", "ok"])
    assert cli.outcome(saga) == 12
    assert "turns our calls away: wrong key or wrong route" in cli("get", saga).out.replace("\n                  ", " ")
    assert cli("retry", saga, *WHY).code == 0
    assert cli.outcome(saga) == 0


# --- the verbs on a saga that is under way ----------------------------------------------------------------------------


def test_advance(cli: Cli, worker: Worker) -> None:
    saga = worker.start("approval")
    assert any("an answer to boss" in line for line in watching(cli, saga))
    assert f"next: saga advance {saga} boss --outcome ok" in cli("get", saga).err
    wrong = cli("advance", saga, "boss", "--result", "17")
    assert (wrong.code, "wrong_result" in wrong.err) == (6, True)
    assert cli("advance", saga, "--result", '"yes"').code == 0
    assert cli.outcome(saga) == 0
    twice = cli("advance", saga, "--result", '"yes"')
    assert (twice.code, "not_waiting" in twice.err) == (4, True)


def watching(cli: Cli, saga: str) -> list[str]:
    """What `watch --json` tells until the saga waits for somebody."""
    found = []
    with cli.begin("watch", saga, "--json") as watch:
        assert watch.stdout is not None
        for line in watch.stdout:
            found.append(line)
            if json.loads(line)["waiting_for"]:
                break
        watch.terminate()
    return found


@pytest.mark.parametrize(("outcome", "code"), [("refused", 11), ("unknown", 11)])
def test_advance_to_another_outcome(cli: Cli, worker: Worker, outcome: str, code: int) -> None:
    saga = worker.start("approval")
    watching(cli, saga)
    assert cli("advance", saga, "boss", "--outcome", outcome, *WHY).code == 0
    assert cli("watch", saga).code == code


def test_cancel_while_a_milestone_is_being_called(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", ship="gate")
    worker.until("called ship")
    done = cli("cancel", saga, *WHY, "-y")
    assert done.code == 0
    assert "ship is being called: once ended, it is undone first, unless it refused" in done.err
    worker.say("open ship")
    assert cli.outcome(saga) == 11
    assert events(cli, saga)[-4:] == [*["milestone_compensated"] * 3, "saga_compensated"]
    again = cli("cancel", saga, *WHY, "--json")  # changes nothing, so nothing is asked
    assert (again.code, again.json()["code"]) == (0, "no_change")


def test_cancel_while_the_pivot_is_being_called(cli: Cli, worker: Worker) -> None:
    saga = worker.start("sale", charge_card="gate")
    worker.until("called charge_card")
    done = cli("cancel", saga, *WHY, "-y")
    assert "it is the pivot, and this is applied only if it does not happen" in done.err
    assert "deferred" in done.out
    assert "asked to stop" in cli("get", saga).out
    worker.say("open charge_card")
    assert cli.outcome(saga) == 0
    late = cli("cancel", saga, *WHY, "-y")
    assert (late.code, "finished" in late.err) == (4, True)


def test_pause_and_resume(cli: Cli, worker: Worker) -> None:
    saga = worker.start("patient", reserve_stock=["fail", "ok"])
    worker.until("called reserve_stock 1")
    assert cli("pause", saga, *WHY).code == 0
    assert cli("get", saga, "--json").json()["status"] == "paused"
    assert cli("pause", saga).out.endswith("no change, the saga is paused\n")
    assert cli("retry", saga, *WHY).code == 4
    assert cli("resume", saga).code == 0
    assert cli("resume", saga).code == 4
    assert f"next: saga retry {saga} reserve_stock" in cli("get", saga).err
    assert cli("retry", saga, *WHY).code == 0  # at once, not in an hour
    assert cli.outcome(saga) == 0


def test_compensate_the_day_after(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order")
    assert cli.outcome(saga) == 0
    plan = cli("compensate", saga, "--preview", "--json").json()
    assert set(plan) == keys("`compensate --preview`")
    assert set(plan["undos"][0]) == keys("… `undos`")
    assert [undo["milestone"] for undo in plan["undos"]] == ["ship", "charge_card", "reserve_stock"]
    assert plan["stays"] == ["send_receipt"]
    stale = cli("compensate", saga, "--expected", str(plan["seq"] - 1), *WHY, "-y", "--json")
    assert (stale.code, stale.error()["code"]) == (4, "conflict")
    assert cli("compensate", saga, "--expected", str(plan["seq"]), *WHY, "-y").code == 0
    assert cli.outcome(saga) == 11
    assert "send_receipt = stays" in cli("get", saga).out


def test_compensate_past_the_pivot(cli: Cli, worker: Worker) -> None:
    saga = worker.start("sale")
    assert cli.outcome(saga) == 0
    for words in (["--preview"], [*WHY, "-y"]):
        refused = cli("compensate", saga, *words)
        assert (refused.code, "past its pivot: there is no way back" in refused.said) == (4, True)
    assert cli("compensate", saga).code == 2


def test_a_structured_journey_stops_where_it_is(cli: Cli, worker: Worker) -> None:
    saga = worker.start("steps", charge_card="refuse")
    assert cli.outcome(saga) == 12
    done = cli("cancel", saga, *WHY, "-y")
    assert "it stops where it is, and nothing is undone; what is done and has an undo: reserve_stock" in done.err
    assert cli.outcome(saga) == 13
    assert cli("compensate", saga, *WHY, "-y").code == 4


# --- who agrees -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["skip", "mark-undone", "resolve", "compensate", "cancel"])
def test_what_cannot_be_taken_back_is_not_done_unasked(cli: Cli, worker: Worker, verb: str) -> None:
    saga = stuck(cli, worker) if verb not in ("compensate", "cancel") else worker.start("order", ship="gate")
    before = len(events(cli, saga)) if verb not in ("compensate", "cancel") else worker.until("called ship")
    done = cli(verb, saga, *WHY)
    assert done.code == 2
    assert done.err.startswith(f"{verb} {saga} (order, ")
    assert "pass -y" in done.err
    assert isinstance(before, str) or len(events(cli, saga)) == before
    refused = cli(verb, saga, *WHY, "--json")
    assert (refused.code, refused.error()["code"]) == (2, "not_confirmed")


# --- again, late, and without a worker --------------------------------------------------------------------------------


def test_the_same_command_twice(cli: Cli, worker: Worker) -> None:
    saga = stuck(cli, worker)
    once = cli("retry", saga, *WHY, "--command-id", "cmd_1", "--json")
    assert cli.outcome(saga) == 11
    again = cli("retry", saga, *WHY, "--command-id", "cmd_1", "--json")
    assert (again.code, again.json()) == (0, once.json())
    other = cli("retry", saga, *WHY, "--json")
    assert (other.code, other.error()["code"]) == (4, "final")
    assert events(cli, saga).count("milestone_retried") == 1


def test_a_careful_command_twice(cli: Cli, worker: Worker) -> None:
    saga = stuck(cli, worker)
    assert cli("resolve", saga, *WHY, "-y", "--command-id", "cmd_1").code == 0
    assert cli("resolve", saga, *WHY, "--command-id", "cmd_1").code == 0  # answered before, so nothing is asked


def test_without_a_worker_a_command_is_stored(cli: Cli, hire: Hire) -> None:
    saga = orphan(cli, hire)
    done = cli("cancel", saga, *WHY, "-y", "--wait", "0")
    assert (done.code, done.out) == (0, "")
    assert "stored; it will be applied when a worker opens this database" in done.err
    assert cli("get", saga, "--json").json()["status"] == "in_progress"
    hire()
    assert cli.outcome(saga) == 11
    later = next(line for line in done.err.splitlines() if line.startswith("ask for the answer later: saga "))
    answered = cli(*later.partition("saga ")[2].replace("'why not'", "why_not").split())
    assert (answered.code, answered.out) == (0, f"cancel {saga}: applied\n")


def test_without_a_worker_programs_are_told(cli: Cli, hire: Hire) -> None:
    done = cli("pause", orphan(cli, hire), "--wait", "0", "--json")
    assert (done.code, done.json()["code"], done.json()["accepted"]) == (0, "stored", True)
    assert "stored; it will be applied" in done.err


def test_without_a_worker_what_would_be_refused_is_not_stored(cli: Cli, hire: Hire) -> None:
    done = cli("resume", orphan(cli, hire), "--wait", "0")
    assert (done.code, "not_paused" in done.err) == (4, True)


def test_a_worker_that_comes_in_time_answers(cli: Cli, hire: Hire) -> None:
    saga = orphan(cli, hire)
    with cli.begin("pause", saga, "--wait", "60") as pause:
        assert pause.stderr is not None
        assert "waiting up to 60 s for one" in pause.stderr.readline()
        hire()
        assert pause.stdout is not None
        assert pause.stdout.read() == f"pause {saga}: applied\n"
    assert pause.returncode == 0


def test_a_worker_that_is_too_busy_to_answer(cli: Cli, worker: Worker) -> None:
    saga = worker.start("order", tenant="default", ship="gate")
    worker.until("called ship")
    worker.process.send_signal(19)  # SIGSTOP: it holds its lock, and does nothing
    done = cli("pause", saga, "--wait", "0")
    worker.process.send_signal(18)
    assert (done.code, "stored; no worker has answered yet" in done.err) == (0, True)
    while cli("get", saga, "--json").json()["status"] != "paused":
        pass  # it has to come round to it first
    worker.say("open ship")
    assert cli("resume", saga).code == 0
    assert cli.outcome(saga) == 0


def test_beside_a_worker_that_is_killed_and_comes_back(cli: Cli, hire: Hire) -> None:
    worker = hire()
    saga = worker.start("order", ship=["gate", "refuse"], refund_card=["refuse", "gate"])
    worker.until("called ship 1")
    assert [row["saga_id"] for row in cli("ls", "-s", "in_progress", "--json").lines()] == [saga]
    worker.kill()  # in the middle of an action: its one attempt is lost, and is made again
    worker = hire()
    worker.until("called ship 2")
    assert cli.outcome(saga) == 12
    assert cli("retry", saga, *WHY).code == 0
    worker.until("called refund_card 2")
    worker.kill()  # in the middle of an undo
    assert cli("get", saga, "--exit-status").code == 124
    worker = hire()
    worker.until("called refund_card 3")
    worker.say("open refund_card")
    done: Done = cli("watch", saga)
    assert done.code == 11
    assert cli("doctor").code == 0
