#!/bin/sh
# PyVista's renderer needs an off-screen GL library. Installs it where root and apt are at hand, else says what to do.
# 'install-system.sh test' looks after CalculiX, Chromium, npm and Slurm as well, for cross-code, browser, accessibility
# and cluster tests.
# Never fails.
set -u

have_gl() {
    ldconfig -p 2>/dev/null | grep -q 'libEGL\.so\.1' && ls /usr/lib/*/dri/*swrast* >/dev/null 2>&1 ||
        ldconfig -p 2>/dev/null | grep -q 'libOSMesa'
}

install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 &&
        apt-get update -qq -o Acquire::Retries=1 -o Acquire::http::Timeout=30 >/dev/null 2>&1 </dev/null &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >/dev/null 2>&1 </dev/null
}

[ "$(uname -s)" = Linux ] || exit 0
if ! have_gl && ! install libegl1 libgl1-mesa-dri; then
    echo 'femsim: no off-screen GL library found; pictures will be left out of reports.' >&2
    echo 'femsim: to get them, install libegl1 and libgl1-mesa-dri (Debian, Ubuntu) or mesa-libEGL and mesa-dri-drivers (Fedora).' >&2
fi
[ "${1:-}" = test ] || exit 0
if ! command -v ccx >/dev/null 2>&1 && ! install calculix-ccx; then
    echo 'femsim: CalculiX (ccx) not found; the cross-code tests will be skipped. Debian and Ubuntu have it as calculix-ccx.' >&2
fi
if ! command -v chromedriver >/dev/null 2>&1 && ! install chromium chromium-driver; then
    echo 'femsim: chromedriver not found; the browser tests will be skipped. Debian has it as chromium-driver.' >&2
fi
if ! command -v slurmctld >/dev/null 2>&1 && ! install slurm-wlm munge; then
    echo 'femsim: Slurm (slurmctld, munge) not found; its tests will be skipped. Debian has it as slurm-wlm and munge.' >&2
fi
if ! command -v npm >/dev/null 2>&1 && ! install npm; then
    echo 'femsim: npm not found; the accessibility tests will be skipped. Debian and Ubuntu have it as npm.' >&2
fi
exit 0
