#!/usr/bin/env bash
# Prints the folder that holds what the demo and the end-to-end tests run, making it once:
#   assets.sh control-plane   etcd, kube-apiserver, kube-controller-manager, kubectl
#   assets.sh gateway-api-V   the custom resource definitions of version V of the Gateway API
# All comes from Go modules pinned beside this file. The result is kept outside the project, keyed
# by the pins. KUBEBUILDER_ASSETS may name a folder with the first four instead.
set -euo pipefail
cd "$(dirname "$0")"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/ofn-gateway
key() { cat assets.sh "$1"/go.mod "$1"/go.sum | sha256sum | cut -c1-16; }
say() { echo "assets: $*" >&2; }

control_plane() {
  if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    for program in etcd kube-apiserver kube-controller-manager kubectl; do
      [ -x "$KUBEBUILDER_ASSETS/$program" ] || { say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS has no $program"; exit 1; }
    done
    echo "$KUBEBUILDER_ASSETS"
    return
  fi
  local folder
  folder=$cache/control-plane-$(key control-plane)
  if [ ! -e "$folder/done" ]; then
    say "building the Kubernetes control plane from its Go modules into $folder."
    say "This is done once. It takes about six minutes on two cores and 3 GB of Go's build cache."
    mkdir -p "$folder"
    local version=v1.36.2 flags="-s -w" package
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
      flags="$flags -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=36 -X $package.gitTreeState=clean"
    done
    build() {
      say "$1 ($2)"
      (cd control-plane && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags "$flags" -o "$folder/$1.new" "$3") >&2
      mv "$folder/$1.new" "$folder/$1"
    }
    build etcd "half a minute" go.etcd.io/etcd/server/v3
    build kubectl "half a minute" k8s.io/kubernetes/cmd/kubectl
    build kube-apiserver "four minutes" k8s.io/kubernetes/cmd/kube-apiserver
    build kube-controller-manager "one minute" k8s.io/kubernetes/cmd/kube-controller-manager
    touch "$folder/done"
  fi
  echo "$folder"
}

gateway_api() {
  local folder
  folder=$cache/$1-$(key "$1")
  if [ ! -e "$folder/done" ]; then
    local module
    module=$(cd "$1" && go mod download -json sigs.k8s.io/gateway-api | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    mkdir -p "$folder"
    cp -f "$module"/config/crd/standard/*.yaml "$folder"/
    chmod u+w "$folder"/*.yaml
    touch "$folder/done"
  fi
  echo "$folder"
}

case ${1:-} in
  control-plane) control_plane ;;
  gateway-api-v0.8.0 | gateway-api-v1.5.1) gateway_api "$1" ;;
  *) say "usage: assets.sh control-plane|gateway-api-v0.8.0|gateway-api-v1.5.1"; exit 2 ;;
esac
