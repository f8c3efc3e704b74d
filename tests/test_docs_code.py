"""Every block of code on a page of the repository is checked, by its language:

python             executed; the blocks of a page in order, in one namespace and one empty folder; a block of text right
                   behind is what it prints. Examples with >>> are doctests in the same namespace, indented ones too.
                   A block whose first line is `# NAME.py` is also the file of that name in the folder
{code-cell}        executed when the site is built, where an error fails the build
{code-block}       programs of other libraries: executed where those are installed. .ci/run has steps with all of
                   them; test_pages executes the blocks of the page of errors
sh                 `tmfcore` commands are run in the folder of the page; others are held to COMMANDS, by which .ci/run or
                   a file of the repository stands for them. Indented lines of commands likewise
toml               read as a game file where it has a table [game], else parsed; kept by its first line `# NAME.toml`
c, cython          an excerpt of a file in examples/ or of the .pxd files, whatever its comments and white space
bibtex             agrees with CITATION.cff
text               output of a program, formulas: nothing is executed

Indented blocks that are neither doctests nor commands are formulas, and must not be Python or TOML.
"""

import ast
import contextlib
import doctest
import importlib.util
import io
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

import tmfcore as tmf
from doc_pages import ROOT, Block, blocks, execute, is_notebook, pages, read
from tmfcore.cli import studies
from tmfcore.cli.app import app
from tmfcore.games import gamefile

pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="not in a source tree")

PROJECT = tomllib.loads(read("pyproject.toml"))["project"]
SCRIPT = read(".ci/run")
#: Libraries that blocks may use and that the extra `test` does not bring; .ci/run has steps with them.
LIBRARIES = {
    "dask", "egttools", "gymnasium", "h5netcdf", "jax", "mesa", "mfglib", "mpi4py", "numba", "open_spiel", "pandas", "pettingzoo", "polars", "pyspiel",
    "stable_baselines3", "torch", "xarray",
}  # fmt: skip
INTEROP = {"gymnasium": "gymnasium", "pettingzoo": "pettingzoo", "openspiel": "pyspiel", "mfglib": "mfglib"}
#: Commands of the gallery are run by test_gallery, with a tolerance that takes less time.
ELSEWHERE = re.compile(r"docs/gallery/")
#: Its blocks raise what the page quotes.
ERRORS = "docs/faq.md"
#: Page -> pictures that its code leaves behind.
LEAVES = {
    "README.md": ["first-example.png"],
    "docs/how-to/benchmarks.md": ["bars.svg"],
    "docs/command-line.md": [f"pictures/{name}.png" for name in ("exploitability", "flow", "policy")],
}
#: Commands too long for a test: .ci/run runs them.
LONG = {"reproduce"}


def needs(code: str) -> set[str]:
    """Libraries that a block of Python uses."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
            found |= {INTEROP.get(name, "") for name in node.module.split(".")[1:]}
            found |= {INTEROP.get(alias.name, "") for alias in node.names if node.module.endswith("interop")}
        elif isinstance(node, ast.Attribute):
            found.add({"to_pandas": "pandas", "to_xarray": "xarray", "to_polars": "polars"}.get(node.attr, ""))
            if isinstance(node.value, ast.Attribute | ast.Name) and ast.unparse(node.value).endswith("interop"):
                found.add(INTEROP.get(node.attr, ""))
    return found & LIBRARIES


def missing(code: str) -> set[str]:
    """Of those, what is not installed."""
    return {name for name in needs(code) if importlib.util.find_spec(name) is None}


def example(text: str) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(text)


def run_doctest(block: Block, page: str, namespace: dict) -> None:
    test = doctest.DocTest(example(block.text), namespace, page, page, block.line - 1, block.text)
    printed = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    result = runner.run(test, out=printed.write, clear_globs=False)
    assert not result.failed, printed.getvalue()


def commands(text: str) -> list[str]:
    """Of a block of shell: one a line, without prompt, comment, and the description two spaces behind it."""
    lines = text.replace("\\\n", " ").splitlines()
    found = [re.split(r"\s{2,}|\s+#\s", line.strip().removeprefix("$ "))[0] for line in lines]
    return [part for line in found if line and not line.startswith("#") for part in line.split(" && ")]


def run_tmfcore(words: list[str]) -> None:
    """A million agents one at a time are minutes: a thousand tell whether the command works."""
    words = ["1e3" if word == "1e6" else word for word in words]
    if words[0] in LONG or (words[0] == "sweep" and importlib.util.find_spec("pyarrow") is None):  # of the extra `tables`
        app.commands[words[0]].make_context(words[0], words[1:], **app.context_settings)  # whether it has these options
        return
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output


def parses(name: str, words: list[str]) -> None:
    """A program of the repository has the options: they stand in its source."""
    path = ROOT / name.replace(".", "/")
    files = [*path.glob("*.py")] if path.is_dir() else [path.with_suffix(".py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    assert source, f"there is no {name}"
    for word in words:
        if word.startswith("--"):
            assert f'"{word}"' in source, f"{name} has no option {word}"


def check_command(command: str) -> None:
    """Commands that are not run here, and what stands for them."""
    match shlex.split(command.split(" | ")[0]):
        case ["tmfcore", *words]:
            run_tmfcore(words)
        case ["python", "-m", "pip", "install", *words]:
            extras = {extra for word in words for found in re.findall(r"\[(.*)\]", word) for extra in found.split(",")}
            assert extras <= set(PROJECT["optional-dependencies"])
        case ["python", "-m", ("bench" | "tests") as folder, *_]:
            raise AssertionError(f"{folder} is no program")
        case ["python", "-m", name, *words] if name.startswith(("bench.", "tests.")):
            parses(name, words)
        case ["python", "setup.py", "build_ext", "--inplace"]:
            assert (ROOT / "setup.py").is_file()
        case ["python", name, *words] if name.endswith(".py") and (ROOT / name).is_file():
            parses(name.removesuffix(".py"), words)
        case ["pytest", *words]:
            paths = [word for word in words if "/" in word and "NAME" not in word]
            assert all((ROOT / path).exists() for path in paths)
            markers = [words[i + 1] for i, word in enumerate(words) if word == "-m"]
            assert all(f'"{marker}: ' in read("pyproject.toml") for marker in markers)
        case ["ruff" | "mypy" | "cython-lint" | "sphinx-build", *_]:
            here = command.replace("docs/_build/html", '"$work/site"')  # CI leaves nothing behind
            assert here in SCRIPT or "linkcheck" in command, "not in .ci/run"
        case ["pytest-benchmark", *words]:
            subprocess.run([sys.executable, "-m", "pytest_benchmark", *words], check=True, capture_output=True)
        case [".ci/run"]:
            assert SCRIPT
        case ["git", "clone", address]:
            assert address == PROJECT["urls"]["Source"]
        case ["mpiexec", "-n", _, "python", name]:
            assert Path(name).is_file(), "a block of the page has this name"
        case ["mpiexec", "-n", _, "tmfcore", verb, *words]:
            app.commands[verb].make_context(verb, words, **app.context_settings)  # whether it has these options
        case ["cd", name]:
            assert name == PROJECT["name"]
        case words:
            if "=" in words[0]:  # VARIABLE=value command
                return check_command(shlex.join(words[1:]))
            raise AssertionError(f"no check for this command: {command}")
    return None


def check_indented(block: Block) -> None:
    """Formulas may be indented; code has a fence that says its language."""
    assert not re.match(r"\[\w+\]\n", block.text), "TOML: use a fence"
    with contextlib.suppress(SyntaxError):
        tree = ast.parse(block.text)
        assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree)), "Python: use a fence"
        assert not re.search(r"\btmf\.\w", block.text), "Python: use a fence"


def is_commands(text: str) -> bool:
    return all(re.match(r"(tmfcore|python|pytest|pip|\.ci/run|sphinx-build)\b", line) for line in text.splitlines() if line)


def squeezed(text: str) -> str:
    """Without comments and white space."""
    bare = re.sub(r"/\*.*?\*/|#(?!include\b)[^\n]*", "", text, flags=re.DOTALL)
    return re.sub(r"\s+", "", bare).replace(",)", ")")


def check_excerpt(block: Block) -> None:
    wanted = squeezed(block.text).removeprefix("introw")  # of a signature its parameters: row_function of model.pxd
    files = [path for folder in ("examples", "tmfcore") for path in (ROOT / folder).rglob("*.*")]
    sources = (path.read_text() for path in files if path.suffix in (".c", ".pyx", ".pxd", ".h", ".py"))
    assert any(wanted in squeezed(source) for source in sources), "no excerpt of a file in examples/ or tmfcore/"


def check_bibtex(block: Block) -> None:
    cited = read("CITATION.cff")
    for field in ("title", "year"):
        value = re.search(rf"{field} *= *\{{(.*?)\}}", block.text)[1]
        assert value in cited
    assert re.search(r"arXiv:[\d.]+", block.text)[0] in cited


def kept(block: Block, folder: Path) -> Path | None:
    """The file that the first line of a block names."""
    name = re.match(r"# (\w+\.(?:py|toml))\n", block.text)
    return folder / name[1] if name else None


def static(block: Block, folder: Path) -> None:
    """Checks of languages that are not executed."""
    match block.language:
        case "toml":
            document = tomllib.loads(block.text)
            if "game" in document:
                path = kept(block, folder) or folder / "of-a-page.toml"
                path.write_text(block.text, encoding="utf-8")
                if "grid" in document:
                    assert studies.read(path).grid
                else:
                    assert isinstance(gamefile.read(path), tmf.Game)
        case "c" | "cython" | "pyx":
            check_excerpt(block)
        case "bibtex":
            check_bibtex(block)
        case "text" | "":
            pass
        case language if language.startswith("{"):
            assert not language.startswith("{code-cell}"), "a page with code cells begins with `jupytext:`"
        case language:
            raise AssertionError(f"no check for blocks of {language}")


def play(page: str, folder: Path) -> set[str]:
    """Check the blocks of a page; libraries for lack of which it stopped."""
    namespace: dict = {"__name__": "__page__"}
    notebook, printed = is_notebook(page), None
    for block in blocks(read(page)):
        where = f"{page}, line {block.line}"
        try:
            before, printed = printed, None
            if notebook and block.language.startswith("{code-cell}"):
                continue
            if re.match(r"\s*>>> ", block.text) and block.language in ("", "python", "pycon"):
                if lack := missing("".join(found.source for found in example(block.text))):
                    return lack
                run_doctest(block, page, namespace)
            elif block.language == "{code-block} python":
                if page != ERRORS and not missing(block.text):
                    execute(block, page, namespace)
            elif block.language == "python":
                assert not notebook, "a notebook has code cells"
                if lack := missing(block.text):
                    return lack
                if path := kept(block, folder):
                    path.write_text(block.text, encoding="utf-8")
                printed = execute(block, page, namespace)
            elif block.language in ("sh", "console") or (not block.language and is_commands(block.text)):
                for command in commands(block.text):
                    if not ELSEWHERE.match(page):
                        check_command(command)
            else:
                if block.language == "text" and before and block.follows:
                    assert block.text == before, f"printed: {before}"
                if not block.language:
                    check_indented(block)
                static(block, folder)
        except Exception as error:
            error.add_note(where)
            raise
    return set()


@pytest.mark.parametrize("page", pages())
def test_blocks_of_code(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["page"])
    if lack := play(page, tmp_path):
        pytest.skip(f"not installed: {', '.join(sorted(lack))}")
    for name in LEAVES.get(page, ()):
        assert (tmp_path / name).stat().st_size > 10_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\n1 / 0\n```\n", "division"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "printed: 1"),
        ("    >>> 1 + 1\n    3\n", "Expected"),
        ("```sh\ntmfcore solve nonsense\n```\n", "nonsense"),
        ("```sh\nrm -r x\n```\n", "no check for this command"),
        ("```sh\npython -m bench.claims --nonsense\n```\n", "has no option --nonsense"),
        ("    tmfcore games nonsense        lists the games\n", "nonsense"),
        ('```toml\n[game]\nkind = "nonsense"\n```\n', "nonsense"),
        ("```c\nint main(void);\n```\n", "no excerpt"),
        ("```rust\nfn main() {}\n```\n", "no check for blocks of rust"),
        ("Text\n\n    game = tmf.games.queueing()\n", "use a fence"),
        ("```{code-cell}\n1\n```\n", "jupytext"),
    ],
)
def test_a_bad_block_is_found(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(globals(), "read", lambda page: text)
    monkeypatch.setitem(globals(), "is_notebook", lambda page: False)
    with pytest.raises((AssertionError, ZeroDivisionError, tmf.FileError, ValueError), match=message):
        play("page.md", tmp_path)
