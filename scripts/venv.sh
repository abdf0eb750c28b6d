#!/bin/sh
# Make the virtual environment .venv and install Pillarbox into it.
#
#   scripts/venv.sh server    what the service needs
#   scripts/venv.sh dev       that, and what tests and checks need
#
# Does nothing when neither pyproject.toml nor requirements.lock changed since the last time.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

wanted=${1:?server or dev}
venv=.venv
stamp=$venv/pillarbox-installed
versions="python3.14 python3.13 python3.12 python3.11 python3"

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

can_make_venv() {
    "$1" -c 'import ensurepip, venv' 2>/dev/null
}

# Set `python` to the newest Python that can make an environment, and mend one that can not.
choose_python() {
    newest=
    python=
    for candidate in ${PYTHON:-$versions}; do
        has "$candidate" && is_new_enough "$candidate" || continue
        newest=${newest:-$candidate}
        if can_make_venv "$candidate"; then
            python=$candidate
            return
        fi
    done
    if [ -z "$newest" ]; then
        found=$(python3 --version 2>/dev/null || echo "no Python")
        fail "Python 3.11 or newer is needed; here is $found." \
            "$(install_command python3.11 python3.11-venv)"
    fi
    python=$newest
    package="$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    mend=$(install_command "$package")
    is_root || fail "$python can not make virtual environments: $package is missing." "$mend"
    apt_install "$package" || apt_install python3-venv || true
    can_make_venv "$python" ||
        fail "$python can not make virtual environments: $package is missing." "$mend"
}

if [ ! -x $venv/bin/python ] || ! is_new_enough $venv/bin/python; then
    choose_python
    say "pillarbox: making the virtual environment with $("$python" --version)"
    rm -rf $venv
    "$python" -m venv $venv
fi

state="$($venv/bin/python --version) $(cat pyproject.toml requirements.lock | cksum)"
[ -e $stamp ] || : >$stamp
case "$(cat $stamp)" in
"dev $state") exit 0 ;;
"$wanted $state") exit 0 ;;
esac

extras=server
[ "$wanted" = server ] || extras=server,$wanted
say "pillarbox: installing into $venv (a minute or two)"
$venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint requirements.lock --editable ".[$extras]" ||
    fail "pip could not install what Pillarbox needs; what it says stands above." "make run"
printf '%s' "$wanted $state" >$stamp
