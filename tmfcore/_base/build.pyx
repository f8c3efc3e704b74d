"""Reports how the kernels were compiled."""

cdef extern from "_base/build.h" nogil:
    const char *TMF_COMPILER
    const char *TMFCORE_SANITIZE
    const char *TMFCORE_BUILD_NUMPY
    const char *TMFCORE_BUILD_CYTHON
    bint TMFCORE_ABI3
    bint TMFCORE_DEBUG
    bint TMFCORE_TRACE
    bint TMFCORE_ANNOTATE
    const char *tmf_instruction_set()


def build_info():
    """Compiler, switches and versions of the build, and the instruction set chosen on this machine, as a dict."""
    return {
        "compiler": TMF_COMPILER.decode(),
        "instruction_set": tmf_instruction_set().decode(),
        "abi3": TMFCORE_ABI3,
        "debug": TMFCORE_DEBUG,
        "trace": TMFCORE_TRACE,
        "annotate": TMFCORE_ANNOTATE,
        "sanitize": TMFCORE_SANITIZE.decode(),
        "build_numpy": TMFCORE_BUILD_NUMPY.decode(),
        "build_cython": TMFCORE_BUILD_CYTHON.decode(),
    }
