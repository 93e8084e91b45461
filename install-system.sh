#!/bin/sh
# PyVista's renderer needs an off-screen GL library. Installs it where root and apt are at hand, else says what to do.
set -u

have_gl() {
    ldconfig -p 2>/dev/null | grep -q 'libEGL\.so\.1' && ls /usr/lib/*/dri/*swrast* >/dev/null 2>&1 ||
        ldconfig -p 2>/dev/null | grep -q 'libOSMesa'
}

[ "$(uname -s)" = Linux ] || exit 0
have_gl && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libegl1 libgl1-mesa-dri >/dev/null && exit 0
fi
echo 'femsim: no off-screen GL library found; pictures will be left out of reports.' >&2
echo 'femsim: to get them, install libegl1 and libgl1-mesa-dri (Debian, Ubuntu) or mesa-libEGL and mesa-dri-drivers (Fedora).' >&2
exit 0
