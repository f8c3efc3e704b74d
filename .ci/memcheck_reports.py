"""Print the errors in valgrind's XML file that have a frame of the given objects: memcheck_reports.py FILE OBJECT.

OBJECT is part of a path, such as the folder of the compiled modules. Only the innermost frames count, down to the
first of the interpreter: what it calls from there on is not ours.
"""

import sys
import xml.etree.ElementTree as tree


def ours(stack, part):
    """Whether our module is met before the interpreter, from the inside out."""
    for frame in stack.findall("frame"):
        object_file = frame.findtext("obj", "")
        if part in object_file:
            return True
        if "python" in object_file.rsplit("/", 1)[-1] or "/numpy/" in object_file or "/scipy/" in object_file:
            return False
    return False


def main():
    path, part = sys.argv[1:]
    for error in tree.parse(path).getroot().iter("error"):
        kind = error.findtext("kind", "")
        if kind.startswith("Leak_") or not ours(error.find("stack"), part):
            continue
        print(kind, error.findtext("what") or error.findtext("xwhat/text"))
        for frame in error.find("stack").findall("frame")[:12]:
            where = frame.findtext("file", frame.findtext("obj", ""))
            print("   ", frame.findtext("fn", "?"), where, frame.findtext("line", ""))


if __name__ == "__main__":
    main()
