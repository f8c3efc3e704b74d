"""Every public callable of the package: functions, constructors and methods of public classes, by name."""

import importlib
import inspect
import pkgutil
from dataclasses import dataclass

import tmfcore

#: Commands, which click checks and the tests of the command line hold, and what is behind `tmfcore reproduce` and `bench`.
ASIDE = ("cli", "reproduce", "bench", "__main__")
#: Bases for kernels of one's own, of which nobody makes an object.
BASES = {tmfcore.Model}


@dataclass(frozen=True)
class Door:
    """A public callable."""

    name: str
    function: object
    parameters: tuple
    annotations: dict

    @property
    def names(self):
        """What an error may call the argument by."""
        return set(self.parameters)


def modules():
    """Public modules that can be imported here."""
    yield tmfcore
    for _, name, _ in pkgutil.walk_packages(tmfcore.__path__, "tmfcore.", onerror=lambda name: None):
        parts = name.split(".")[1:]
        if parts[0] in ASIDE or any(part.startswith("_") for part in parts):
            continue
        try:
            yield importlib.import_module(name)
        except ModuleNotFoundError as error:  # a room of interop whose library is not there
            if not parts[0] == "interop" or "tmfcore[" not in str(error):
                raise


def doors():
    """Door by name, in the order of names."""
    found, seen = {}, set()
    for module in modules():
        for name in public(module):
            thing = getattr(module, name, None) if module is not tmfcore.interop else None
            if inspect.ismodule(thing) or not callable(thing) or not of_ours(thing) or thing in seen | BASES:
                continue
            if getattr(thing, "_is_protocol", False):  # nothing to call: a type of arguments
                continue
            seen.add(thing)
            whole = f"{module.__name__}.{name}"
            if inspect.isclass(thing):
                if not (inspect.isabstract(thing) or issubclass(thing, BaseException)):
                    found[whole] = door(whole, thing)
                for method in dir(thing):
                    part = getattr(thing, method)
                    if not method.startswith("_") and callable(part) and of_ours(part):
                        found[f"{whole}.{method}"] = door(f"{whole}.{method}", part)
            else:
                found[whole] = door(whole, thing)
    return dict(sorted(found.items()))


def public(module):
    """Names a module offers: its `__all__`, else what it defines itself without an underscore."""
    if hasattr(module, "__all__"):
        return module.__all__
    return [
        name
        for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", None) == module.__name__
    ]


def of_ours(thing):
    """Whether the package defines it: a NamedTuple's `count` is not ours, nor is an alias of typing."""
    return str(getattr(thing, "__module__", "")).startswith("tmfcore") and (
        inspect.isclass(thing) or inspect.isroutine(thing)
    )


def door(name, function):
    signature = inspect.signature(function)
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in signature.parameters.values() if p.kind not in kinds]
    return Door(
        name,
        function,
        tuple(p.name for p in parameters),
        {p.name: str(p.annotation) for p in parameters},
    )
