// Package rules holds the lint rules, one file each.
//
// To add one, write its file, its line in [All], and at least two firing and two
// silent cases in fixtures/rules/NAME. README.md is rendered from the rules'
// documentation.
package rules

import "github.com/meshray/meshray/analyze"

// All returns every rule, sorted by name.
func All() []*analyze.Rule {
	return []*analyze.Rule{
		BlackholeFallthrough,
		CaptureIncomplete,
		CertExpired,
		ClusterWithoutEndpoints,
		RouteToMissingCluster,
		XDSAckStale,
		XDSResourceRejected,
	}
}
