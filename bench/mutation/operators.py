"""The mutants of a source text, Python, Cython or C, found in its tokens."""

from __future__ import annotations

import keyword
import random
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .statements import Token, of_c, of_python

#: Replacements of an operator; the first for a comparison moves its boundary, the second reverses it.
COMPARISONS = {
    "<": ("<=", ">="), "<=": ("<", ">"), ">": (">=", "<="), ">=": (">", "<"), "==": ("!=",), "!=": ("==",),
}  # fmt: skip
ARITHMETIC = {"+": ("-",), "-": ("+",), "*": ("/",), "/": ("*",), "//": ("*",), "%": ("*",), "**": ("*",), "@": ("+",)}
AUGMENTED = {"+=": ("-=",), "-=": ("+=",), "*=": ("/=",), "/=": ("*=",), "|=": ("&=",), "&=": ("|=",)}
WORDS = {"and": ("or",), "or": ("and",), "True": ("False",), "False": ("True",), "min": ("max",), "max": ("min",),
         "any": ("all",), "all": ("any",), "break": ("continue",), "continue": ("break",)}  # fmt: skip

#: Names of C types and qualifiers: next to them < and * are not operators.
TYPES = {
    "Py_ssize_t", "bint", "bitgen_t", "char", "const", "double", "float", "int", "int32_t", "int64_t", "object",
    "ptrdiff_t", "restrict", "size_t", "uint16_t", "uint32_t", "uint64_t", "uint8_t", "void",
}  # fmt: skip
_KINDS = {"and": "logic", "or": "logic", "True": "constant", "False": "constant"}
#: For C only: in Python | joins types, and in Cython & takes addresses.
C_LOGIC = {"&&": ("||",), "||": ("&&",)}
C_BITS = {"<<": (">>",), ">>": ("<<",), "&": ("|",), "|": ("&",), "^": ("&",)}


@dataclass(frozen=True)
class Mutant:
    """A replacement of text[start:end]; kind and place are for the reader."""

    kind: str
    start: int
    end: int
    after: str
    line: int  # from 1
    lines: tuple[int, int] = (0, 0)  # first and last of the statement

    def apply(self, text: str) -> str:
        """Return the text with this change, of as many lines."""
        missing = text[self.start : self.end].count("\n") - self.after.count("\n")
        return text[: self.start] + self.after + "\n" * missing + text[self.end :]


def mutants(text: str, *, c: bool = False) -> list[Mutant]:
    """All mutants of a module with different texts, in the order of the text; `c`: the module is a C header."""
    found = []
    for statement in (of_c if c else of_python)(text):
        for mutant in _of_c_statement(text, statement) if c else _of_statement(text, statement):
            lines = (statement[0].line, text.count("\n", 0, statement[-1].end) + 1)
            found.append(replace(mutant, lines=lines))
    return found


def chosen(found: list[Mutant], count: int, seed: str) -> list[Mutant]:
    """Return `count` of the mutants by a seed, the same number of each kind; a longer choice begins with a shorter."""
    rng = random.Random(seed)
    by_kind: dict[str, list[Mutant]] = {}
    for mutant in found:
        by_kind.setdefault(mutant.kind, []).append(mutant)
    for several in by_kind.values():
        rng.shuffle(several)
    kinds = sorted(by_kind)
    rng.shuffle(kinds)
    order = [several[i] for i in range(len(found)) for several in (by_kind[kind] for kind in kinds) if i < len(several)]
    return order[:count]


def _of_statement(text: str, tokens: list[Token]) -> Iterator[Mutant]:
    first = tokens[0].string
    if first in ("def", "cdef", "cpdef", "async"):
        if tokens[-1].string == ":":
            return  # signatures: stubtest and tests of keywords check them
        if not any(token.string == "=" for token in tokens):
            return  # a declaration
    yield from _of_tokens(text, tokens)
    if first in ("if", "elif", "while"):
        end = _top_level(tokens, ":")
        if end is not None:
            yield Mutant("negated condition", tokens[1].start, tokens[end - 1].end,
                         f"not ({text[tokens[1].start : tokens[end - 1].end]})", tokens[0].line)  # fmt: skip
            tail = tokens[end + 1 :]
            if tail:  # if condition: statement
                yield from _of_whole(text, tail)
        return
    yield from _of_whole(text, tokens)


def _of_whole(text: str, tokens: list[Token]) -> Iterator[Mutant]:
    """Statements dropped, and other values returned."""
    first, start, end = tokens[0].string, tokens[0].start, tokens[-1].end
    if first == "return" and len(tokens) > 1:
        value = text[tokens[1].start : end]
        if value not in ("None", "self", "0"):  # in a kernel 0 means success, as does every value but one
            yield Mutant("return value", tokens[1].start, end, "0", tokens[0].line)
        return
    if first == "raise" or any(token.string in AUGMENTED for token in tokens):
        drops = "MemoryError" not in text[start:end]  # which no test can bring about
    elif (equals := _top_level(tokens, "=")) is not None:  # a name alone: the code cannot run without it
        drops = tokens[equals - 1].string == "]" or (equals > 1 and tokens[equals - 2].string == ".")
    else:
        drops = tokens[-1].string == ")" and tokens[0].type == tokenize.NAME and first not in ("free", "yield", "await")
    if drops:
        yield Mutant("dropped statement", start, end, "pass", tokens[0].line)


def _of_c_statement(text: str, tokens: list[Token]) -> Iterator[Mutant]:
    yield from _of_tokens(text, tokens, c=True)
    while tokens and tokens[0].string in ("if", "else", "for", "while", "do", "switch"):
        head = tokens[0]
        if head.string in ("else", "do"):
            tokens = tokens[1:]
            continue
        end = _top_level(tokens, ")")
        if end is None:
            return
        if head.string in ("if", "while"):
            condition = text[tokens[2].start : tokens[end - 1].end]
            yield Mutant("negated condition", tokens[2].start, tokens[end - 1].end, f"!({condition})", head.line)
        tokens = tokens[end + 1 :]
    if not tokens:
        return
    first, start, end_of = tokens[0], tokens[0].start, tokens[-1].end
    if first.string == "return":
        if len(tokens) > 1 and text[tokens[1].start : end_of] != "0":
            yield Mutant("return value", tokens[1].start, end_of, "0", first.line)
        return
    if len(tokens) < 2 or tokens[1].type == tokenize.NAME:  # a declaration
        return
    equals = _top_level(tokens, "=")
    if any(token.string in AUGMENTED or token.string in ("++", "--") for token in tokens):
        drops = True
    elif equals is not None:
        drops = tokens[equals - 1].string == "]" or tokens[0].string == "*" or tokens[equals - 2].string in (".", "->")
    else:
        drops = tokens[-1].string == ")" and first.type == tokenize.NAME and first.string != "free"
    if drops:
        yield Mutant("dropped statement", start, end_of, "", first.line)


def _top_level(tokens: list[Token], string: str) -> int | None:
    """Index of the first token `string` outside brackets, or that closes the outermost."""
    depth = 0
    for i, token in enumerate(tokens):
        depth += (token.string in "([{") - (token.string in ")]}")
        if token.string == string and depth == 0:
            return i
    return None


def _of_tokens(text: str, tokens: list[Token], *, c: bool = False) -> Iterator[Mutant]:
    fstring = 0
    for i, token in enumerate(tokens):
        name = tokenize.tok_name[token.type]
        fstring += (name == "FSTRING_START") - (name == "FSTRING_END")
        if fstring:
            continue
        before, after = tokens[i - 1] if i else None, tokens[i + 1] if i + 1 < len(tokens) else None

        def put(kind: str, strings: tuple[str, ...], token: Token = token) -> Iterator[Mutant]:
            for string in strings:
                yield Mutant(kind, token.start, token.end, string, token.line)

        if token.type == tokenize.NUMBER:
            yield from put("constant", _other_numbers(token.string))
        elif token.type == tokenize.NAME:
            if token.string in ("min", "max", "any", "all") and not (after and after.string == "("):
                continue
            if token.string in WORDS and not (before and before.string == "."):
                kind = _KINDS.get(token.string, "name")
                yield from put(kind, WORDS[token.string])
            elif token.string == "not" and after and after.string != "in" and before and before.string != "is":
                yield Mutant("logic", token.start, after.start, "", token.line)
            elif token.string == "is" and after is not None and before is not None:
                yield from put("comparison", ("is not",)) if after.string != "not" else _is(token, after)
            elif after is not None and after.string == "(" and not keyword.iskeyword(token.string):
                yield from _swapped(text, tokens, i + 1)
        elif token.type == tokenize.OP and before is not None and after is not None:
            if token.string in AUGMENTED:
                yield from put("arithmetic", AUGMENTED[token.string])
            elif not _is_value(before, closing=True) or not _is_value(after, closing=False):
                continue
            elif before.string in TYPES or after.string in TYPES:
                continue  # a cast
            elif c and token.string in C_LOGIC:
                yield from put("logic", C_LOGIC[token.string])
            elif c and token.string in C_BITS:
                yield from put("arithmetic", C_BITS[token.string])
            elif token.string in COMPARISONS:
                boundary, *turned = COMPARISONS[token.string]
                yield from put("boundary" if turned else "comparison", (boundary,))
                yield from put("comparison", tuple(turned))
            elif token.string in ARITHMETIC:
                yield from put("arithmetic", ARITHMETIC[token.string])


def _is(token: Token, after: Token) -> Iterator[Mutant]:
    yield Mutant("comparison", token.start, after.end, "is", token.line)


def _is_value(token: Token, *, closing: bool) -> bool:
    """Whether a value can end (closing) or begin with this token: an operator next to it is then binary."""
    if token.type in (tokenize.NUMBER, tokenize.STRING):
        return True
    if token.type == tokenize.NAME:
        return not keyword.iskeyword(token.string) or token.string in ("None", "True", "False") or not closing
    return token.string in (")]}" if closing else "([{-+~&<!")


def _other_numbers(string: str) -> tuple[str, ...]:
    suffix = string[len(string.rstrip("uUlL")) :]
    if suffix:  # of C
        return tuple(other + suffix for other in _other_numbers(string.removesuffix(suffix)))
    try:
        value = int(string, 0)
    except ValueError:
        try:
            number = float.fromhex(string) if string.startswith("0x") else float(string)
        except ValueError:
            return ()  # a complex number
        if number >= 0.01:
            return (repr(number + 1), repr(number / 2))
        return ("1.0", repr(number * 1000)) if number else ("1.0",)
    return (str(value + 1), str(value - 1)) if value > 1 else (str(value + 1),) if value == 0 else ("2", "0")


def _swapped(text: str, tokens: list[Token], opening: int) -> Iterator[Mutant]:
    """The first two arguments of a call, exchanged."""
    depth, parts, begin = 0, [], opening + 1
    for i in range(opening, len(tokens)):
        depth += (tokens[i].string in ("(", "[", "{")) - (tokens[i].string in (")", "]", "}"))
        if (depth == 1 and tokens[i].string == ",") or depth == 0:
            if i > begin:
                parts.append(tokens[begin:i])
            begin = i + 1
        if depth == 0 or len(parts) == 2:
            break
    if len(parts) < 2 or any(part[0].string in ("*", "**") for part in parts):
        return
    if any(token.string in ("=", "for", ":=") for part in parts for token in part):
        return
    one, two = (text[part[0].start : part[-1].end] for part in parts)
    if one != two:
        yield Mutant("swapped arguments", parts[0][0].start, parts[1][-1].end, f"{two}, {one}", parts[0][0].line)
