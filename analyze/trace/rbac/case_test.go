package rbac_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	networkrbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/rbac/v3"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/request"
	"github.com/meshray/meshray/analyze/trace/match"
	"github.com/meshray/meshray/analyze/trace/rbac"
	"github.com/meshray/meshray/fixtures"
)

// asOf is when the cases' tokens are judged.
var asOf = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// TestCases runs each of testdata/*.txtar: a filter's configuration, requests, and
// what becomes of them. The answers that are certain are those of a real Envoy 1.40.
func TestCases(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("finding cases: got %d, error %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { runCase(t, path) })
	}
}

func runCase(t *testing.T, path string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatalf("reading the case: %v", err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	decide := compileCase(t, files["filter.json"])
	var got strings.Builder
	err = request.Read(bytes.NewReader(files["requests.jsonl"]), path, func(_ int, line request.Line) error {
		a := attributes(t, line.Request)
		extend(t, a, files["attributes.json"])
		fmt.Fprintf(&got, "%s: %s", line.ID, decide(a))
		return nil
	})
	if err != nil {
		t.Fatalf("reading the requests: %v", err)
	}
	if want := string(files["want"]); got.String() != want && !fixtures.Update() {
		t.Errorf("decisions differ from the case; go test -update accepts them\n%s", fixtures.Diff(path, want, got.String()))
	}
	for i := range archive.Files {
		if archive.Files[i].Name == "want" {
			archive.Files[i].Data = []byte(got.String())
		}
	}
	if fixtures.Update() {
		fixtures.Golden(t, path, txtar.Format(archive))
	}
}

// compileCase returns what puts a decision of the filter in words.
func compileCase(t *testing.T, config []byte) func(*match.Attributes) string {
	t.Helper()
	packed := &anypb.Any{}
	if err := protojson.Unmarshal(config, packed); err != nil {
		t.Fatalf("reading filter.json: %v", err)
	}
	switch c := mesh.Unpack("filter", packed).Config.(type) {
	case *httprbacv3.RBAC:
		return words(rbac.HTTPFilter(c))
	case *networkrbacv3.RBAC:
		return words(rbac.NetworkFilter(c))
	case *jwtv3.JwtAuthentication:
		return jwtWords(rbac.JWT(c))
	}
	t.Fatalf("reading filter.json: got %s, want an RBAC or JWT filter", packed.GetTypeUrl())
	return nil
}

var outcomes = map[match.Outcome]string{match.Yes: "allowed", match.No: "denied", match.Unknown: "unknown"}

func words(filter *rbac.Filter) func(*match.Attributes) string {
	return func(a *match.Attributes) string {
		v := filter.Decide(a)
		out := fmt.Sprintf("%s by %q", outcomes[v.Allowed], v.Policy)
		if v.Allowed != match.Yes {
			out += fmt.Sprintf(" %d %s", v.Status, v.Details)
		}
		out += "\n"
		for _, miss := range v.Passed {
			// Cases that keep their policies apart by path would say little else.
			if miss.Miss.Condition != "url_path" || len(v.Passed) < 3 {
				out += fmt.Sprintf("  %s: %s\n", miss.Policy, miss.Miss)
			}
		}
		if v.Shadow != nil {
			out += fmt.Sprintf("  shadow %s %s by %q\n", filter.ShadowPrefix, outcomes[v.Shadow.Allowed], v.Shadow.Policy)
		}
		return out
	}
}

func jwtWords(filter *rbac.JWTFilter) func(*match.Attributes) string {
	return func(a *match.Attributes) string {
		v := filter.Decide(a, nil, asOf)
		out := outcomes[v.Allowed]
		if v.Allowed != match.Yes {
			out += fmt.Sprintf(" %d %s", v.Status, v.Details)
		}
		out += "\n"
		for _, what := range v.Assumed {
			out += "  assumed: " + what + "\n"
		}
		for _, what := range v.Unknown {
			out += "  unknown: " + what + "\n"
		}
		if len(v.Metadata.GetFields()) > 0 {
			claims, _ := json.Marshal(v.Metadata.AsMap())
			out += "  metadata: " + string(claims) + "\n"
		}
		return out
	}
}

// attributes are those that a proxy has which terminates TLS and takes any
// certificate.
func attributes(t testing.TB, r request.Request) *match.Attributes {
	t.Helper()
	to, err := r.Destination()
	if err != nil {
		t.Fatal(err)
	}
	source, err := r.Source()
	if err != nil {
		t.Fatal(err)
	}
	a := &match.Attributes{Destination: to, Source: source, DirectSource: source}
	if r.TLS != nil {
		a.TLS, a.SNI = true, r.TLS.SNI
		if r.TLS.ClientURISAN != "" {
			a.PeerPresented, a.PeerValidated, a.PeerURISANs = true, true, []string{r.TLS.ClientURISAN}
		}
	}
	if r.IsTCP() {
		return a
	}
	a.Headers = append(request.Headers{
		{Name: ":method", Value: r.Method}, {Name: ":authority", Value: r.Authority},
		{Name: ":path", Value: r.Path}, {Name: ":scheme", Value: "http"},
	}, r.Headers...)
	return a
}

// extend adds what other filters have set.
func extend(t *testing.T, a *match.Attributes, text []byte) {
	t.Helper()
	if len(text) == 0 {
		return
	}
	var extra struct {
		Metadata    map[string]*structpb.Struct `json:"metadata"`
		FilterState map[string]string           `json:"filter_state"`
	}
	if err := json.Unmarshal(text, &extra); err != nil {
		t.Fatalf("reading attributes.json: %v", err)
	}
	a.Metadata, a.FilterState = extra.Metadata, extra.FilterState
}
