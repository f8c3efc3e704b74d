"""Compile sis.pyx against an installed tmfcore:    python setup.py build_ext --inplace"""

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

import tmfcore

setup(
    name="sis",
    ext_modules=cythonize(
        Extension("sis", ["sis.pyx"], include_dirs=[tmfcore.get_include(), np.get_include()]),
        include_path=[tmfcore.get_cython_path()],  # needed only if tmfcore is installed editable
        compiler_directives={"language_level": 3, "cdivision": True},
    ),
)
