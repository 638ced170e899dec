"""What carries out the rounds of training: Pyro as it is, captured graphs, or compiled code.

`choice` picks an engine for `fit`, `engine` says what one is, `eager` is the reference. `plans`
hold the graphs of a round, checked against Pyro; `rounds` puts the optimisers into them; `phases`
and `compiled` take them to machine code by way of `plausible.inference.graphs`. docs/engine.md
explains both on one page.
"""
