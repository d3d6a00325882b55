#!/bin/bash
# What one GPU gives, in eight minutes: a part at a time, each with a bound of its own. A part that
# fails or runs over its time says why, and the rest goes on. One line of JSON a part:
#
#     bench/gpu.sh                                    # random Llamas of 1B and 8B, bfloat16
#     bench/gpu.sh --size tiny                        # the same end to end on a CPU: its own test
#     bench/gpu.sh --out FILE --minutes 8 --python PYTHON
#     bench/gpu.sh --size tiny --minutes 30 --patience 4    # a busy machine: bounds four times longer
#
# vLLM takes part where its environment is (BABELBITS_VLLM_PYTHON, or the one that
# `babelbits doctor --fix vllm` makes), lm-eval's vLLM model where lm_eval is there, too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
python=python size=full minutes=8 patience=1 out=gpu.jsonl
while [ $# -gt 0 ]; do
    case $1 in
        --size) size=$2 ;;
        --out) out=$2 ;;
        --minutes) minutes=$2 ;;
        --patience) patience=$2 ;;
        --python) python=$2 ;;
        *) sed -n '2,12s/^# \?//p' "$0"; exit 2 ;;
    esac
    shift 2 || exit 2
done
models=("1b" "8b")
[ "$size" = tiny ] && models=("tiny")
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
: > "$out" || exit 1
export PYTHONPATH="$here/../src${PYTHONPATH:+:$PYTHONPATH}"

part() { # part NAME MODEL SECONDS
    local left=$((minutes * 60 - SECONDS)) bound=$(($3 * patience)) code
    [ "$left" -lt "$bound" ] && bound=$left
    if [ "$bound" -lt 5 ]; then
        echo "{\"part\": \"$1\", \"model\": \"$2\", \"failed\": \"no time left\"}" | tee -a "$out"
        return
    fi
    timeout --kill-after=5 "$bound" \
        "$python" "$here/gpu_part.py" "$1" "$2" "$work" > "$work/said" 2> "$work/log"
    code=$?
    if [ $code -eq 0 ]; then
        tail -n 1 "$work/said" | tee -a "$out"
    else
        "$python" "$here/gpu_part.py" failed "$1" "$2" "$code" "$bound" "$work/log" | tee -a "$out"
    fi
}

part found - 60
for model in "${models[@]}"; do
    part make "$model" 90
    part parity "$model" 60
    part ours "$model" 60
    part vllm-parity "$model" 90
    part vllm "$model" 90
    part lm-eval-vllm "$model" 90
    [ "$model" = 8b ] && continue
    part transformers "$model" 60
    part llama.cpp "$model" 90
done
echo "written: $out (${SECONDS} s)"
