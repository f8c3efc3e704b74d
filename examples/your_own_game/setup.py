"""Compile the C and Cython files against an installed tmfcore:    python setup.py build_ext --inplace"""

import shlex
import subprocess
import sysconfig

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

import tmfcore

compiler = shlex.split(sysconfig.get_config_var("CC") or "cc")
subprocess.run([*compiler, "-O2", "-shared", "-fPIC", "beach.c", "-o", "beach.so", "-lm"], check=True)
setup(
    name="your_own_game",
    py_modules=[],
    ext_modules=cythonize(
        [
            Extension("beach_row", ["beach_row.pyx"]),
            Extension("beach_model", ["beach_model.pyx"], include_dirs=[tmfcore.get_include(), np.get_include()]),
        ],
        include_path=[tmfcore.get_cython_path()],  # needed only if tmfcore is installed editable
        compiler_directives={"language_level": 3, "cdivision": True},
    ),
)
