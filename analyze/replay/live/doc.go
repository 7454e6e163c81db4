// Package live runs a folder of package replay: stubs that answer for all
// upstreams, an Envoy process, and a client that sends requests and tells what
// became of them. The parts work with any Envoy configuration on loopback:
// [Stubs], [Envoy] and [Client] do not need each other.
package live
