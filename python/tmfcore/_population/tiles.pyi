from types import TracebackType

from typing_extensions import disjoint_base

@disjoint_base
class Memory: ...

@disjoint_base
class Team:
    def __enter__(self) -> Team: ...
    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None: ...
    def help(self, member: int) -> None: ...
