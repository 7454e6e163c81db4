package rules

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/meshray/meshray/analyze"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

// accessRules are the rules on who may pass, and on secrets; those for the profile
// edge are edgeRules.
func accessRules() []*analyze.Rule {
	return []*analyze.Rule{
		ExtAuthzFailOpen, ExtAuthzUnreachable, JWTJWKSFetchFailed, JWTNotRequired, JWTRemoteJWKSBroken,
		PathRBACWeakNormalization, RBACBadCustomProvider, RBACDeniesEverything, RBACDryRunLeft, RBACPrincipalWithoutMTLS,
		RBACSourceIPBehindLB, RBACTCPBroadDeny, RBACUnknownPrincipal, SecretInCapture,
	}
}

func edgeRules() []*analyze.Rule { return []*analyze.Rule{EdgeLimitsMissing, EdgeUnderscoreHeaders} }

// TestAccessCaptures holds all that the rules on access say of whole captures.
func TestAccessCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	weakPath := []string{"info path-rbac-weak-normalization ratings-v1-vsnqhl44b-wsqvs.default/listener/virtualInbound x1"}
	tests := []struct {
		captures string
		rules    []*analyze.Rule
		want     []string
	}{
		// One DENY policy is for a path, and Istio does not merge slashes by default.
		{"captures/bookinfo-allow-any", accessRules(), weakPath},
		{"captures/bookinfo-registry-only", accessRules(), weakPath},
		{"captures/bookinfo-drift", accessRules(), weakPath},
		{"captures/broken", accessRules(), weakPath},
		{"captures/waypoint", accessRules(), nil},
		{"captures/large/bug-report-100.tar.gz", accessRules(), nil},
		{"captures/shop.tar.gz", accessRules(), []string{
			"info path-rbac-weak-normalization payments-v1-rrz6thtqp-gl4kd.payments/listener/virtualInbound x2",
			"info path-rbac-weak-normalization storefront-v1-cgx6vgsdg-9fxwm.shop/listener/virtualInbound x3",
		}},
		{"captures/envoy-real/after", accessRules(), []string{
			"info rbac-source-ip-behind-lb edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/edge_http x2",
			"info rbac-source-ip-behind-lb edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/edge_https x2",
			"info rbac-dry-run-left edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/edge_http x2",
			"info rbac-dry-run-left edge-gateway-6c9f7b6d5d-x2x7p.edge (config_dump.json)/listener/edge_https x2",
		}},
		{
			// RBAC is switched on for the namespace, and nobody has a role: the old
			// default of refusing everything.
			"corpus/istio-1.3", accessRules(), []string{
				"warning rbac-denies-everything a-6bb6dbdcc5-z58cx.apps-1-99281/listener/10.40.3.59_70 x1",
				"warning rbac-denies-everything a-6bb6dbdcc5-z58cx.apps-1-99281/listener/10.40.3.59_7070 x1",
				"warning rbac-denies-everything a-6bb6dbdcc5-z58cx.apps-1-99281/listener/10.40.3.59_80 x1",
				"warning rbac-denies-everything a-6bb6dbdcc5-z58cx.apps-1-99281/listener/10.40.3.59_8080 x1",
				"warning rbac-denies-everything a-6bb6dbdcc5-z58cx.apps-1-99281/listener/10.40.3.59_90 x1",
				"warning rbac-denies-everything a-6bb6dbdcc5-z58cx.apps-1-99281/listener/10.40.3.59_9090 x1",
			},
		},
		{"corpus/istio-authz", accessRules(), nil},
		{"corpus/bug-report-1.25", accessRules(), nil},
		{"corpus/consul", accessRules(), nil},
		{"captures/waypoint", edgeRules(), []string{
			"warning edge-underscore-headers istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/listener/0.0.0.0_8080 x1",
			"info edge-limits-missing istio-ingressgateway-xzpwk8fmg-nkgm6.istio-system/listener/0.0.0.0_8080 x1",
		}},
	}
	for _, test := range tests {
		t.Run(test.captures, func(t *testing.T) {
			c := load(t, filepath.Join(shared, filepath.FromSlash(test.captures)))
			if got := summary(c, test.rules); !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}

func summary(c *mesh.Capture, rules []*analyze.Rule) []string {
	var got []string
	for _, f := range analyze.Run(c, rules, analyze.Options{}).Findings {
		got = append(got, fmt.Sprintf("%s %s %s x%d", f.Severity, f.Rule, f.Ref, len(f.Instances)))
	}
	return got
}
