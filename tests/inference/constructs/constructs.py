"""The correctness table of the engine: one small program for every construct that it must carry."""

import constructs_guides
import constructs_networks
import constructs_plates
import constructs_players
from construct import Construct, Table

__all__ = ["CONSTRUCTS", "Construct"]

CONSTRUCTS = Table()
for part in (constructs_plates, constructs_guides, constructs_networks, constructs_players):
    assert not CONSTRUCTS.keys() & part.TABLE.keys()
    CONSTRUCTS.update(part.TABLE)
