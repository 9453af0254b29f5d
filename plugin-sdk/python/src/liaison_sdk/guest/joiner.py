"""The second export of a connector whose deliveries can share requests."""

from wit_world.exports import joiner as contract
from wit_world.imports import deliveries, effects

from liaison_sdk.guest import exchange
from liaison_sdk.guest.connector import own_effect
from liaison_sdk.joint import Join, Split, join_own
from liaison_sdk.plugin import Connector, Registered


class Joiner:
    def join(self, given: list[deliveries.Delivery]) -> list[contract.Joint]:
        join, _ = _functions()
        joints = join_own(join, [own_effect(raw) for raw in given])
        return [contract.Joint(exchange.effect(joint.effect), joint.members, joint.memo) for joint in joints]

    def split(self, memo: bytes, reply: effects.Reply) -> list[effects.Reply]:
        _, split = _functions()
        return [exchange.answered(reply) for reply in split(bytes(memo), exchange.reply(reply))]


def _functions() -> tuple[Join, Split]:
    match Registered.plugin:
        case Connector(join=join, split=split) if join is not None and split is not None:
            return join, split
    raise RuntimeError("this module has not called `connector` with `join` and `split`")
