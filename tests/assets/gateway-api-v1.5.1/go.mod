// Pins the Gateway API whose custom resource definitions the tests install.
module gateway-api-crds

go 1.26.0

require sigs.k8s.io/gateway-api v1.5.1
