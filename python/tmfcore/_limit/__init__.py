"""The mean-field limit: flows, evaluation, best responses, exploitability."""
