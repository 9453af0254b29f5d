"""The export of a transformer: the host's events to the author's function, and what they became back."""

from wit_world.exports import transformer as contract
from wit_world.imports import types

from liaison_sdk.guest import common
from liaison_sdk.plugin import Registered
from liaison_sdk.plugin import Transformer as Functions
from liaison_sdk.rounds import Fault
from liaison_sdk.steps import told, transform_one
from liaison_sdk.transform import Drop, Emit, Reject, Reshaped

common.connect()


class Transformer:
    def transform(self, events: list[types.Event]) -> list[contract.Transformed]:
        return [_transformed(raw) for raw in events]


def _transformed(raw: types.Event) -> contract.Transformed:
    if not isinstance(Registered.plugin, Functions):
        raise RuntimeError("this module has not called `transformer`")
    try:
        transformed = transform_one(Registered.plugin.transform, common.event(raw))
    except Fault as fault:
        return contract.Transformed_Reject(told(fault))
    match transformed:
        case Emit(reshaped):
            return contract.Transformed_Emit([_reshaped(one) for one in reshaped])
        case Drop(reason):
            return contract.Transformed_Drop(reason)
        case Reject(reason):
            return contract.Transformed_Reject(reason)
    raise TypeError(f"{transformed!r} is no result of a transformer")


def _reshaped(reshaped: Reshaped) -> contract.Reshaped:
    return contract.Reshaped(
        type=reshaped.type,
        subject=reshaped.subject,
        content_type=reshaped.content_type,
        data=reshaped.data,
        attributes=reshaped.attributes,
    )
