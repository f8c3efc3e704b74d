# Alias tables of agents that meet a partner, cimported by singles.
from typing_extensions import disjoint_base

@disjoint_base
class MeetingTables: ...
