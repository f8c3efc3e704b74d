from typing_extensions import disjoint_base

@disjoint_base
class Arrivals: ...

@disjoint_base
class Moves: ...

@disjoint_base
class Push(Moves): ...
