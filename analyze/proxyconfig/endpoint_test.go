package proxyconfig

import (
	"fmt"
	"slices"
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/meshray/meshray/analyze/mesh"
)

const assigned = `{"cluster_name": "service-a", "endpoints": [{"locality": {"region": "r", "sub_zone": "s"}, "lb_endpoints": [
  {"endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}, "hostname": "one"}, "health_status": "HEALTHY"},
  {"endpoint": {"address": {"socket_address": {"address": "10.0.0.3", "port_value": 80}}}}]}]}`

const status = `{"cluster_statuses": [{"name": "a", "host_statuses": [
  {"address": {"socket_address": {"address": "10.0.0.2", "port_value": 80}}, "health_status": {"failed_outlier_check": true, "eds_health_status": "HEALTHY"}},
  {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 80}}, "health_status": {"failed_active_health_check": true, "eds_health_status": "HEALTHY"}, "priority": 2, "weight": 7}]}]}`

func clusterStatus(t *testing.T, raw string) *mesh.Doc[*adminv3.Clusters] {
	t.Helper()
	return mesh.NewDoc(mesh.Source{}, []byte(raw), func(raw []byte) (*adminv3.Clusters, error) {
		var m adminv3.Clusters
		return &m, protojson.Unmarshal(raw, &m)
	})
}

func TestEndpoints(t *testing.T) {
	clusters := []*mesh.Resource{
		resource(mesh.Cluster, `{"name": "a", "type": "EDS", "eds_cluster_config": {"service_name": "service-a"}}`),
		resource(mesh.Cluster, `{"name": "s", "type": "STATIC", "load_assignment": {"cluster_name": "s", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": "/s"}}}}]}]}}`),
	}
	sections := []mesh.Section{{Kind: mesh.Endpoint}}
	endpoints := []*mesh.Resource{resource(mesh.Endpoint, assigned)}
	tests := []struct {
		name   string
		proxy  *mesh.Proxy
		filter EndpointFilter
		joined bool
		want   []string
	}{
		{
			"from /clusters alone",
			&mesh.Proxy{ClusterStatus: clusterStatus(t, status), Config: mesh.Config{Sections: sections, Clusters: clusters, Endpoints: endpoints}},
			EndpointFilter{}, false,
			[]string{"a 10.0.0.1:80 HEALTHY false [failed_active_health_check] 2 7 clusters", "a 10.0.0.2:80 HEALTHY true [failed_outlier_check] 0 0 clusters"},
		},
		{
			"joined with EDS, which names the cluster by its service",
			&mesh.Proxy{ClusterStatus: clusterStatus(t, status), Config: mesh.Config{Sections: sections, Clusters: clusters, Endpoints: endpoints}},
			EndpointFilter{}, true,
			[]string{
				"a 10.0.0.1:80 HEALTHY false [failed_active_health_check] 2 7 clusters+EDS", "a 10.0.0.2:80 HEALTHY true [failed_outlier_check] 0 0 clusters",
				"a 10.0.0.3:80 UNKNOWN false [] 0 0 EDS",
			},
		},
		{
			"from EDS",
			&mesh.Proxy{Config: mesh.Config{Sections: sections, Clusters: clusters, Endpoints: endpoints}},
			EndpointFilter{}, false,
			[]string{"a 10.0.0.1:80 HEALTHY false [] 0 0 EDS", "a 10.0.0.3:80 UNKNOWN false [] 0 0 EDS"},
		},
		{
			"from the clusters themselves",
			&mesh.Proxy{Config: mesh.Config{Clusters: clusters}},
			EndpointFilter{}, false,
			[]string{"s unix:///s UNKNOWN false [] 0 0 CDS"},
		},
		{
			"filtered by address with port, cluster and status",
			&mesh.Proxy{Config: mesh.Config{Sections: sections, Clusters: clusters, Endpoints: endpoints}},
			EndpointFilter{Address: "10.0.0.1:80", Cluster: "A", Status: "healthy", Port: 80}, false,
			[]string{"a 10.0.0.1:80 HEALTHY false [] 0 0 EDS"},
		},
		{
			"filtered by address",
			&mesh.Proxy{Config: mesh.Config{Sections: sections, Clusters: clusters, Endpoints: endpoints}},
			EndpointFilter{Address: "10.0.0.3"}, false,
			[]string{"a 10.0.0.3:80 UNKNOWN false [] 0 0 EDS"},
		},
		{"filtered by another port", &mesh.Proxy{Config: mesh.Config{Clusters: clusters}}, EndpointFilter{Port: 80}, false, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rows, err := Endpoints(test.proxy, test.filter, test.joined)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rows {
				got = append(got, fmt.Sprint(r.Cluster, " ", r.Address, " ", r.Status, " ", r.Outlier, " ", r.Health, " ", r.Priority, " ", r.Weight, " ", r.Origin))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestEndpointsDamaged(t *testing.T) {
	p := &mesh.Proxy{ClusterStatus: clusterStatus(t, `{"cluster_statuses": [`)}
	if rows, err := Endpoints(p, EndpointFilter{}, false); err == nil {
		t.Errorf("got %d rows and no error, want an error", len(rows))
	}
	p = &mesh.Proxy{Config: mesh.Config{Sections: []mesh.Section{{Kind: mesh.Endpoint}}, Endpoints: []*mesh.Resource{
		resource(mesh.Endpoint, `{"cluster_name": "bad", "endpoints": 5}`), resource(mesh.Endpoint, assigned),
	}}}
	if rows, err := Endpoints(p, EndpointFilter{}, false); err == nil || len(rows) != 2 {
		t.Errorf("beside a damaged resource: got %d rows and error %v, want 2 and an error", len(rows), err)
	}
	if rows, err := AssignedEndpoints(p, EndpointFilter{}); err == nil || len(rows) != 2 {
		t.Errorf("beside a damaged resource: got %d EDS rows and error %v, want 2 and an error", len(rows), err)
	}
}
