"""The names that other projects may cimport. They remain valid when the modules behind them move.

    from tmfcore.cython_api cimport Model, row_function, ...

Model          base of compiled games: subclasses call set_shape in __init__ and override row_at (examples/cython_game)
row_function   the C signature of the function that Game.compiled takes
Policy         action probabilities at (t, mu): table_at, row_at
Evaluator      tables of a model and a policy at one (t, mu): call at(t, mu), then read .tables and .pi
Sampler        a borrowed numpy bit generator: uniform, below, binomial, scan, split_multinomial, split_hypergeometric
"""
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model.model cimport Model, Tables, checked_row, row_function
from tmfcore._model.policy cimport Policy, stage_of
from tmfcore._random.sampling cimport (
    Sampler, below, binomial, bits_of, scan, split_hypergeometric, split_multinomial, uniform)
