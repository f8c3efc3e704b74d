# Marks this folder as the Cython package `tmfcore`; the importable package lives in python/tmfcore.
