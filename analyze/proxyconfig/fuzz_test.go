package proxyconfig

import (
	"testing"
	"time"

	"github.com/meshray/meshray/analyze/mesh"
)

// FuzzRows reads one text as every kind of resource: no capture may make a row panic.
func FuzzRows(f *testing.F) {
	for _, seed := range []string{
		`{"name": "outbound|80||a", "type": 3, "metadata": {"filter_metadata": {"istio": {"config": "/apis/networking.istio.io/v1/namespaces/n/d/x"}}}}`,
		`{"cluster_name": "a", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "/x"}}}}, {}]}]}`,
		`{"name": "l", "filter_chains": [{"filters": [{"name": "envoy.tcp_proxy", "config": {"cluster": "a"}}]}, {}], "filter_chain_matcher": {"on_no_match": {"action": {"name": "x"}}}}`,
		`{"name": "80", "virtual_hosts": [{"domains": ["a", "a.svc"], "routes": [{"match": {"headers": [{"name": "x"}]}, "redirect": {}}, {}]}]}`,
		`{"name": "s", "tls_certificate": {"certificate_chain": {"inline_string": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}}}`,
		`{"node": {"id": "x", "metadata": {"ISTIO_PROXY_SHA": "a:b"}, "user_agent_build_version": {}}}`,
		`{"name": "e", "typed_config": {"@type": "type.googleapis.com/udpa.type.v1.TypedStruct", "type_url": 5}}`,
		`[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		one := func(kind mesh.ResourceKind) []*mesh.Resource { return []*mesh.Resource{resource(kind, string(raw))} }
		p := &mesh.Proxy{Config: mesh.Config{
			Bootstrap: one(mesh.Bootstrap)[0], Clusters: one(mesh.Cluster), Listeners: one(mesh.Listener), Routes: one(mesh.Route),
			Endpoints: one(mesh.Endpoint), Secrets: one(mesh.Secret), Extensions: one(mesh.Extension), Sections: []mesh.Section{{Kind: mesh.Endpoint}},
		}}
		for _, row := range Clusters(p, ClusterFilter{}) {
			row.Detail()
		}
		for _, row := range Listeners(p, ListenerFilter{}) {
			for _, chain := range row.Chains {
				chain.HTTPFilters()
			}
		}
		for _, row := range IstioctlOrder(p, Routes(p, RouteFilter{})) {
			for _, route := range row.Routes {
				DomainSummary(route.Domains)
			}
		}
		for _, row := range Secrets(p) {
			row.ValidAt(time.Time{})
			row.Serial()
		}
		Endpoints(p, EndpointFilter{}, true)
		AssignedEndpoints(p, EndpointFilter{})
		inlineEndpoints(p)
		Bootstrap(p)
		Extensions(p)
		LogLevels(p)
	})
}
