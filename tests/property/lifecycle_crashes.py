"""The model with crashes: processes and connections die between any two steps, and two do the same at once.

What a process knew and had not written down dies with it; here that is what a rule does not return.
"""

from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import multiple, rule
from tests.property.lifecycle_model import LINE, OUTCOMES, SWEEPS, TENANT, Act, Attempt, Lifecycle, believed, task_row

from tidewheel_common.core.lifecycle import Owner
from tidewheel_common.core.outcome import Outcome
from tidewheel_common.streams.hint import Hint
from tidewheel_gateway import queries as gateway
from tidewheel_gateway.records import Accepted, KeyTaken, KeyUse, Submission


class CrashingLifecycle(Lifecycle):
    """The lifecycle while things die."""

    @rule(name=st.sampled_from(SWEEPS))
    def a_connection_is_lost_before_a_sweep_commits(self, name: str) -> None:
        self.world.drop(self._sweeping(name)[1])

    @rule(room=st.integers(1, 3))
    def a_connection_is_lost_before_the_marks_are_committed(self, room: int) -> None:
        self.world.drop(self._dispatching(room))

    @rule(hint=Lifecycle.hints)
    def a_connection_is_lost_before_a_claim_is_committed(self, hint: Hint) -> None:
        self.world.drop(self._claiming([hint]))

    @rule(attempt=Lifecycle.attempts, outcome=st.sampled_from(OUTCOMES))
    def a_connection_is_lost_before_an_ending_is_committed(self, attempt: Attempt, outcome: Outcome) -> None:
        self.world.drop(self._finishing(attempt, outcome))

    @rule()
    def a_connection_is_lost_before_a_submission_is_committed(self) -> None:
        self.world.drop(self._submitting(self._new_id(), "lost"))

    @rule(target=Lifecycle.hints, room=st.integers(1, 3), pushed=st.integers(0, 2))
    def a_dispatcher_dies_while_it_pushes(self, room: int, pushed: int) -> Any:
        """Some hints of its batch never appear, or none does."""
        return multiple(*self.dispatch(room).values[:pushed])

    @rule(hint=Lifecycle.hints)
    def an_executor_dies_after_its_claim(self, hint: Hint) -> None:
        self._claim([hint])

    @rule(target=Lifecycle.attempts, hint=Lifecycle.hints, outcome=st.sampled_from(OUTCOMES))
    def an_executor_dies_before_its_ack(self, hint: Hint, outcome: Outcome) -> Any:
        """The hint is delivered again, to another one, and finds nothing to claim."""
        for attempt in self._claim([hint]).values:
            self.finish(attempt, outcome)
            assert not self._claim([hint]).values, "an ended attempt's hint was good for another"
        return multiple()

    @rule(attempt=Lifecycle.attempts, outcome=st.sampled_from(OUTCOMES))
    def an_answer_is_lost_and_the_ending_repeated(self, attempt: Attempt, outcome: Outcome) -> None:
        self.finish(attempt, outcome)
        self.finish(attempt, outcome)

    @rule(target=Lifecycle.tasks)
    def an_answer_is_lost_and_the_submission_repeated(self) -> UUID:
        first, second = self._new_id(), self._new_id()
        key = first.hex
        [answer] = self._step(Owner.GATEWAY, self._submitting(first, key))
        assert isinstance(answer, Accepted)
        assert self._step(Owner.GATEWAY, self._submitting(second, key)) == [KeyTaken()]
        stored = self.world.run(lambda c: gateway.idempotency_find(c, TENANT, key))
        assert stored.task_ids == (first,)
        assert second not in self.world.rows
        return first

    def _submitting(self, task_id: UUID, key: str) -> Act:
        use = KeyUse(tenant_id=TENANT, key=key, fingerprint=b"same")
        submission = Submission(rows=(task_row(task_id),), key=use, places=(task_id,))
        return lambda c: gateway.tasks_accept(c, [submission], now=self.world.now)

    @rule(name=st.sampled_from(SWEEPS))
    def a_sweep_runs_twice_at_once(self, name: str) -> None:
        owner, act = self._sweeping(name)
        self.world.run_at_once(act, act)
        self.world.check(owner)

    @rule(target=Lifecycle.hints)
    def two_dispatchers_dispatch_at_once(self) -> Any:
        both = self.world.run_at_once(self._dispatching(100), self._dispatching(100))
        self.world.check(Owner.DISPATCHER)
        hints = sorted((each.hint for done in both for each in done.queued), key=lambda hint: hint.task_id)
        assert len({hint.task_id for hint in hints}) == len(hints), f"two have taken the same task from {LINE}"
        return multiple(*hints)

    @rule(target=Lifecycle.attempts, one=Lifecycle.hints, other=Lifecycle.hints)
    def two_executors_claim_at_once(self, one: Hint, other: Hint) -> Any:
        """Each in an order of its own: whoever gets a task, the other does not."""
        hints = list({one: None, other: None})
        both = self.world.run_at_once(self._claiming(hints), self._claiming(hints[::-1]))
        self.world.check(Owner.EXECUTOR)
        rows = [row for claimed in both for row in claimed]
        assert len({row.id for row in rows}) == len(rows), "two executors hold the same task"
        return multiple(*believed(rows))

    @rule(attempt=Lifecycle.attempts, outcome=st.sampled_from(OUTCOMES))
    def an_attempt_is_ended_twice_at_once(self, attempt: Attempt, outcome: Outcome) -> None:
        holds = self._holds(attempt)
        act = self._finishing(attempt, outcome)
        both = self.world.run_at_once(act, act)
        self.world.check(Owner.EXECUTOR)
        asked_to_stop = [cancelled for held in both for cancelled in held]
        assert asked_to_stop.count(False) == (1 if holds and not any(asked_to_stop) else 0)
