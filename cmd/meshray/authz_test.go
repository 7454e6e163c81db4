package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/meshray/meshray/analyze/authz"
	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/fixtures"
)

// TestAuthzPeerTables compares --style istioctl with what `istioctl x authz check` prints.
func TestAuthzPeerTables(t *testing.T) {
	shared := fixtures.Shared(t)
	captures := map[string]string{
		"bookinfo-allow-any": "bookinfo-allow-any", "broken": "broken", "waypoint": "waypoint", "shop": "shop.tar.gz",
	}
	compared, withPolicies := 0, 0
	for name, path := range captures {
		tables, err := filepath.Glob(filepath.Join(shared, "captures", "peer-tables", name, "*", "*", "authz.txt"))
		if err != nil || len(tables) == 0 {
			t.Fatalf("finding the tables of %s: %d found, %v", name, len(tables), err)
		}
		capture := loadCapture(t, filepath.Join(shared, "captures", path))
		for _, table := range tables {
			pod := filepath.Dir(table)
			proxy := filepath.Base(pod) + "." + filepath.Base(filepath.Dir(pod))
			want := trimmedLines(readFile(t, table))
			got := runAuthzList(capture, proxy, "--style", istioctlStyle)
			if got.code != exitClean {
				t.Errorf("%s: exit code %d, %s", proxy, got.code, got.stderr)
			}
			if diff := fixtures.Diff(name+"/"+proxy, want, trimmedLines(got.stdout)); diff != "" {
				t.Error(diff)
			}
			compared++
			if strings.Count(want, "\n") > 1 {
				withPolicies++
			}
			checkListsAll(t, capture, proxy)
		}
	}
	if compared != 29 || withPolicies != 12 {
		t.Errorf("compared %d tables, %d of them with policies, want 29 and 12", compared, withPolicies)
	}
}

// checkListsAll checks that the default table has every policy of istioctl's. Its rows for filters
// without policies stand for nothing where there are no rules either.
func checkListsAll(t *testing.T, capture *mesh.Capture, proxy string) {
	t.Helper()
	p, err := capture.FindProxy(proxy, "")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[authz.Row]bool{}
	for _, policy := range authz.Of(capture, p).Policies {
		listed[authz.Row{Action: policy.Action, Policy: policy.String(), Rules: policy.RuleCount()}] = true
	}
	for _, row := range authz.IstioctlRows(p) {
		if !listed[row] && row.Policy != authz.MatchesNothing {
			t.Errorf("%s: istioctl lists %v, and the default table does not", proxy, row)
		}
	}
}

// TestAuthzOnOldCaptures lists the policies of every proxy of other people's captures.
func TestAuthzOnOldCaptures(t *testing.T) {
	shared := fixtures.Shared(t)
	tests := []struct {
		path string
		// policies is the number of policies of all its proxies.
		policies int
	}{
		{"istio-0.8", 0},
		{"istio-1.0-pair", 0},
		{"istio-1.1", 1},
		{"istio-1.3", 1},
		{"istio-1.4", 0},
		{"istio-1.5-bookinfo", 0},
		{"istio-1.8", 0},
		{"istio-authz", 3},
		{"osm", 3},
		{"kuma", 0},
		{"consul", 1},
		{"envoy-gateway", 0},
		{"plain-envoy-1.14", 0},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			capture := loadCapture(t, filepath.Join(shared, "corpus", test.path))
			policies := 0
			for _, p := range capture.Proxies {
				if p.Kind == mesh.Ztunnel || !p.Has(mesh.Listener) {
					continue
				}
				if got := runAuthzList(capture, p.Key(), "-o", wideFormat); got.code != exitClean {
					t.Errorf("%s: exit code %d, %s", p.Key(), got.code, got.stderr)
				}
				policies += len(authz.Of(capture, p).Policies)
			}
			if policies != test.policies {
				t.Errorf("got %d policies, want %d", policies, test.policies)
			}
		})
	}
}

// runAuthzList runs `authz check PROXY ARGS...` on a capture that is loaded already.
func runAuthzList(capture *mesh.Capture, proxy string, args ...string) outcome {
	e := testEnv(nil)
	var out, errs strings.Builder
	e.stdout, e.stderr = &out, &errs
	command := authzCheckCommand(e)
	command.Action = func(c *cli.Context) error {
		p, err := capture.FindProxy(c.Args().First(), "")
		if err != nil {
			return err
		}
		return listAuthz(c, e, e.conversation(false), capture, p)
	}
	code := execute(e, []*cli.Command{command}, append([]string{"meshray", "check", proxy}, args...))
	return outcome{code: code, stdout: out.String(), stderr: errs.String()}
}
