"""The statements of a source text as tokens: Python and Cython by their tokenizer, C by a regular expression."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

#: Statements without behaviour, or whose effect no test can be expected to detect.
SKIPPED = {
    "@", "assert", "cdef class", "cimport", "class", "ctypedef", "from", "global", "import", "include", "nonlocal",
}  # fmt: skip
LAYOUT = {tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING}

#: First words of C statements with a body in braces; all others are functions, structs and enumerations.
_CONTROL = {"if", "else", "for", "while", "do", "switch"}
_C = re.compile(
    r"(?P<layout>\s+|/\*.*?\*/|//[^\n]*|\#(?:[^\n\\]|\\.)*)"  # a directive goes on behind a backslash
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>0[xX][0-9a-fA-F.]+(?:[pP][+-]?\d+)?[uUlL]*|\d[\d.]*(?:[eE][+-]?\d+)?[uUlLfF]*)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<op><<=|>>=|->|\+\+|--|&&|\|\||[-+*/%&|^=!<>]=|<<|>>|.)",
    re.MULTILINE | re.DOTALL,
)
_C_TYPES = {"name": tokenize.NAME, "number": tokenize.NUMBER, "string": tokenize.STRING, "op": tokenize.OP}


@dataclass(frozen=True)
class Token:
    """text[start:end], `type` as in `tokenize`, and the line it begins in, from 1."""

    type: int
    string: str
    start: int
    end: int
    line: int


def of_python(text: str) -> Iterator[list[Token]]:
    """The logical lines, without layout, comments, docstrings and the statements of SKIPPED."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def flat(place: tuple[int, int]) -> int:
        return starts[place[0] - 1] + place[1]

    statement: list[Token] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT and token.type != tokenize.ENDMARKER:
            statement.append(Token(token.type, token.string, flat(token.start), flat(token.end), token.start[0]))
        if token.type == tokenize.NEWLINE and statement:
            first = statement[0].string
            two = " ".join(part.string for part in statement[:2])
            if first not in SKIPPED and two not in SKIPPED and statement[0].type != tokenize.STRING:
                yield statement
            statement = []


def of_c(text: str) -> Iterator[list[Token]]:
    """The statements between semicolons and braces, without directives, comments, signatures and bare declarations."""
    statement: list[Token] = []
    depth, line = 0, 1
    for match in _C.finditer(text):
        string = match.group()
        if match.lastgroup != "layout":
            token = Token(_C_TYPES[str(match.lastgroup)], string, match.start(), match.end(), line)
            depth += (string in ("(", "[")) - (string in (")", "]"))
            if depth == 0 and string in (";", "{", "}"):
                if statement and _behaves(statement, string):
                    yield statement
                statement = []
            else:
                statement.append(token)
        line += string.count("\n")


def _behaves(statement: list[Token], end: str) -> bool:
    first = statement[0]
    if first.string in _CONTROL:
        return True
    if end == "{" or first.string in ("typedef", "enum", "struct", "case", "goto"):
        return False
    words = sum(token.type == tokenize.NAME for token in statement[:2])
    return words < 2 or first.string == "return" or any(token.string == "=" for token in statement)
