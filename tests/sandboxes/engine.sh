#!/usr/bin/env bash
# Gives the tests a Docker engine that has the image guerdon-sandbox, and prints its DOCKER_HOST.
#
#   engine.sh         a running engine if one answers, else one of our own, with Debian's docker.io
#   engine.sh start   the same, whether it has the image or not
#   engine.sh stop    stops our own; it keeps its images, and is back in two seconds
#   engine.sh clean   stops our own, and removes all that it has
#
# Our own lives in $GUERDON_ENGINE; if that is set, no other engine is used. It forwards nothing and changes no firewall:
# the sandboxes have no network.
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin
directory=$(realpath -m "${GUERDON_ENGINE:-/var/lib/guerdon-engine}")
cd "$(dirname "$0")/../.."
python=.venv/test/bin/python
image=guerdon-sandbox
base=guerdon-base
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { echo "$*" >&2; }

die() {
    say
    say "engine.sh: $1"
    shift
    for line in "$@"; do say "  $line"; done
    exit 1
}

# Runs a command; says what is being done, and every two seconds for how long and what was written last.
patiently() {
    local what=$1 begun=$SECONDS told=$SECONDS
    shift
    say "$what …"
    "$@" >"$log" 2>&1 9<&- &
    while kill -0 $! 2>/dev/null; do
        if ((SECONDS - told >= 2)); then
            told=$SECONDS
            say "  $((told - begun)) s $(tail -n 1 "$log" | tr -d '\r' | cut -c 1-100)"
        fi
        sleep 0.1
    done
    wait $! || { tail -n 15 "$log" >&2; return 1; }
}

become_root() {
    [ "$(id -u)" = 0 ] && return
    { command -v sudo >/dev/null && sudo -v; } || die "this needs root, or sudo" "$@"
}

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# The first of these engines that answers, and "ready" if it has the image.
look() {
    "$python" - "$image" "$@" <<'PYTHON'
import os, sys, docker

for host in sys.argv[2:]:
    try:
        client = docker.from_env(timeout=10, environment={**os.environ, "DOCKER_HOST": host})
    except docker.errors.DockerException:
        continue
    there = client.images.list(sys.argv[1])
    print(host, "ready" if there else "bare")
    break
PYTHON
}

hosts() {
    if [ -n "${GUERDON_ENGINE:-}" ]; then
        echo "unix://$directory/docker.sock"
    elif [ -n "${DOCKER_HOST:-}" ]; then
        echo "$DOCKER_HOST"
    else
        echo "unix:///var/run/docker.sock unix://$directory/docker.sock"
    fi
}

install() {
    command -v apt-get >/dev/null || die "$1 is missing, and there is no apt-get to install it with" "install $1"
    become_root "ask an administrator to install $1, or set DOCKER_HOST to an engine that you may use"
    patiently "Asking for Debian's packages" as_root apt-get -q update ||
        die "the package lists cannot be fetched" "see above; then: apt-get update && apt-get install $*"
    # A run level of 1 keeps a machine without systemd from starting an engine of its own besides ours.
    patiently "Installing Debian's $*" as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -q install -y --no-install-recommends "$@" ||
        die "$* cannot be installed" "see above; then: apt-get install $*"
}

# Runs in a mount namespace of its own, below a private copy of /: nothing that is mounted here is seen elsewhere or
# outlives the engine. In a chroot it would not do without: there / is no mount, and no container could leave it.
daemon() {
    local copy=$directory/copy/all
    exec >"$directory/log" 2>&1
    trap 'rm -f "$log"; touch "$directory/ended"' EXIT
    mkdir -p "$directory/copy"
    mount -t tmpfs tmpfs "$directory/copy"
    mount --make-private "$directory/copy"
    mkdir "$copy"
    mount --rbind / "$copy"
    mount --make-rslave "$copy"
    [ -e "$copy/sys/fs" ] || mount -t sysfs sysfs "$copy/sys"
    grep -q ' /sys/fs/cgroup.* cgroup' /proc/self/mounts || mount_cgroups "$copy/sys/fs/cgroup"
    # Not a mere chroot: the copy becomes the root of this namespace, and so what containers pivot away from. Below a
    # chroot they would still have the machine's root underneath them, for whoever enters with `docker exec`.
    cd "$copy"
    mount --move . /
    chroot . dockerd --iptables=false --ip6tables=false --bridge=none "$@" \
        --data-root "$directory/data" --exec-root "$directory/exec" --pidfile "$directory/docker.pid" \
        --host "unix://$directory/docker.sock" || true
}

# As the kernel has them already: all in one, or each in a tree of its own.
mount_cgroups() {
    if ! grep -q '^[1-9]' /proc/self/cgroup; then
        mount -t cgroup2 cgroup2 "$1"
        return
    fi
    mount -t tmpfs cgroup "$1"
    local controllers
    while IFS=: read -r _ controllers _; do
        [ -n "$controllers" ] || continue
        mkdir "$1/${controllers#name=}"
        mount -t cgroup -o "${controllers/#name=/none,name=}" cgroup "$1/${controllers#name=}"
    done </proc/self/cgroup
}

start() {
    command -v dockerd >/dev/null || install docker.io ca-certificates
    local found
    found=$(look $(hosts)) # installing may have started one
    [ -n "$found" ] && return
    become_root "no engine answers: ask an administrator to start Docker, or set DOCKER_HOST to an engine that you may use"
    ((${#directory} < 90)) || die "the path $directory is too long for a socket" "set GUERDON_ENGINE to a shorter one"
    as_root mkdir -p "$directory"
    patiently "Starting an engine of our own in $directory" launch ||
        patiently "Starting it with the storage driver vfs, which works everywhere" launch --storage-driver=vfs ||
        die "dockerd does not start here" "its log: $directory/log" \
            "it needs root with all capabilities; in a container, run that --privileged"
}

launch() {
    # An engine that was killed leaves its containerd behind, in a namespace that the next engine does not share.
    end_process "$directory/exec/containerd/containerd.pid" containerd
    as_root rm -f "$directory/ended"
    as_root unshare --mount --propagation unchanged true || return
    as_root env GUERDON_ENGINE="$directory" setsid --fork unshare --mount --propagation unchanged \
        bash "$PWD/tests/sandboxes/engine.sh" daemon "$@" </dev/null
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        [ -e "$directory/ended" ] && break
        # Whoever may open it is as good as root: its user, and nobody else of a group that many are in.
        [ -S "$directory/docker.sock" ] && as_root chown "$(id -u)" "$directory/docker.sock" && [ -n "$(look "unix://$directory/docker.sock")" ] && return
        sleep 0.2
    done
    tail -n 5 "$directory/log"
    return 1
}

# Ends the process whose id is in a file, if it is still the one that was meant.
end_process() {
    local id
    id=$(as_root cat "$1" 2>/dev/null) || return 0
    [ "$(cat "/proc/$id/comm" 2>/dev/null)" = "$2" ] || return 0
    # bash has a kill of its own; sudo would look for a program, which a small Debian lacks.
    as_root bash -c 'kill "$0"' "$id"
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        [ -e "/proc/$id" ] || return 0
        sleep 0.1
    done
    as_root bash -c 'kill -9 "$0"' "$id"
}

stop() {
    [ -e "$directory/docker.pid" ] || return 0
    become_root "ask an administrator to stop it"
    patiently "Stopping the engine in $directory" end_process "$directory/docker.pid" dockerd
}

build() {
    local way_out="or build the image yourself: docs/how-to/run-code-safely.md"
    if patiently "Looking for python:3.12-slim in a registry" "$python" -c '
import sys, docker
try:
    docker.from_env(timeout=20).images.get_registry_data("python:3.12-slim")
except Exception as error:
    sys.exit(str(error))'; then
        "$python" -m guerdon sandbox build >&2 && return
    fi
    say "The image is made of Debian's packages instead."
    debian || die "there is no base for the image" "$way_out"
    "$python" -m guerdon sandbox build --set base="$base" >&2 || die "the image cannot be built" "see above, $way_out"
}

# A minimal Debian with all that the image needs, from where this machine gets its own packages.
debian() {
    [ -z "$("$python" -c "import docker; print(*docker.from_env().images.list('$base'))")" ] || return 0
    command -v debootstrap >/dev/null || install debootstrap
    become_root "ask an administrator to run tests/sandboxes/engine.sh once"
    local origin proxy=""
    origin=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$3 == "main" && $2 !~ /-|\// && $1 ~ /^(https?|file):/ { print $1, $2; exit }') || true
    origin=${origin:-http://deb.debian.org/debian stable}
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    as_root mkdir -p "$directory"
    as_root rm -rf --one-file-system "$directory/debian"
    patiently "Fetching a minimal Debian, ${origin#* }" as_root env ${proxy:+http_proxy="$proxy"} debootstrap \
        --variant=minbase --include=python3,python3-pytest,g++ \
        "${origin#* }" "$directory/debian" "${origin% *}" || return
    patiently "Giving it to the engine" give || return
    as_root rm -rf --one-file-system "$directory/debian"
}

give() {
    as_root tar -C "$directory/debian" --numeric-owner --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' \
        --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -c . |
        "$python" -c "
import sys, docker
docker.from_env(timeout=600).api.import_image_from_stream(sys.stdin.buffer, repository='$base', tag='latest')"
}

give_one() {
    [ -e /proc/self/mounts ] || die "there is no /proc" "mount -t proc proc /proc"
    [ -x "$python" ] || die "there is no $python" "make test makes it"
    local wanted=$1 found lock=/tmp/guerdon-engine-$(id -u).lock
    found=$(look $(hosts))
    if [ -z "$found" ] || [ "$wanted ${found#* }" = "ready bare" ]; then
        # One at a time: a second one waits, and then finds all done.
        [ -e "$lock" ] || : >"$lock"
        exec 9<"$lock"
        until flock -w 2 9; do say "Another engine.sh is at work; waiting for it …"; done
        found=$(look $(hosts))
        [ -n "$found" ] || [ -z "${DOCKER_HOST:-}" ] || [ -n "${GUERDON_ENGINE:-}" ] ||
            die "nothing answers at DOCKER_HOST=$DOCKER_HOST" "start what is meant, or unset DOCKER_HOST"
        [ -n "$found" ] || start
        found=$(look $(hosts))
        [ -n "$found" ] || die "it was started, and does not answer" "its log: $directory/log"
        export DOCKER_HOST=${found% *}
        [ "$wanted ${found#* }" != "ready bare" ] || build
    fi
    echo "${found% *}"
}

remove() {
    [ -e "$directory" ] || return 0
    stop
    become_root "ask an administrator to remove $directory"
    local part
    for part in data exec copy debian docker.sock docker.pid ended log; do
        as_root rm -rf --one-file-system "${directory:?}/$part"
    done
    as_root rmdir "$directory"
}

case ${1:-} in
"") give_one ready ;;
start) give_one bare ;;
stop) stop ;;
clean) remove ;;
daemon) shift && daemon "$@" ;;
*) die "what is '$1'?" "see the head of $0" ;;
esac
