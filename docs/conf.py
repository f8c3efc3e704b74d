"""The documentation site: `sphinx-build -W docs docs/_build/html`. Page "Architecture" says how it is checked."""

import importlib
import inspect
import sys
from importlib import metadata
from pathlib import Path
from unittest.mock import MagicMock

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_extensions"))

from numpydoc.xref import DEFAULT_LINKS  # noqa: E402
from plain_docstrings import documented  # noqa: E402  it lies there

project = "tmfcore"
author = "tmfcore developers"
copyright = author
release = metadata.version("tmfcore")
repository = "https://github.com/tmfcore/tmfcore"

extensions = [
    "myst_nb",
    "numpydoc",
    "plain_docstrings",
    "repository_links",
    "sphinx.ext.autodoc",
    "sphinx.ext.linkcode",
    "sphinx_click",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["colon_fence", "deflist", "html_image"]
myst_heading_anchors = 4
nb_execution_mode = "auto"  # pages with {code-cell}, whose first lines name jupytext
nb_execution_raise_on_error = True
nb_execution_timeout = 60
nb_execution_in_temp = True
nb_merge_streams = True

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_mock_imports = ["gymnasium", "mfglib", "open_spiel", "pettingzoo", "stable_baselines3", "torch"]
sys.modules.setdefault("pyspiel", MagicMock())  # of which interop.openspiel needs numbers when it is imported
autodoc_preserve_defaults = True
autodoc_typehints = "none"  # numpydoc's sections say types, with shapes and units
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
DEFAULT_LINKS.clear()  # numpydoc's own, to the sites of Python and numpy
numpydoc_xref_aliases = {name.rpartition(".")[2]: name for name in documented() if name.rpartition(".")[2][0].isupper()}
numpydoc_xref_ignore = "all"  # words of types that are no names of the reference
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "tmfcore"
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_css_files = ["site.css"]
pygments_dark_style = "github-dark"
html_theme_options = {"source_repository": repository, "source_branch": "main", "source_directory": "docs/"}
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True


def linkcode_resolve(domain: str, info: dict[str, str]) -> str | None:
    """The file on GitHub in which a documented name is defined."""
    if not info["module"]:  # data that a page describes by hand
        return None
    found = importlib.import_module(info["module"])
    for part in info["fullname"].split("."):
        found = getattr(found, part, None)
    module = getattr(inspect.unwrap(found) if callable(found) else found, "__module__", None)
    place = (module or info["module"]).replace(".", "/")
    for path in (f"python/{place}.py", f"python/{place}/__init__.py", f"{place}.pyx"):
        if (DOCS.parent / path).is_file():
            return f"{repository}/blob/main/{path}"
    return None
