#!/bin/sh
# Build llama.cpp's own programs, against which slow tests hold ours: llama_tools.sh PYTHON FOLDER
#
# From the same source distribution as the library, its hash checked; needs cmake and a C++ compiler,
# and about ten minutes on two cores, once. Then: export BABELBITS_LLAMA_TOOLS=FOLDER
set -eu

python=$1 folder=$2
tools="llama-quantize llama-imatrix llama-perplexity"
constant() { "$python" -c "from babelbits.llamacpp import converter as c; print($1)"; }

for tool in $tools; do [ -x "$folder/$tool" ] || missing=yes; done
[ "${missing:-no}" = yes ] || exit 0

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
archive=${BABELBITS_LLAMACPP_SDIST:-}
if [ -z "$archive" ]; then
    what=$(constant 'c.DISTRIBUTION + "==" + c.VERSION')
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
        --no-binary "${what%%==*}" "$what" --dest "$place"
    archive=$(echo "$place"/*.tar.gz)
fi
echo "$(constant c.SDIST_SHA256)  $archive" | sha256sum --check --quiet
mkdir "$place/source"
tar -xzf "$archive" -C "$place/source" --strip-components 1
# No web interface and no TLS: they would be fetched while building.
cmake -S "$place/source/vendor/llama.cpp" -B "$place/build" -DCMAKE_BUILD_TYPE=Release \
    -DBUILD_SHARED_LIBS=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_CURL=OFF \
    -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF >"$place/log" || { cat "$place/log"; exit 1; }
# shellcheck disable=SC2086  # several targets
cmake --build "$place/build" --parallel "${JOBS:-2}" --target $tools >"$place/log" 2>&1 ||
    { tail -40 "$place/log"; exit 1; }
mkdir -p "$folder"
for tool in $tools; do mv "$place/build/bin/$tool" "$folder/"; done
