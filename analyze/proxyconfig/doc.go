// Package proxyconfig lists what a proxy has: its clusters, listeners, routes, endpoints, secrets,
// bootstrap and extension configurations, as rows that istioctl proxy-config would print.
//
// Rows carry facts, no layout. They include what istioctl leaves out: resources that are warming,
// draining or rejected, and behind every row the [mesh.Resource] that it was made from. Every
// order is total, so that equal captures give equal rows.
package proxyconfig

import (
	"strings"

	"github.com/meshray/meshray/analyze/mesh"
)

// Reason says why a resource is not active: what Envoy found wrong with it, or what it waits for.
// "" for an active resource, and where the capture does not tell.
func Reason(r *mesh.Resource) string {
	switch {
	case r == nil:
		return ""
	case r.Error != nil:
		return r.Error.Details
	case len(r.WaitsFor) > 0:
		return "waits for " + strings.Join(r.WaitsFor, ", ")
	}
	return ""
}

// istioConfigPath turns metadata.filter_metadata.istio.config, the API path of the object that a
// resource was made from ("/apis/networking.istio.io/v1/namespaces/NS/destination-rule/NAME", up to
// Istio 1.3 "/apis/networking/..."), into "NAME.NS". Paths of other APIs give "<unknown>", as in
// istioctl.
func istioConfigPath(path string) string {
	if path == "" {
		return ""
	}
	steps := strings.Split(path, "/")
	if len(steps) < 5 || steps[1] != "apis" || steps[2] != "networking.istio.io" && steps[2] != "networking" || steps[4] != "namespaces" {
		return "<unknown>"
	}
	if len(steps) != 8 {
		return ""
	}
	return steps[7] + "." + steps[5]
}
