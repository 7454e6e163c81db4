package rbac_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
	"github.com/meshray/meshray/analyze/trace/rbac"
	"github.com/meshray/meshray/fixtures"
	"github.com/meshray/meshray/loader"
)

// TestReplayed holds the decisions of both filters against what a real Envoy did
// with the inbound requests of the shop capture.
func TestReplayed(t *testing.T) {
	shared := filepath.Join(fixtures.Shared(t), "captures")
	capture, err := loader.Load([]string{filepath.Join(shared, "shop.tar.gz")}, nil, loader.Options{})
	if err != nil {
		t.Fatalf("loading the shop capture: %v", err)
	}
	decided := 0
	for _, pod := range []string{"storefront-v1-cgx6vgsdg-9fxwm", "checkout-v1-bnbhg5nrx-2pghn", "payments-v1-rrz6thtqp-gl4kd", "search-v1-mkg9xcmxw-cn2c5"} {
		file := filepath.Join(shared, "replayed", pod+".jsonl")
		lines, err := os.Open(file)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		defer lines.Close()
		chains := inboundChains(t, capture, pod)
		err = request.Read(lines, file, func(_ int, line request.Line) error {
			if filters, ok := chains[line.Observed.FilterChain]; ok && line.Direction == request.Inbound && line.Observed.Status != 0 {
				compare(t, pod, filters, line)
				decided++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if decided < 100 {
		t.Errorf("got %d recorded requests that reach the filters, want at least 100", decided)
	}
}

// compare runs a request through the filters; what gets through them was not denied.
func compare(t *testing.T, pod string, filters []mesh.Filter, line request.Line) {
	t.Helper()
	a := attributes(t, line.Request)
	a.DirectSource = netip.MustParseAddrPort("127.0.0.1:40000") // the recorder speaks the PROXY protocol
	a.Metadata = map[string]*structpb.Struct{rbac.JWTFilterName: {}}
	got := ""
	for _, f := range filters {
		outcome, details := match.Yes, ""
		switch c := f.Config.(type) {
		case *httprbacv3.RBAC:
			v := rbac.HTTPFilter(c).Decide(a)
			outcome, details = v.Allowed, v.Details
		case *jwtv3.JwtAuthentication:
			v := rbac.JWT(c).Decide(a, nil, asOf)
			outcome, details = v.Allowed, v.Details
			a.Metadata[rbac.JWTFilterName] = v.Metadata
		}
		if outcome == match.Unknown {
			t.Errorf("%s %s: got an unknown decision of %s, want one that is certain", pod, line.ID, f.Name)
		}
		if outcome != match.Yes {
			got = details
			break
		}
	}
	want := line.Observed.Details
	if !strings.HasPrefix(want, "rbac_") && !strings.HasPrefix(want, "jwt_") {
		want = ""
	}
	if got != want {
		t.Errorf("%s %s: got details %q, Envoy's are %q", pod, line.ID, got, want)
	}
}

// inboundChains returns the HTTP filters of virtualInbound's chains by their names.
func inboundChains(t *testing.T, capture *mesh.Capture, pod string) map[string][]mesh.Filter {
	t.Helper()
	out := map[string][]mesh.Filter{}
	for _, p := range capture.Proxies {
		if p.Name != pod {
			continue
		}
		for _, r := range p.Listeners {
			if r.Name() != "virtualInbound" {
				continue
			}
			listener, err := r.Listener()
			if err != nil {
				t.Fatal(err)
			}
			for _, chain := range mesh.FilterChains(listener) {
				if hcm := mesh.HTTPConnectionManager(chain); hcm != nil {
					out[chain.GetName()] = mesh.HTTPFilters(hcm)
				}
			}
		}
	}
	if len(out) == 0 {
		t.Fatalf("got no inbound filter chains of %s", pod)
	}
	return out
}
