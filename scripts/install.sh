#!/bin/sh
# Install Babelbits into a virtual environment: install.sh VENV EXTRAS [PYTHON [MARKER]]
#
# Finds a Python that can (or takes the one that is named) and says at once what is missing; the
# work is install.py's. Needs no more than a POSIX shell.
set -eu

venv=$1 extras=$2 wanted=${3:-} marker=${4:-}
here=$(cd "${0%/*}" && pwd)
# Versions for which the pinned parts have wheels; fasttext-predict and lingua have none for 3.14.
versions="3.11 3.12 3.13"
case ",$extras," in
*,run,* | *,gguf,* | *,lingua,*) ;;
*) versions="$versions 3.14" ;;
esac

# What keeps a Python from being used; prints nothing if it can be used.
problem() {
    "$1" -E - "$versions" 2>/dev/null <<'PROBE' || echo "does not start"
import sys
version = "%d.%d" % sys.version_info[:2]
if version not in sys.argv[1].split():
    print("is Python " + version)
else:
    try:
        import ensurepip, venv
    except ImportError:
        print("cannot make virtual environments: sudo apt install python" + version + "-venv")
PROBE
}

# Pythons of these versions in the folders of PATH, the oldest version first.
candidates() (
    IFS=" "
    for version in $versions ""; do
        IFS=:
        for folder in $PATH; do
            [ ! -x "$folder/python${version:-3}" ] || echo "$folder/python${version:-3}"
        done
    done
)

IFS="
" # paths may have spaces
refused=""
for candidate in ${wanted:-$(candidates)}; do
    why=$(problem "$candidate")
    if [ -z "$why" ]; then
        exec "$candidate" "$here/install.py" "$venv" "$extras" ${marker:+"$marker"}
    fi
    refused="$refused  $candidate $why
"
done
{
    echo "error: ${wanted:-no Python here} can${wanted:+not} be used; one of these versions is needed: $versions"
    printf '%s' "$refused"
    if [ -z "$wanted" ] && command -v apt-get >/dev/null; then
        echo "  install one (sudo apt install python3 python3-venv), or name one: make PYTHON=/path/to/python3.12"
    else
        echo "  install one, or name one: make PYTHON=/path/to/python3.12"
    fi
} >&2
exit 2
