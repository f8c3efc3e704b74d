from typing_extensions import disjoint_base

@disjoint_base
class Incoming: ...

@disjoint_base
class Push: ...
