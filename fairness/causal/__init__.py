"""What causes what: graphs, interventions, identification, effects, counterfactuals."""
