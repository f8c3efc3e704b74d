"""What tests of fluctuations share: a population of two observations."""



import strategies


def population(seed=0, n_observations=3, kind="affine", scale=2.0, **options):
    """A game that depends on mu, with its policy: (GameSpec, PolicySpec)."""
    game = strategies.random_game(seed, n_observations, 2, options.pop("horizon", 5), dependence="mu_t", passive="dense",
                                  zeros=False, **options)  # fmt: skip
    return game, strategies.random_policy(seed, n_observations, 2, kind=kind, scale=scale)
