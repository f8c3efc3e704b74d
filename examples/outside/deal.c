/* An extension in C on tmfcore's samplers: which agents act, and an exactly uniform number.
 *
 * The functions of tmfcore.cython_api are capsules in `__pyx_capi__` of their modules; Sampler is the struct of sampling.pxd.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

#include <numpy/random/distributions.h>

#include "tmfcore/_random/bounded.h"

typedef struct {
    bitgen_t *bits;
    binomial_t binomial;
} sampler_t;

typedef void (*split_function)(sampler_t *, const int64_t *, Py_ssize_t, int64_t, int64_t, int64_t *);

enum { MOST = 64 };

static split_function split_hypergeometric;

static bitgen_t *bits_of(PyObject *bit_generator)
{
    PyObject *capsule = PyObject_GetAttrString(bit_generator, "capsule");
    bitgen_t *bits = capsule ? PyCapsule_GetPointer(capsule, "BitGenerator") : NULL;
    Py_XDECREF(capsule); /* the bit generator keeps it */
    return bits;
}

/* deal(bit_generator, counts, batch): of `batch` agents drawn without replacement, how many are at each observation. */
static PyObject *deal(PyObject *module, PyObject *arguments)
{
    PyObject *bit_generator, *counts;
    long long batch, given[MOST], total = 0;
    int64_t at[MOST], out[MOST];
    sampler_t sampler;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OOL", &bit_generator, &counts, &batch))
        return NULL;
    const Py_ssize_t n = PySequence_Size(counts);
    if (n < 0)
        return NULL;
    if (n == 0 || n > MOST)
        return PyErr_Format(PyExc_ValueError, "counts has %zd entries; must have 1 to %d", n, MOST);
    for (Py_ssize_t o = 0; o < n; o++) {
        PyObject *item = PySequence_GetItem(counts, o);
        given[o] = item ? PyLong_AsLongLong(item) : -1;
        Py_XDECREF(item);
        if (PyErr_Occurred())
            return NULL;
        if (given[o] < 0 || given[o] > 1000000)
            return PyErr_Format(PyExc_ValueError, "counts[%zd] is %lld; must lie in 0..1000000", o, given[o]);
        at[o] = given[o];
        total += given[o];
    }
    if (batch < 0 || batch > total)
        return PyErr_Format(PyExc_ValueError, "batch is %lld; must lie in 0..%lld", batch, total);
    memset(&sampler, 0, sizeof sampler);
    sampler.bits = bits_of(bit_generator);
    if (!sampler.bits)
        return NULL;
    split_hypergeometric(&sampler, at, n, total, batch, out);
    PyObject *list = PyList_New(n);
    for (Py_ssize_t o = 0; list && o < n; o++) {
        PyObject *item = PyLong_FromLongLong(out[o]);
        if (!item || PyList_SetItem(list, o, item) < 0)
            Py_CLEAR(list);
    }
    return list;
}

/* pick(bit_generator, n): an integer exactly uniform on {0..n-1}. */
static PyObject *pick(PyObject *module, PyObject *arguments)
{
    PyObject *bit_generator;
    unsigned long long n;
    uint64_t low, high;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OK", &bit_generator, &n))
        return NULL;
    if (n == 0)
        return PyErr_Format(PyExc_ValueError, "n is 0; must be at least 1");
    bitgen_t *bits = bits_of(bit_generator);
    if (!bits)
        return NULL;
    do
        high = tmf_multiply_high(bits->next_uint64(bits->state), n, &low);
    while (tmf_biased(low, n));
    return PyLong_FromUnsignedLongLong(high);
}

static PyMethodDef methods[] = {
    {"deal", deal, METH_VARARGS, "deal(bit_generator, counts, batch): how many of `batch` agents are at each observation"},
    {"pick", pick, METH_VARARGS, "pick(bit_generator, n): an integer uniform on {0..n-1}"},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "deal", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_deal(void)
{
    PyObject *sampling = PyImport_ImportModule("tmfcore._random.sampling");
    PyObject *functions = sampling ? PyObject_GetAttrString(sampling, "__pyx_capi__") : NULL;
    PyObject *capsule = functions ? PyMapping_GetItemString(functions, "split_hypergeometric") : NULL;
    if (capsule)
        split_hypergeometric = (split_function)(uintptr_t)PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule));
    Py_XDECREF(capsule); /* the module, which stays loaded, keeps it */
    Py_XDECREF(functions);
    Py_XDECREF(sampling);
    return PyErr_Occurred() ? NULL : PyModule_Create(&definition);
}
