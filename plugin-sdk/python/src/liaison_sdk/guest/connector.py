"""The export of a connector: the host's deliveries to the author's functions, and their steps back."""

from datetime import timedelta

from wit_world.exports import connector as contract
from wit_world.imports import deliveries, effects

from liaison_sdk.event import Delivery, Merged, Overwrite, Resolution
from liaison_sdk.guest import common, exchange
from liaison_sdk.outcome import (
    Conflict,
    Delivered,
    Denied,
    Outcome,
    Rejected,
    Retry,
    Skipped,
    Throttled,
    Unusable,
    Usable,
    wait_ms,
)
from liaison_sdk.plugin import Connector as Functions
from liaison_sdk.plugin import Registered
from liaison_sdk.rounds import Effect, Fault, Reply
from liaison_sdk.settling import SettleBy
from liaison_sdk.steps import check_one, deliver_one, told

common.connect()


class Connector:
    def deliver(self, given: list[deliveries.Delivery]) -> list[contract.Step]:
        return [_step(raw) for raw in given]

    def check(self, now: int, rounds: list[list[effects.Reply]]) -> contract.CheckStep:
        try:
            asked = check_one(_functions().check, now, _rounds(rounds))
        except Fault as fault:
            return contract.CheckStep_Unusable(told(fault))
        match asked:
            case list():
                return contract.CheckStep_Perform([exchange.effect(effect) for effect in asked])
            case Usable(how):
                return contract.CheckStep_Usable(how)
            case Unusable(why):
                return contract.CheckStep_Unusable(why)
        raise TypeError(f"{asked!r} is no result of a check")


def own_effect(raw: deliveries.Delivery) -> Effect | None:
    """What a delivery would settle by, if anything. What is wrong with it, `deliver` says."""
    try:
        asked = _asked(raw)
    except Exception:
        return None
    return asked.effect if isinstance(asked, SettleBy) else None


def _functions() -> Functions:
    match Registered.plugin:
        case Functions() as functions:
            return functions
    raise RuntimeError("this module has not called `connector`")


def _asked(raw: deliveries.Delivery) -> list[Effect] | SettleBy | Outcome:
    return deliver_one(_functions().deliver, _delivery(raw), _rounds(raw.rounds))


def _step(raw: deliveries.Delivery) -> contract.Step:
    try:
        asked = _asked(raw)
    except Fault as fault:
        return contract.Step_Settle(contract.Outcome_Rejected(told(fault)))
    match asked:
        case list():
            return contract.Step_Perform([exchange.effect(effect) for effect in asked])
        case SettleBy(effect):
            return contract.Step_SettleBy(exchange.effect(effect))
        case outcome:
            return contract.Step_Settle(_outcome(outcome))


def _delivery(raw: deliveries.Delivery) -> Delivery:
    return Delivery(
        event=common.event(raw.event),
        attempt=raw.attempt,
        now_ms=raw.now,
        seed=raw.seed,
        deadline_ms=raw.deadline,
        idempotency_key=raw.idempotency_key,
        resolution=_resolution(raw.resolution),
    )


def _resolution(raw: deliveries.Resolution | None) -> Resolution | None:
    match raw:
        case None:
            return None
        case deliveries.Resolution_Overwrite(version):
            return Overwrite(version)
        case deliveries.Resolution_Merged(merged):
            return Merged(merged.data, merged.version)
    raise TypeError(f"{raw!r} is no resolution")


def _rounds(raw: list[list[effects.Reply]]) -> list[list[Reply]]:
    return [[exchange.reply(reply) for reply in round] for round in raw]


def _outcome(outcome: Outcome) -> contract.Outcome:
    match outcome:
        case Delivered(external_id, version):
            return contract.Outcome_Delivered(contract.Receipt(external_id, version))
        case Skipped(reason):
            return contract.Outcome_Skipped(reason)
        case Retry(reason, after):
            return contract.Outcome_Retry(contract.Retry(_milliseconds(after), reason))
        case Throttled(reason, after):
            return contract.Outcome_Throttled(contract.Retry(_milliseconds(after), reason))
        case Denied(reason):
            return contract.Outcome_Denied(reason)
        case Conflict(reason, version, current):
            return contract.Outcome_Conflict(contract.Conflict(version, current, reason))
        case Rejected(reason):
            return contract.Outcome_Rejected(reason)
    raise TypeError(f"{outcome!r} is no outcome")


def _milliseconds(after: timedelta | None) -> int | None:
    return None if after is None else wait_ms(after)
