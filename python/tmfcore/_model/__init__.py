"""What a population plays: games, policies, schedules, and how models and results are told apart."""
