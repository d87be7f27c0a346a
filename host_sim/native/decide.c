/* SPDX-License-Identifier: MIT */
/* decide.c - one keyed limit as a Python function of one argument.
 *
 * A call through cffi converts every argument and costs several times the decision. This is the
 * short way for the one shape that matters: a str or bytes key in, True or False out, the clock
 * read inside. It is a second module in the extension's own file, so it decides on the same state
 * with the same core (ray_ratelimit_try_key), and it holds the GIL throughout. */
#define _GNU_SOURCE
#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>
#include "ray/ratelimit.h"

PyMODINIT_FUNC PyInit__decide(void);

static const char BINDING[] = "raygate.decide";

typedef struct binding {
    ray_ratelimit *limits;
    PyObject *owner;    /* keeps the state's memory */
    PyObject *refused;  /* called with a negative status; raises */
    uint32_t limit;
    uint32_t reserved;
} binding;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static PyObject *decide(PyObject *self, PyObject *key)
{
    const binding *b = PyCapsule_GetPointer(self, BINDING);
    Py_ssize_t length = 0;
    const char *at = PyUnicode_Check(key) ? PyUnicode_AsUTF8AndSize(key, &length) : NULL;
    if (b == NULL || (at == NULL && PyErr_Occurred() != NULL))
        return NULL;
    if (at == NULL) {
        char *bytes = NULL;
        if (PyBytes_AsStringAndSize(key, &bytes, &length) != 0)
            return NULL;
        at = bytes;
    }
    int32_t granted = ray_ratelimit_try_key(b->limits, now_ns(), b->limit, (const uint8_t *)at,
                                            (uint64_t)length, 1, NULL);
    if (granted < 0)
        return PyObject_CallFunction(b->refused, "i", (int)granted);
    return PyBool_FromLong(granted);
}

static void forget(PyObject *capsule)
{
    binding *b = PyCapsule_GetPointer(capsule, BINDING);
    if (b == NULL)
        return;
    Py_DECREF(b->owner);
    Py_DECREF(b->refused);
    PyMem_Free(b);
}

static PyMethodDef decide_method = {
    "decide", decide, METH_O, "One token for a key, now: True when granted. Key: str or bytes."};

/* bind(address of the limiter's state, limit, owner, refused): the function for that limit. */
static PyObject *bind(PyObject *self, PyObject *arguments)
{
    unsigned long long address = 0;
    unsigned int limit = 0;
    PyObject *owner = NULL, *refused = NULL;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "KIOO", &address, &limit, &owner, &refused))
        return NULL;
    binding *b = PyMem_Malloc(sizeof *b);
    if (b == NULL)
        return PyErr_NoMemory();
    *b = (binding){.limits = (ray_ratelimit *)(uintptr_t)address,
                   .owner = owner,
                   .refused = refused,
                   .limit = limit};
    PyObject *capsule = PyCapsule_New(b, BINDING, forget);
    if (capsule == NULL) {
        PyMem_Free(b);
        return NULL;
    }
    Py_INCREF(owner);
    Py_INCREF(refused);
    PyObject *function = PyCFunction_New(&decide_method, capsule);
    Py_DECREF(capsule);
    return function;
}

static PyMethodDef methods[] = {{"bind", bind, METH_VARARGS, "A limit's function of a key."},
                                {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_decide", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__decide(void)
{
    return PyModule_Create(&module);
}
