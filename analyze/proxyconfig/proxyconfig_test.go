package proxyconfig

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/meshray/meshray/analyze/mesh"
	"github.com/meshray/meshray/analyze/mesh/rawjson"
)

// resource makes an active dynamic resource of kind out of its JSON.
func resource(kind mesh.ResourceKind, raw string) *mesh.Resource {
	name := rawjson.GetText([]byte(raw), "name")
	if kind == mesh.Endpoint {
		name = rawjson.GetText([]byte(raw), "cluster_name")
	}
	return &mesh.Resource{
		Kind: kind, Origin: mesh.Dynamic, State: mesh.Active,
		Content: &mesh.Content{Raw: []byte(raw), Name: name, TypeURL: kind.TypeURL()},
	}
}

func inState(r *mesh.Resource, state mesh.State) *mesh.Resource {
	r.State = state
	return r
}

func static(r *mesh.Resource) *mesh.Resource {
	r.Origin = mesh.Static
	return r
}

func named(kind mesh.ResourceKind, names ...string) []*mesh.Resource {
	var out []*mesh.Resource
	for _, name := range names {
		out = append(out, resource(kind, fmt.Sprintf(`{"name": %q}`, name)))
	}
	return out
}

func TestParseClusterName(t *testing.T) {
	tests := []struct {
		name string
		want ClusterName
	}{
		{"outbound|9080|v1|reviews.default.svc.cluster.local", ClusterName{"outbound", 9080, "v1", "reviews.default.svc.cluster.local"}},
		{"inbound|8080||", ClusterName{"inbound", 8080, "", ""}},
		{"inbound-vip|9080|http/v1|a.b", ClusterName{"inbound-vip", 9080, "http/v1", "a.b"}},
		{"outbound|http||a.b", ClusterName{"outbound", 0, "", "a.b"}},
		{"outbound|80||a|b", ClusterName{"outbound", 80, "", "a|b"}},
		{"PassthroughCluster", ClusterName{FQDN: "PassthroughCluster"}},
		{"outbound_.80_.v1_.a.b", ClusterName{FQDN: "outbound_.80_.v1_.a.b"}},
		{"", ClusterName{}},
	}
	for _, test := range tests {
		if got := ParseClusterName(test.name); got != test.want {
			t.Errorf("ParseClusterName(%q): got %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestClusters(t *testing.T) {
	p := &mesh.Proxy{Config: mesh.Config{Clusters: []*mesh.Resource{
		inState(resource(mesh.Cluster, `{"name": "outbound|80||b", "type": "EDS"}`), mesh.Warming),
		resource(mesh.Cluster, `{"name": "outbound|90|v1|b", "type": 3}`),
		resource(mesh.Cluster, `{"name": "outbound|100||b", "type": "STRICT_DNS"}`),
		resource(mesh.Cluster, `{"name": "inbound|100||b", "clusterType": {"name": "acme.clusters.own"}}`),
		resource(mesh.Cluster, `{"name": "outbound|80||b", "type": "EDS", "metadata": {"filterMetadata": {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/ns/destination-rule/dr"}}}}`),
		resource(mesh.Cluster, `{"name": "agent"}`),
	}}}
	tests := []struct {
		name   string
		filter ClusterFilter
		want   []string
	}{
		{"all, sorted by host, subset, port, direction, state", ClusterFilter{}, []string{
			"agent STATIC  active", "outbound|80||b EDS dr.ns active", "outbound|80||b EDS  warming", "inbound|100||b acme.clusters.own  active",
			"outbound|100||b STRICT_DNS  active", "outbound|90|v1|b EDS  active",
		}},
		{"a part of the name", ClusterFilter{FQDN: "agen"}, []string{"agent STATIC  active"}},
		{"the FQDN is looked for in the whole name", ClusterFilter{FQDN: "|v1|"}, []string{"outbound|90|v1|b EDS  active"}},
		{"port and direction", ClusterFilter{Port: 100, Direction: "in"}, []string{"inbound|100||b acme.clusters.own  active"}},
		{"nothing", ClusterFilter{Port: 10}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, row := range Clusters(p, test.filter) {
				got = append(got, strings.Join([]string{row.Resource.Name(), row.Type, row.DestinationRule, string(row.Resource.State)}, " "))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestIstioConfigPath(t *testing.T) {
	tests := []struct{ path, want string }{
		{"", ""},
		{"/apis/networking.istio.io/v1alpha3/namespaces/ns/destination-rule/dr", "dr.ns"},
		{"/apis/networking.istio.io/v1/namespaces/ns/virtual-service/vs", "vs.ns"},
		{"/apis/networking/v1alpha3/namespaces/ns/virtual-service/vs", "vs.ns"},
		{"/apis/networking.istio.io/v1alpha3/namespaces/ns/vs", ""},
		{"/apis/apps/v1/namespaces/ns/deployments/d", "<unknown>"},
		{"nonsense", "<unknown>"},
	}
	for _, test := range tests {
		if got := istioConfigPath(test.path); got != test.want {
			t.Errorf("istioConfigPath(%q): got %q, want %q", test.path, got, test.want)
		}
	}
}

func TestDomainSummary(t *testing.T) {
	tests := []struct {
		domains []string
		want    string
	}{
		{nil, ""},
		{[]string{"a:80"}, "a:80"},
		{[]string{"a", "a:80"}, "a"},
		{[]string{"a.ns.svc.cluster.local", "a", "a.ns.svc", "a.ns", "10.0.0.1"}, "a, a.ns + 1 more..."},
		{[]string{"[fd00:10::1]", "[fd00:10::1]:80", "b"}, "[fd00:10::1], b"},
		{[]string{"a:80", "b:80"}, ""},
	}
	for _, test := range tests {
		if got := DomainSummary(test.domains); got != test.want {
			t.Errorf("DomainSummary(%q): got %q, want %q", test.domains, got, test.want)
		}
	}
}

func TestRoutesOrder(t *testing.T) {
	p := &mesh.Proxy{Config: mesh.Config{Routes: slices.Concat(
		[]*mesh.Resource{static(resource(mesh.Route, `{"name": "inbound|80||"}`))},
		named(mesh.Route, "9080", "z.example.com:80", "80", "8080", "a.example.com:80", "15010"),
	)}}
	names := func(rows []RouteConfigRow) []string {
		var out []string
		for _, row := range rows {
			out = append(out, row.Name)
		}
		return out
	}
	rows := Routes(p, RouteFilter{})
	if got, want := names(rows), []string{"80", "8080", "9080", "15010", "a.example.com:80", "z.example.com:80", "inbound|80||"}; !slices.Equal(got, want) {
		t.Errorf("Routes: got %q, want %q", got, want)
	}
	if got, want := names(IstioctlOrder(p, rows)), []string{"9080", "z.example.com:80", "80", "8080", "a.example.com:80", "15010", "inbound|80||"}; !slices.Equal(got, want) {
		t.Errorf("IstioctlOrder: got %q, want %q", got, want)
	}
	if got, want := names(Routes(p, RouteFilter{Name: "80"})), []string{"80"}; !slices.Equal(got, want) {
		t.Errorf("Routes called 80: got %q, want %q", got, want)
	}
}

func TestUndecodable(t *testing.T) {
	p := &mesh.Proxy{Config: mesh.Config{
		Listeners: []*mesh.Resource{
			resource(mesh.Listener, `{"name": "bad", "address": 5}`),
			{Kind: mesh.Listener, Owner: "refused", State: mesh.Rejected, Error: &mesh.ErrorState{Details: "no"}},
		},
		Routes:  []*mesh.Resource{resource(mesh.Route, `{"name": "bad", "virtual_hosts": 5}`)},
		Secrets: []*mesh.Resource{resource(mesh.Secret, `{"name": "bad", "tls_certificate": 5}`)},
	}}
	listeners := Listeners(p, ListenerFilter{})
	if len(listeners) != 2 || listeners[0].Err == nil || listeners[1].Err != nil || Reason(listeners[1].Resource) != "no" {
		t.Errorf("listeners: got %+v, want one that cannot be decoded and one without a configuration", listeners)
	}
	if routes := Routes(p, RouteFilter{}); len(routes) != 1 || routes[0].Err == nil {
		t.Errorf("routes: got %+v, want one that cannot be decoded", routes)
	}
	if secrets := Secrets(p); len(secrets) != 1 || secrets[0].Err == nil {
		t.Errorf("secrets: got %+v, want one that cannot be decoded", secrets)
	}
}
