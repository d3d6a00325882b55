#!/bin/sh
# Install Babelbits into a virtual environment: install.sh PYTHON VENV EXTRAS
#
# torch comes first and pinned, so that no other package chooses its version. Where there is no
# NVIDIA driver, the CPU build is taken from PyTorch's own index if that can be reached: the default
# one on Linux brings gigabytes of CUDA libraries that would never be used.
set -eu

python=$1 venv=$2 extras=$3
here=$(cd "$(dirname "$0")/.." && pwd)
torch=$(sed -n 's/^torch==/torch==/p' "$here/requirements.lock")
cpu_index=https://download.pytorch.org/whl/cpu

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: Python 3.11 or newer is needed, this is $("$python" --version)" >&2
    exit 1
}
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

can_reach() {
    "$venv/bin/python" - "$1" <<'PROBE' 2>/dev/null
import sys, urllib.request
urllib.request.urlopen(sys.argv[1] + "/torch/", timeout=5)
PROBE
}

if ! "$venv/bin/python" -c 'import torch' 2>/dev/null; then
    if [ -e /proc/driver/nvidia/version ] || [ "$(uname)" != Linux ]; then
        pip install --quiet "$torch"
    elif can_reach "$cpu_index"; then
        echo "installing $torch (CPU build)"
        pip install --quiet --index-url "$cpu_index" "$torch"
    else
        echo "installing $torch"
        pip install --quiet "$torch"
    fi
fi
echo "installing babelbits[$extras]: a few minutes the first time"
case ",$extras," in
*,gguf,*)
    "$venv/bin/python" -c 'import llama_cpp' 2>/dev/null ||
        echo "  among it llama.cpp, built from source for GGUF variants: 3 to 7 minutes on two cores, once"
    ;;
esac
pip install --quiet --constraint "$here/requirements.lock" --editable "$here[$extras]"
