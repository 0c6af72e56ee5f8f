// Package ext stands for the one in Traefik's own repository, which is replaced there too: it is
// where builds of Traefik put extensions, and has none.
package ext

// HTTP has no extension.
type HTTP struct{}

// Router has no extension.
type Router struct{}
