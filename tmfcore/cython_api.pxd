"""The names other projects may cimport; they stay when the modules behind them move.

    from tmfcore.cython_api cimport Model, row_function, ...

Model          subclass it, call set_shape in __init__ and override row_at: a compiled game (examples/cython_game)
row_function   the C signature of a compiled game's row, as Game.compiled takes it
Policy         action probabilities at (t, mu): table_at, row_at
Evaluator      a model and a policy at one (t, mu): at(t, mu), then .tables and .pi
Sampler        a borrowed numpy bit generator: uniform, below, binomial, scan, split_multinomial, split_hypergeometric
"""
from tmfcore._model.evaluator cimport Evaluator, passive_successors_of, successors_of
from tmfcore._model.model cimport Model, Tables, checked_row, row_function
from tmfcore._model.policy cimport Policy, stage_of
from tmfcore._random.sampling cimport (
    Sampler, below, binomial, bits_of, scan, split_hypergeometric, split_multinomial, uniform)
