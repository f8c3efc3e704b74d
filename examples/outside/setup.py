"""Compile walk.pyx and deal.c against an installed tmfcore:    python setup.py build_ext --inplace"""

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

import tmfcore

folders = [tmfcore.get_include(), np.get_include()]
setup(
    name="outside",
    py_modules=[],
    ext_modules=[
        *cythonize(
            Extension("walk", ["walk.pyx"], include_dirs=folders),
            include_path=[tmfcore.get_cython_path()],  # needed only if tmfcore is installed editable
            compiler_directives={"language_level": 3, "cdivision": True},
        ),
        Extension(
            "deal",
            ["deal.c"],
            include_dirs=folders,
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
        ),
    ],
)
