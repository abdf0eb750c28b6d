# Shell pieces that the other scripts share; read with `. scripts/common.sh`. POSIX sh.

say() { printf '%s\n' "$*" >&2; }

# Say what is wrong and the one command that mends it, then end.
fail() {
    say ""
    say "pillarbox: $1"
    [ -z "${2:-}" ] || say "  To mend it:  $2"
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

has() { command -v "$1" >/dev/null 2>&1; }

# The command that installs packages, as people are told it: for root as it is, for others by
# sudo, or by su where there is no sudo, as on many a Debian.
install_command() {
    if is_root; then
        printf 'apt-get update && apt-get install -y %s' "$*"
    elif has sudo || ! has su; then
        printf 'sudo apt-get update && sudo apt-get install -y %s' "$*"
    else
        printf "su -c 'apt-get update && apt-get install -y %s'" "$*"
    fi
}

# Install packages of the system, without questions and without starting what they bring.
apt_install() {
    has apt-get || return 1
    say "pillarbox: installing $*"
    policy=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
    made_policy=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made_policy=yes
    fi
    result=0
    {
        apt-get update -q &&
            DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
    } >&2 || result=$?
    [ -z "$made_policy" ] || rm -f "$policy"
    return $result
}
