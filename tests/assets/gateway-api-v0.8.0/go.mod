// Pins the oldest Gateway API that is supported: OpenFunction 1.2 installs it.
module gateway-api-crds

go 1.26.0

require sigs.k8s.io/gateway-api v0.8.0
