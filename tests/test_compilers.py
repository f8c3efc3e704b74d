"""What the headers do without GNU C, as MSVC compiles them (tmfcore/_base/compiler.h): the same numbers.

`.ci/platforms plain` compares whole results of kernels that are built so.
"""

import ctypes
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytestmark = pytest.mark.law

ROOT = Path(__file__).resolve().parents[1]
COMPILER = shlex.split(os.environ.get("CC", "cc"))
SOURCE = """
#include "tmfcore/_random/bounded.h"

uint64_t high(uint64_t a, uint64_t b) { uint64_t low; return tmf_multiply_high(a, b, &low); }
uint64_t low(uint64_t a, uint64_t b) { uint64_t low; (void)tmf_multiply_high(a, b, &low); return low; }
uint64_t ones(uint64_t a, uint64_t b) { return (uint64_t)tmf_ones(a ^ b); }
int gnu(void)
{
#ifdef TMF_GNU
    return 1;
#else
    return 0;
#endif
}
"""
WORDS = st.integers(0, 2**64 - 1) | st.sampled_from([2**32 - 1, 2**32, 2**63, 2**64 - 2**32, 2**64 - 1])


@pytest.fixture(scope="module", params=["GNU C", "plain"])
def compiled(request, tmp_path_factory):
    if not (ROOT / "tmfcore").is_dir():
        pytest.skip("not in a source tree")
    if shutil.which(COMPILER[0]) is None:
        pytest.skip("this machine has no C compiler")
    source = tmp_path_factory.mktemp("headers") / "words.c"
    source.write_text(SOURCE)
    library = source.with_suffix(".so")
    plain = ["-DTMF_PLAIN"] if request.param == "plain" else []
    subprocess.run([*COMPILER, *plain, "-O2", "-shared", "-fPIC", f"-I{ROOT}", str(source), "-o", str(library)], check=True)
    found = ctypes.CDLL(str(library))
    for name in ("high", "low", "ones"):
        getattr(found, name).argtypes = [ctypes.c_uint64, ctypes.c_uint64]
        getattr(found, name).restype = ctypes.c_uint64
    assert found.gnu() == (not plain)
    return found


@given(WORDS, WORDS)
@example(2**64 - 1, 2**64 - 1)
@example(2**64 - 1, 2**32 - 1)
def test_products_and_numbers_of_bits_are_exact(compiled, a, b):
    assert compiled.high(a, b) << 64 | compiled.low(a, b) == a * b
    assert compiled.ones(a, b) == (a ^ b).bit_count()
