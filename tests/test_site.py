"""The documentation site's sources: every public name has its place, every link leads somewhere. No Sphinx is needed."""

import ast
import importlib
import re
import tomllib

import pytest

import tmfcore as tmf
from doc_pages import DOCS, GITHUB, RAW, ROOT, SITE, anchors, documented, links, pages, problem, read

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="not in a source tree")

PACKAGE = ROOT / "python" / "tmfcore"
MODULES = (
    "tmfcore", "tmfcore.analysis", "tmfcore.bench", "tmfcore.games", "tmfcore.games.gamefile", "tmfcore.learn", "tmfcore.plotting", "tmfcore.solvers",
    "tmfcore.testing", "tmfcore.typing",
)  # fmt: skip
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REFERENCE = {path.stem: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("reference/*.rst"))}
CITATION = re.compile(r'Theory,\s+sections?\s+(\d+)(?:,?\s+(?:and|to)\s+(\d+))?|[Pp]ages?\s+"([^"]+)"')


@pytest.fixture
def docstrings(monkeypatch):
    """The extension of the site that reads docstrings."""
    monkeypatch.syspath_prepend(str(DOCS / "_extensions"))
    return importlib.import_module("plain_docstrings")


def of_interop():
    """Public names of modules whose libraries are not installed everywhere."""
    for path in sorted((PACKAGE / "interop").glob("[a-z]*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                yield from (f"tmfcore.interop.{path.stem}.{name}" for name in ast.literal_eval(node.value))


def found(name):
    """The object of a full name."""
    module, _, last = name.rpartition(".")
    owner = importlib.import_module(module) if module in MODULES else found(module)
    return getattr(owner, last)


# ------------------------------------------------------------------------------------------------------- the reference


def test_every_public_name_has_its_place_in_the_reference():
    there = set(documented())
    importable = [name for name in there if not name.startswith(("tmfcore.interop.", "tmfcore._results."))]
    objects = {id(found(name)) for name in importable if callable(found(name))}
    lacking = []
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            thing = getattr(importlib.import_module(module), name)
            if type(thing).__name__ == "module":  # its own names are looked at
                assert any(entry.startswith(f"{module}.{name}.") for entry in there), name
            elif f"{module}.{name}" not in there and not (callable(thing) and id(thing) in objects):
                lacking.append(f"{module}.{name}")
    lacking += [name for name in of_interop() if name not in there]
    assert not lacking, "write them into a page of docs/reference"


def test_the_reference_documents_no_name_twice_and_none_that_is_not_public():
    names = documented()
    assert len(names) == len(set(names))
    interop = set(of_interop())
    for name in names:
        if name.startswith("tmfcore.interop."):
            assert name in interop
        elif name != "tmfcore._results.result.Result":  # the base of all results, which nobody makes
            module, _, last = name.rpartition(".")
            assert last in importlib.import_module(module).__all__


def test_the_reference_has_the_command_line_and_the_interface_for_cython():
    assert ".. click:: tmfcore.cli.app:app\n   :prog: tmfcore\n   :nested: full" in REFERENCE["cli"]
    assert (DOCS / "reference" / re.search(r"literalinclude:: (\S+cython_api.pxd)", REFERENCE["cython"])[1]).is_file()


@pytest.mark.parametrize("folder", ["reference", "measured"])
def test_lists_of_pages_are_whole(folder):
    text = (DOCS / folder / "index.md").read_text(encoding="utf-8")
    listed = text.split("```{toctree}")[1].split("```")[0].split("\n\n")[1].split()
    there = {path.stem for path in (DOCS / folder).iterdir() if path.suffix in (".md", ".rst")} - {"index"}
    assert set(listed) == there
    assert {name for name in there if f"({name}." in text} == there


# ----------------------------------------------------------------------------------------------------- docstrings, links


def test_docstrings_cite_what_is_there(docstrings):
    sections = set(re.findall(r"^## (\d+)\.", read("docs/theory.md"), re.MULTILINE))
    cited = []
    for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi"), *(ROOT / "tmfcore").rglob("*.p[yx][xd]")]:
        for first, last, page in CITATION.findall(re.sub(r"\n\s*#?\s*", " ", path.read_text(encoding="utf-8"))):
            cited.append(page or first)
            if page:
                assert page in docstrings.titles(), f'{path.name}: page "{page}"'
            else:
                assert {first, last or first} <= sections, f"{path.name}: Theory, section {first} {last}"
    assert len(cited) > 50


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("a | b, x * y, mu_ of `solve`", "a \\| b, x \\* y, mu\\_ of :py:obj:`solve <tmfcore.solve>`"),
        ("of `tmf.games.typed` and `reward`", "of :py:obj:`tmf.games.typed <tmfcore.games.typed>` and ``reward``"),
        ("**Rounding.** discount**t ``a*b``", "**Rounding.** discount\\*\\*t ``a*b``"),
        ("see Theory, section\n    3.", "see :ref:`Theory, section\n    3 <theory-3>`."),
        ("(Theory, sections 1 and 5)", "(Theory, sections :ref:`1 <theory-1>` and :ref:`5 <theory-5>`)"),
        ('page "Intervals"', 'page ":doc:`Intervals </measured/intervals>`"'),
        ("A sum.\n\n    x = y*z\n\nMore.", "A sum.\n\n::\n\n    x = y*z\n\nMore."),
        ("* item a*b\n\n  more of it\n\n* next", "* item a\\*b\n\n  more of it\n\n* next"),
        ("n : int\n    Says.\n\n    More.\n\n        x*y", "n : int\n    Says.\n\n    More.\n\n    ::\n\n        x*y"),
        (">>> a * b\n2\n\nText.", ">>> a * b\n2\n\nText."),
    ],
)
def test_docstrings_become_restructured_text(docstrings, plain, expected):
    assert "\n".join(docstrings.restructured(plain.split("\n"))) == expected


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page):
    wrong = {target: problem(target, (ROOT / page).parent) for target in links(read(page))}
    for target in wrong:
        if target.startswith("#") and target[1:] not in anchors(ROOT / page):
            wrong[target] = "no such heading"
    assert {target: why for target, why in wrong.items() if why} == {}


def test_links_of_the_readme_hold_on_the_page_of_a_package_index():
    targets = links(read("README.md"))
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    assert [target for target in targets if target.startswith(f"{RAW}/")], "its pictures"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nowhere.md", "does not exist"),
        ("docs/theory.md#nowhere", "no heading"),
        (f"{GITHUB}/blob/main/nowhere.md", "does not exist"),
        (f"{RAW}/docs/nowhere.png", "does not exist"),
        (f"{SITE}/theory.html", "no page of the site"),
        (f"{SITE}/en/latest/nowhere.html", "no such page"),
        (f"{SITE}/en/latest/reference/simulate.html#tmfcore.nowhere", "no heading"),
    ],
)
def test_a_broken_link_is_found(target, reason):
    assert reason in problem(target, ROOT)


def test_good_links_are_no_problem():
    for target in (
        "docs/theory.md#4-equilibrium-and-exploitability", f"{GITHUB}/tree/main/examples", f"{SITE}/en/latest/",
        f"{SITE}/en/latest/reference/simulate.html#tmfcore.simulate", f"{SITE}/en/latest/games.html#the-shelf",
        "https://arxiv.org/abs/2602.18026",
    ):  # fmt: skip
        assert problem(target, ROOT) == ""


# ---------------------------------------------------------------------------------------------------------- the project


def test_addresses_of_the_project():
    assert set(PROJECT["urls"]) == {"Homepage", "Documentation", "Source", "Changelog", "Issues"}
    assert PROJECT["urls"]["Source"] == GITHUB and PROJECT["urls"]["Documentation"] == SITE
    assert [why for target in PROJECT["urls"].values() if (why := problem(target, ROOT))] == []
    assert f'repository-code: "{GITHUB}"' in read("CITATION.cff")
    assert "docs" in PROJECT["optional-dependencies"]


def test_sources_to_cite_are_those_of_docstrings_and_theory():
    text = read("docs/citing.md")
    sources = read("docs/theory.md") + "".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    for number in set(re.findall(r"\d{4}\.\d{5}", text)):
        assert number in sources
    for name in re.findall(r"`((?:solvers|games|analysis)\.\w+)`", text):
        assert found(f"tmfcore.{name}")
    assert {name for name in tmf.solvers.SOLVERS if f"`solvers.{name}`" not in text} == set()
