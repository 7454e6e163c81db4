package rules

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// TestAccessPlanted plants faults in the dumps of one workload of a healthy mesh: what
// istiod writes around them stays as it is.
func TestAccessPlanted(t *testing.T) {
	archive := filepath.Join(fixtures.Shared(t), "captures", "shop.tar.gz")
	tests := []struct {
		workload, old, new string
		want               []string
	}{
		{"checkout-v1", `\"n\":\"xAE7eB6qug`, `\"n\":\"RXJyb3ItSXN0aW9kRmFpbGVkVG9GZXRjaEp3a3NVcmkt`, []string{"error jwt-jwks-fetch-failed x2"}},
		{"checkout-v1", `"filter": "envoy.filters.http.jwt_authn"`, `"filter": "another"`, []string{"warning jwt-not-required x2"}},
		{"checkout-v1", `ns[shop]-policy[checkout-users]-rule[0]`, `ns[shop]-policy[checkout-users]-rule[0]-deny-due-to-bad-CUSTOM-action`, []string{"error rbac-bad-custom-provider x2"}},
		{"payments-v1", `"transport_socket": {`, `"no_socket": {`, []string{
			"error rbac-principal-without-mtls x2", "error rbac-principal-without-mtls x2", "info path-rbac-weak-normalization x2",
		}},
		{"storefront-v1", `"normalize_path": true`, `"normalize_path": false`, []string{"warning path-rbac-weak-normalization x3"}},
		{"storefront-v1", `"W3JlZGFjdGVkXQ=="`, `"bm90IGEga2V5"`, []string{"warning secret-in-capture x3", "info path-rbac-weak-normalization x3"}},
		{"search-v1", `"cluster_name": "outbound|9091||fraud`, `"cluster_name": "outbound|9099||fraud`, []string{"error ext-authz-unreachable x2"}},
		{"search-v1", `"transport_api_version": "V3",`, `"transport_api_version": "V3", "failure_mode_allow": true,`, []string{"warning ext-authz-fail-open x2"}},
		{"search-v1", `istio-ext-authz-opa-ns[`, `ns[`, []string{"info rbac-dry-run-left x2"}},
	}
	for _, test := range tests {
		t.Run(test.workload+"/"+test.old, func(t *testing.T) {
			c := load(t, planted(t, archive, test.workload, test.old, test.new))
			var got []string
			for _, f := range analyze.Run(c, accessRules(), analyze.Options{}).Findings {
				got = append(got, fmt.Sprintf("%s %s x%d", f.Severity, f.Rule, len(f.Instances)))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got\n%s\nwant\n%s", list(got), list(test.want))
			}
		})
	}
}

// planted unpacks the config_dumps of a workload with old replaced by new, which must
// be there, and returns their folder.
func planted(t *testing.T, archive, workload, old, new string) string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	folder, found := t.TempDir(), false
	for members := tar.NewReader(unzipped); ; {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		dir, name := filepath.Split(filepath.FromSlash(header.Name))
		pod := filepath.Base(dir)
		if !strings.HasPrefix(pod, workload) || !strings.HasPrefix(name, "config_dump") {
			continue
		}
		content, err := io.ReadAll(members)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(content, []byte(old))
		if err := os.WriteFile(filepath.Join(folder, pod+".json"), bytes.ReplaceAll(content, []byte(old), []byte(new)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		t.Fatalf("no dump of %s has %q", workload, old)
	}
	return folder
}
