# Sourced by the other scripts: `prepare EXTRAS` makes .venv where it is missing and installs the
# project with these extras, unless that was done for this very pyproject.toml already.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="$PWD/.venv/bin:$PATH"

prepare() {
    local wanted stamp=".venv/installed-$1"
    wanted=$(cksum < pyproject.toml)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    if [ ! -x .venv/bin/pip ]; then  # it comes last: none where this was stopped in the middle
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
            echo "error: Python 3.11 or newer is needed, python3 is $(python3 --version)" >&2
            exit 1
        }
        echo "making .venv ..."
        python3 -m venv .venv
    fi
    echo "installing gaussft_jax[$1] into .venv, some minutes ..."
    python -m pip install --quiet --disable-pip-version-check --editable ".[$1]"
    echo "$wanted" > "$stamp"
}
