#!/usr/bin/env bash
# Trains on one GPU: is it right, how fast is it beside its peers, and what does it wait for?
#
#     bash benchmarks/gpu_check.sh [cuda|cpu] [seconds in all, 200] [folder for what it writes]
#
# Nothing is installed: the packages are used where they lie, under whatever PyTorch `python3` (or
# $PYTHON) has. Wheels of what is missing there (pyro-ppl, pyro-api, pooch, platformdirs) may lie in
# the folder .whl. pytest is needed for the tests, numpyro and a JAX for the GPU for that peer.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
device=${1:-cuda} seconds=${2:-200} folder=${3:-${TMPDIR:-/tmp}/plausible-gpu-check}
began=$SECONDS python=${PYTHON:-python3} site=$(mktemp -d) failed=0
trap 'rm -rf "$site"' EXIT
mkdir -p "$folder" || exit
log=$folder/log.txt
if compgen -G '.whl/*.whl' >/dev/null; then
    $python -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" .whl/*.whl || exit
fi
export PYTHONPATH=$PWD/.links:$PWD/benchmarks:$site PYTHONUNBUFFERED=1 PLAUSIBLE_CACHE=$site/cache
export XLA_PYTHON_CLIENT_PREALLOCATE=false
[ "$device" = cpu ] && export OMP_NUM_THREADS=1
nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv >"$log" 2>&1

stage() { # name, seconds at most, command
    local name=$1 most=$2 left=$((seconds - SECONDS + began)) status
    shift 2
    if [ "$left" -lt 10 ]; then
        echo "$name: no time is left" | tee -a "$log"
        failed=1
        return
    fi
    [ "$most" -gt "$left" ] && most=$left
    echo "== $name, at most $most s" >>"$log"
    timeout -k 5 "$most" "$@" >>"$log" 2>&1
    status=$?
    [ "$status" -eq 0 ] || { [[ "$name" =~ peers|profile ]] && [ "$status" -eq 124 ]; } || failed=1
    echo "$name: ended with $status, $((seconds - SECONDS + began)) s are left" | tee -a "$log"
}

check() { # seconds at most, stages
    local most=$1
    shift
    stage "$*" "$most" "$python" -m gpu_check "$@" --device "$device" --folder "$folder"
}

check 130 smoke correct waits # one process: the first use of a GPU takes ten seconds
# Without conftest.py, which wants every package that the project needs.
stage tests 100 "$python" -m pytest -q --no-header --noconftest -m gpu -p no:cacheprovider \
    --junitxml="$folder/tests.xml" tests/inference/engines/test_gpu.py
check 200 peers
check "$seconds" profile # with what is left
exit $failed
