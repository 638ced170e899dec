"""Where the time of the VAE's training step goes, and the floor of its matrix products.

    python benchmarks/profile_vae.py [--rounds 15] [--seconds 0.5] [--threads 2] [--device cpu]
                                     [--batch 128] 2>/dev/null

The parts of the step run alone, on tensors of the same shapes, and alternate with the whole step.
A compiled engine fuses the elementwise part and spares its calls, so the parts need not add up to
`fit`'s step; what it cannot go below are the matrix products.

The device's limit is the longer of two times: the step's products at the rate of a large square
product, and the bytes of parameters, Adam's averages and the batch at the rate of a large copy.
Both rates are measured in the same rounds. What fits into a cache can move faster than a copy does.
"""

import argparse
import os
import statistics
import sys

from svi_timing import FIT, Case, figure, limit_cores, measure, quartiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each part in each round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--batch", type=int, default=128)
    arguments = parser.parse_args()
    limit_cores(arguments.threads)
    os.environ.setdefault("FORCE_COLOR", "1")
    if arguments.device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"

    import torch  # only now, when the threads are limited
    from svi_cases.vae import case
    from svi_parts import RATES, limit, parts

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    vae = case(device, arguments.batch)
    wholes = ("PyTorch, eager, fused Adam", "NumPyro, lax.scan", FIT)
    step = {f"whole step, {n}" if n != FIT else n: vae.peers[n] for n in wholes}
    peers = {**parts(device, arguments.batch), **step}
    timed = Case("profile of the VAE's step", vae.unit, peers, ())
    result = measure(
        timed, arguments.rounds, arguments.seconds, lambda text: print(text, file=sys.stderr)
    )
    print("| part | ms per step | of fit's step |\n|---|---|---|")
    for name, values in result.milliseconds.items():
        if name not in RATES:
            share = figure(100 * statistics.median(result.ratios(name)))
            print(f"| {name} | {quartiles(values)} | {share} % |")
    print(limit(result, device, arguments.batch))


if __name__ == "__main__":
    main()
