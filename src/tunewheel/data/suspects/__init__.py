"""Labels that the rest of the data speaks against: confident learning, with the label it suggests instead."""

from tunewheel.data.suspects.entities import EntitySuspect, entity_suspects
from tunewheel.data.suspects.labels import LabelSuspect, label_suspects
from tunewheel.data.suspects.sets import SetSuspect, set_suspects
from tunewheel.data.suspects.suspects import Suspects

__all__ = [
    "EntitySuspect",
    "LabelSuspect",
    "SetSuspect",
    "Suspects",
    "entity_suspects",
    "label_suspects",
    "set_suspects",
]
