"""The compiled engine: a round of training as one flat tensor graph.

`capture` runs a Pyro program once and keeps what it did to tensors; `passes` prepares that graph;
`rounds` puts the optimisers into it and several rounds into one call; `check` compares it with
Pyro before it is trusted; `inductor`, `worker` and `background` compile it in another process;
`engine` trains with it. docs/engine.md explains the whole on one page.
"""
